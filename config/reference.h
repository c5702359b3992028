/* Every configuration key as text for people, from the same tables that read them. */
#ifndef BARKEEP_CONFIG_REFERENCE_H
#define BARKEEP_CONFIG_REFERENCE_H

#include <stdio.h>

/* One line a key, indented as in the file: name, default or "required", and what it is. */
void config_reference_print(FILE *out);

#endif
