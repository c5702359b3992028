/* What the tests of configurations share: a small good configuration, of which a case replaces the
 * top-level sections that it brings itself. The case stands first, so its lines count from 1. */
#ifndef BARKEEP_TESTS_CONFIG_CASE_H
#define BARKEEP_TESTS_CONFIG_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define CLIENT "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
#define GROUP "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"

static const struct {
    const char *key;
    const char *yaml;
} BASE_SECTIONS[] = {
    {"listen:", "listen: 127.0.0.1:8080\n"},
    {"entra:", "entra: {tenant: " TENANT ", audience: " CLIENT "}\n"},
    {"routes:", "routes: [{name: base, upstream: \"http://127.0.0.1:3000\"}]\n"},
    {"access:", "access: [{role: Reader, to: {everyone: true}}]\n"},
};

static inline bool case_has_section(const char *yaml, const char *key) {
    for (const char *line = yaml; line; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        if (strncmp(line, key, strlen(key)) == 0)
            return true;
    }
    return false;
}

/* `yaml` and the base sections that it does not bring. The caller frees it. */
static inline char *case_document(const char *yaml) {
    size_t size = strlen(yaml) + 2048;
    char *document = malloc(size);
    assert_non_null(document);
    size_t len = (size_t)snprintf(document, size, "%s\n", yaml);
    for (size_t i = 0; i < sizeof BASE_SECTIONS / sizeof *BASE_SECTIONS; i++) {
        if (!case_has_section(yaml, BASE_SECTIONS[i].key))
            len += (size_t)snprintf(document + len, size - len, "%s", BASE_SECTIONS[i].yaml);
    }
    return document;
}

static inline void case_print(const char *document, const struct problem_list *problems) {
    print_message("%s\n", document);
    for (size_t i = 0; i < problems->count; i++) {
        char text[1024];
        problem_format("case.yaml", &problems->items[i], text, sizeof text);
        print_message("%s\n", text);
    }
}

/* Parses `yaml` as it is. */
static inline struct config *case_parse_whole(const char *yaml, struct problem_list *problems) {
    *problems = (struct problem_list){0};
    return config_parse("/etc/barkeep/case.yaml", slice_of_str(yaml), problems);
}

/* Parses `yaml` over the base; fails the test unless it is good. config_unref() by the caller. */
static inline struct config *case_good(const char *yaml) {
    struct problem_list problems;
    char *document = case_document(yaml);
    struct config *config = case_parse_whole(document, &problems);
    if (!config)
        case_print(document, &problems);
    assert_non_null(config);
    problem_list_done(&problems);
    free(document);
    return config;
}

/* True when exactly one problem of `severity` is there, at `where` ("LINE:COL: PATH"), saying
 * `fragment`. */
static inline bool case_has_only(const struct problem_list *problems,
                                 enum problem_severity severity, const char *where,
                                 const char *fragment) {
    size_t matching = 0, of_severity = 0;
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->items[i];
        char at[256];
        snprintf(at, sizeof at, "%u:%u: %s", problem->position.line, problem->position.column,
                 problem->path);
        of_severity += problem->severity == severity ? 1 : 0;
        bool is_it = problem->severity == severity && strcmp(at, where) == 0 &&
                     strstr(problem->text, fragment);
        matching += is_it ? 1 : 0;
    }
    return matching == 1 && of_severity == 1;
}

struct config_case {
    const char *yaml;
    const char *where;
    const char *fragment;
};

/* Every case over the base has its one problem of `severity`; an error refuses it, a warning does
 * not. */
static inline void case_judge_all(const struct config_case *cases, size_t count,
                                  enum problem_severity severity) {
    size_t failures = 0;
    for (size_t i = 0; i < count; i++) {
        struct problem_list problems;
        char *document = case_document(cases[i].yaml);
        struct config *config = case_parse_whole(document, &problems);
        if ((config != NULL) != (severity == PROBLEM_WARNING) ||
            !case_has_only(&problems, severity, cases[i].where, cases[i].fragment)) {
            print_message("expected %s ... %s\n", cases[i].where, cases[i].fragment);
            case_print(document, &problems);
            failures++;
        }
        config_unref(config);
        problem_list_done(&problems);
        free(document);
    }
    assert_int_equal(failures, 0);
}

/* Every text over the base is accepted without a word: the control of a table of warnings. */
static inline void case_silent_all(const char *const *texts, size_t count) {
    size_t failures = 0;
    for (size_t i = 0; i < count; i++) {
        struct problem_list problems;
        char *document = case_document(texts[i]);
        struct config *config = case_parse_whole(document, &problems);
        if (!config || problems.count > 0) {
            case_print(document, &problems);
            failures++;
        }
        config_unref(config);
        problem_list_done(&problems);
        free(document);
    }
    assert_int_equal(failures, 0);
}

/* Every text over the base is accepted: the positive control of a table of refusals. */
static inline void case_accept_all(const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++)
        config_unref(case_good(texts[i]));
}

#define REFUSE_ALL(cases) case_judge_all((cases), sizeof(cases) / sizeof *(cases), PROBLEM_ERROR)
#define WARN_ALL(cases) case_judge_all((cases), sizeof(cases) / sizeof *(cases), PROBLEM_WARNING)
#define SILENT_ALL(texts) case_silent_all((texts), sizeof(texts) / sizeof *(texts))
#define ACCEPT_ALL(texts) case_accept_all((texts), sizeof(texts) / sizeof *(texts))

#endif
