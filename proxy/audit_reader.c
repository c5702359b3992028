/* One line in memory at a time. A log that was rotated, cut off by a crash, or mixed with other
 * output is read for what is good in it. */
#include "proxy/audit_reader.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES_MAX = 128 * 1024 };

enum placing { PLACE_UNKNOWN, PLACE_WANTED, PLACE_OTHER };

struct reading {
    const char *config_hash;
    enum placing placing; /* the configuration under which the lines at hand were written */
    void (*on_request)(void *owner, const struct audit_request *request);
    void *owner;
    struct audit_tally *tally;
};

static struct slice text_of(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value))
                                 : (struct slice){NULL, 0};
}

static void read_shadows(const json_t *line, struct audit_request *request) {
    const json_t *shadows = json_object_get(line, "shadow");
    for (size_t i = 0; i < json_array_size(shadows); i++) {
        const json_t *shadow = json_array_get(shadows, i);
        if (json_is_string(shadow) && request->shadow_count < AUDIT_SHADOWS_MAX) {
            request->shadows[request->shadow_count++] =
                slice_of(json_string_value(shadow), json_string_length(shadow));
        }
    }
}

static void tell(const struct reading *reading, const json_t *line) {
    const json_t *principal = json_object_get(line, "principal");
    const json_int_t status = json_integer_value(json_object_get(line, "status"));
    struct audit_request request = {
        .time = text_of(line, "time"),
        .id = text_of(line, "id"),
        .route = text_of(line, "route"),
        .client = text_of(line, "client"),
        .host = text_of(line, "host"),
        .method = text_of(line, "method"),
        .path = text_of(line, "path"),
        .decision = text_of(line, "decision"),
        .reason = text_of(line, "reason"),
        .rule = text_of(line, "rule"),
        .credential = text_of(line, "credential"),
        .principal_type = text_of(principal, "type"),
        .tenant = text_of(principal, "tenant"),
        .oid = text_of(principal, "oid"),
        .app = text_of(principal, "app"),
        .status = status > 0 && status < 1000 ? (unsigned)status : 0,
    };
    read_shadows(line, &request);
    reading->on_request(reading->owner, &request);
}

static void on_line_of_request(const struct reading *reading, const json_t *line) {
    if (reading->placing == PLACE_OTHER) {
        reading->tally->other_config++;
        return;
    }
    reading->tally->requests++;
    reading->tally->unplaced += reading->placing == PLACE_UNKNOWN;
    tell(reading, line);
}

/* start and reload say which configuration is in force from then on. */
static void on_line_of_event(struct reading *reading, const json_t *line) {
    struct slice hash = text_of(line, "config_hash");
    reading->tally->other_events++;
    if (hash.len) {
        reading->placing = slice_eq_str(hash, reading->config_hash) ? PLACE_WANTED : PLACE_OTHER;
    }
}

/* True when it was one line of an audit log. */
static bool read_line(struct reading *reading, struct slice line) {
    json_t *document = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
    struct slice event = text_of(document, "event");
    if (slice_eq(event, SLICE("request"))) {
        on_line_of_request(reading, document);
    } else if (event.len) {
        on_line_of_event(reading, document);
    }
    json_decref(document);
    return event.len > 0;
}

enum line_end { LINE_WHOLE, LINE_TOO_LONG, LINE_CUT, LINE_NONE };

/* By bytes, for a line may hold anything. */
static enum line_end next_line(FILE *file, char *line, size_t *out_len) {
    size_t len = 0;
    int c;
    while ((c = getc_unlocked(file)) != EOF && c != '\n') {
        if (len < LINE_BYTES_MAX) {
            line[len] = (char)c;
        }
        len++;
    }
    *out_len = len;
    if (len > LINE_BYTES_MAX) {
        return LINE_TOO_LONG;
    }
    return c == '\n' ? LINE_WHOLE : len ? LINE_CUT : LINE_NONE;
}

static void read_lines(struct reading *reading, FILE *file, char *line) {
    struct audit_tally *tally = reading->tally;
    size_t len;
    for (;;) {
        switch (next_line(file, line, &len)) {
        case LINE_NONE:
            return;
        case LINE_TOO_LONG:
            tally->bad_lines++;
            break;
        case LINE_WHOLE:
            tally->bad_lines += len > 0 && !read_line(reading, slice_of(line, len));
            break;
        case LINE_CUT:
            tally->cut_lines += !read_line(reading, slice_of(line, len));
            break;
        }
    }
}

enum status audit_read(const char *path, const char *config_hash,
                       void (*on_request)(void *owner, const struct audit_request *request),
                       void *owner, struct audit_tally *tally, struct error *err) {
    struct reading reading = {
        .config_hash = config_hash, .on_request = on_request, .owner = owner, .tally = tally};
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "r");
    char *line = malloc(LINE_BYTES_MAX);
    enum status status = STATUS_OK;
    if (!file || !line) {
        status = error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    } else {
        read_lines(&reading, file, line);
        if (ferror(file)) {
            status = error_set(err, STATUS_IO, "%s: cannot be read: %s", path, strerror(errno));
        }
    }
    free(line);
    if (file && !is_stdin) {
        fclose(file);
    }
    return status;
}

void audit_tally_print(const struct audit_tally *tally, FILE *out) {
    fprintf(out, "%llu requests, %llu other events, %llu bad lines, %llu cut lines",
            (unsigned long long)tally->requests, (unsigned long long)tally->other_events,
            (unsigned long long)tally->bad_lines, (unsigned long long)tally->cut_lines);
    if (tally->other_config) {
        fprintf(out, "; left out: %llu recorded under another configuration",
                (unsigned long long)tally->other_config);
    }
    fputc('\n', out);
    if (tally->unplaced) {
        fprintf(out,
                "note: no start or reload stands before %llu of these requests in their file; they "
                "may be of another configuration\n",
                (unsigned long long)tally->unplaced);
    }
}
