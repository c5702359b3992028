/* The configuration's keys for editors: JSON Schema, draft 2020-12. */
#ifndef BARKEEP_CONFIG_JSON_SCHEMA_H
#define BARKEEP_CONFIG_JSON_SCHEMA_H

#include <stdbool.h>
#include <stdio.h>

/* What it refuses the loader refuses too; the loader knows more. False without memory. */
bool config_json_schema_print(FILE *out);

#endif
