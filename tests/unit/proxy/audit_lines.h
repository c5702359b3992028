/* Audit files for the commands that read them back: one request a line, in which any field can be
 * somebody's attempt on the terminal of whoever reads the report. */
#ifndef BARKEEP_TESTS_UNIT_PROXY_AUDIT_LINES_H
#define BARKEEP_TESTS_UNIT_PROXY_AUDIT_LINES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/utf8.h"

#include "one_route_case.h"

#define RULE "routes.r.access[0]"

enum { HOSTILE_LONG = 20000 };

/* As they stand in the file; the last one is followed by HOSTILE_LONG more letters. */
static const char *const hostile_values[] = {
    "\\u001b[2J\\u001b]0;owned\\u0007", /* ANSI: clear, set the title */
    "\\u009b31m",                       /* the same as one C1 control */
    "a\\r\\n  9999  last GET / by root: allow",
    "\\u007f\\u0008\\u0008",
    "\\u202egpj.exe\\u202c",
    "\\u2066\\u2067\\u2068x\\u2069\\u200e\\u200f\\u061c",
    "x\\u2028y\\u2029z",
    "a\\u001fb\\u001fc", /* what the review puts between parts */
    "\xff\xfe\x9b",      /* no UTF-8: the whole line is none */
    "\\u0000",
    "\xe2\x80\xae", /* not as an escape of JSON */
    "x",
};

enum { HOSTILE_COUNT = sizeof hostile_values / sizeof *hostile_values };

static const char *const audit_fields[] = {"time",   "id",     "route",      "client", "host",
                                           "method", "path",   "decision",   "reason", "rule",
                                           "shadow", "tenant", "credential", "oid",    "app"};

enum { FIELD_ROUTE = 2, FIELD_COUNT = sizeof audit_fields / sizeof *audit_fields };

struct audit_line {
    size_t field;      /* that holds `value`; FIELD_COUNT: none */
    const char *value; /* as JSON without its quotes */
    bool is_long;
    bool is_refused;
};

static const char *usual_value(const char *field, bool is_refused) {
    static const char *const usual[][2] = {
        {"time", "2026-11-23T10:00:00.000Z"},
        {"id", "1"},
        {"route", "r"},
        {"client", "127.0.0.1"},
        {"host", "h.example"},
        {"method", "GET"},
        {"path", "/caf\\u00e9"},
        {"rule", RULE},
        {"shadow", RULE},
        {"tenant", TENANT},
        {"oid", USER},
        {"app", APP},
        {"credential", "one"},
    };
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (strcmp(usual[i][0], field) == 0)
            return is_refused && strcmp(field, "rule") == 0 ? "" : usual[i][1];
    }
    if (strcmp(field, "decision") == 0)
        return is_refused ? "deny" : "allow";
    return is_refused ? "no_role" : "";
}

static void write_field(FILE *file, const struct audit_line *line, size_t field) {
    bool is_it = line->field == field;
    fprintf(file, "\"%s", is_it ? line->value : usual_value(audit_fields[field], line->is_refused));
    for (size_t i = 0; is_it && line->is_long && i < HOSTILE_LONG; i++)
        fputc('x', file);
    fputc('"', file);
}

static bool is_of_principal(const char *field) {
    return strcmp(field, "tenant") == 0 || strcmp(field, "oid") == 0 || strcmp(field, "app") == 0;
}

static void write_line(FILE *file, const struct audit_line *line) {
    fputs("{\"event\":\"request\",\"status\":200", file);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (is_of_principal(audit_fields[i]))
            continue;
        bool is_list = strcmp(audit_fields[i], "shadow") == 0;
        fprintf(file, ",\"%s\":%s", audit_fields[i], is_list ? "[" : "");
        write_field(file, line, i);
        fputs(is_list ? "]" : "", file);
    }
    fputs(",\"principal\":{\"type\":\"user\"", file);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (is_of_principal(audit_fields[i])) {
            fprintf(file, ",\"%s\":", audit_fields[i]);
            write_field(file, line, i);
        }
    }
    fputs("}}\n", file);
}

/* A file of lines, gone with audit_file_done(). */
struct audit_file {
    char path[40];
    FILE *out;
};

static struct audit_file audit_file_new(void) {
    struct audit_file file = {.path = "/tmp/barkeep-audit-XXXXXX"};
    int fd = mkstemp(file.path);
    assert_true(fd >= 0);
    file.out = fdopen(fd, "w");
    assert_non_null(file.out);
    return file;
}

/* The usual granted and refused request, then each with every hostile value in every field. */
static void audit_file_fill(struct audit_file *file) {
    for (int is_refused = 0; is_refused < 2; is_refused++) {
        write_line(file->out, &(struct audit_line){FIELD_COUNT, "", false, is_refused});
        for (size_t field = 0; field < FIELD_COUNT; field++) {
            for (size_t i = 0; i < HOSTILE_COUNT; i++)
                write_line(file->out, &(struct audit_line){field, hostile_values[i],
                                                           i + 1 == HOSTILE_COUNT, is_refused});
        }
    }
    assert_int_equal(fflush(file->out), 0);
}

static void audit_file_done(struct audit_file *file) {
    fclose(file->out);
    unlink(file->path);
}

/* Valid UTF-8 in lines of bounded length, with nothing that a terminal obeys. */
static void assert_harmless(const char *text, size_t len) {
    size_t line_len = 0;
    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        size_t taken = utf8_decode(slice_of(text + at, len - at), &c);
        bool is_turn = c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
                       (c >= 0x2066 && c <= 0x2069);
        if (taken == 0 || (c < 0x20 && c != '\n') || (c >= 0x7f && c < 0xa0) || is_turn)
            fail_msg("U+%04X at %zu of: %.200s", (unsigned)c, at, text + (at > 100 ? at - 100 : 0));
        line_len = c == '\n' ? 0 : line_len + 1;
        if (line_len > 5000)
            fail_msg("a line without end: %.200s", text + at - 200);
        at += taken;
    }
}

#endif
