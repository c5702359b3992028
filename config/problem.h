/* Collecting problems while a configuration is read. The public side is in config.h. */
#ifndef BARKEEP_CONFIG_PROBLEM_H
#define BARKEEP_CONFIG_PROBLEM_H

#include <stdarg.h>

#include "config/config.h"

#define PROBLEMS_KEPT 100

/* True when only counting is left to do: whoever would work hard for a good message need not. */
bool problem_list_is_full(const struct problem_list *list);

/* An error takes the place of a warning when the list is full. */
void problem_vadd(struct problem_list *list, enum problem_severity severity,
                  struct config_position position, const char *path, const char *format,
                  va_list arguments) __attribute__((format(printf, 5, 0)));
void problem_add(struct problem_list *list, enum problem_severity severity,
                 struct config_position position, const char *path, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* By line and column; what concerns the whole file comes first. */
void problem_list_sort(struct problem_list *list);

#endif
