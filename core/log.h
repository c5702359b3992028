/* Structured log: one JSON object a line on stderr (audit lines go elsewhere, see
 * proxy/audit_writer.h). Fields are an allow list by construction: what is not passed is not
 * logged. Never pass a header value, a token, a query string or a secret. */
#ifndef BARKEEP_CORE_LOG_H
#define BARKEEP_CORE_LOG_H

#include <stdint.h>

#include "core/slice.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

enum log_field_kind { LOG_FIELD_STR, LOG_FIELD_INT };

struct log_field {
    const char *key;
    enum log_field_kind kind;
    struct slice text;
    int64_t number;
};

#define LOG_STR(key_, value_)                                                                      \
    ((struct log_field){.key = (key_), .kind = LOG_FIELD_STR, .text = slice_of_str(value_)})
#define LOG_SLICE(key_, value_)                                                                    \
    ((struct log_field){.key = (key_), .kind = LOG_FIELD_STR, .text = (value_)})
#define LOG_INT(key_, value_)                                                                      \
    ((struct log_field){.key = (key_), .kind = LOG_FIELD_INT, .number = (int64_t)(value_)})

void log_set_level(enum log_level level);
bool log_is_enabled(enum log_level level);
/* One line: time, level, event, then the fields. Thread-safe; one write(2) a line. */
void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t count);

/* Shows every line of level info or graver to `observer` first, whatever the level set, on whatever
 * thread logs it: key and secret changes belong into the audit log too. True means that it took the
 * line and stderr does not get it. NULL ends it. */
void log_set_observer(bool (*observer)(const char *event, struct slice line));

#define LOG_EVENT(level_, event_, ...)                                                             \
    do {                                                                                           \
        const struct log_field log_fields_[] = {__VA_ARGS__};                                      \
        log_event((level_), (event_), log_fields_, sizeof log_fields_ / sizeof *log_fields_);      \
    } while (0)

#endif
