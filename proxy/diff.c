/* `barkeep diff`: what a changed configuration changes. Without audit files: which parts, and which
 * rules came, went or moved. With them: which recorded requests would be decided otherwise, which
 * may be, and which cannot be told from what a line holds. What a line says is made harmless as it
 * is read. */
#include "proxy/diff.h"

#include <stdlib.h>

#include "config/quote.h"
#include "proxy/command_line.h"
#include "proxy/commands.h"

enum {
    ROWS_MAX = 20000,
    ARENA_BYTES_MAX = 256 << 20,
    JSON_BYTES_MAX = 64 << 20,
    ROW_BYTES = 2048,
};

/* True when the rules decided the recorded request; what happened later is another matter. */
static bool is_by_rules(const struct audit_request *request, bool *out_was_allowed) {
    static const char *const refusals[] = {"no_role", "denied", "groups_unknown",
                                           "claims_required"};
    *out_was_allowed = false;
    if (slice_eq(request->rule, SLICE("revoked")) ||
        slice_starts_with(request->rule, SLICE("pins")) || !request->oid.len) {
        return false;
    }
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (slice_eq_str(request->reason, refusals[i])) {
            return true;
        }
    }
    *out_was_allowed = true;
    return slice_eq(request->decision, SLICE("allow")) ||
           (slice_eq(request->decision, SLICE("error")) && request->rule.len > 0);
}

/* "GET /x by user 6f0a...: allow (credential)" */
static size_t describe_record(char out_text[ROW_BYTES], const struct audit_request *request,
                              bool was_allowed) {
    struct quoted_field method, path, oid, by;
    struct slice old_by = was_allowed ? request->credential : request->reason;
    snprintf(out_text, ROW_BYTES, "%s %s by %s %s: %s%s%s%s", quote_field(request->method, &method),
             quote_field(request->path, &path),
             slice_eq(request->principal_type, SLICE("app")) ? "app" : "user",
             quote_field(request->oid, &oid), was_allowed ? "allow" : "deny",
             old_by.len ? " (" : "", quote_field(old_by, &by), old_by.len ? ")" : "");
    return strlen(out_text);
}

static void describe(char out_text[ROW_BYTES], const struct audit_request *request,
                     bool was_allowed, const struct replay_outcome *outcome) {
    const char *after = outcome->verdict == REPLAY_ALLOWED   ? "allow"
                        : outcome->verdict == REPLAY_REFUSED ? "deny"
                                                             : "depends on groups/roles";
    size_t len = describe_record(out_text, request, was_allowed);
    snprintf(out_text + len, ROW_BYTES - len, " -> %s%s%s%s%s", after, outcome->rule ? " by " : "",
             outcome->rule ? outcome->rule : "", outcome->credential ? ", credential " : "",
             outcome->credential ? outcome->credential : "");
}

static bool is_same(const struct audit_request *request, bool was_allowed,
                    const struct replay_outcome *outcome) {
    if (was_allowed != (outcome->verdict == REPLAY_ALLOWED)) {
        return false;
    }
    return !was_allowed || slice_eq(request->credential, slice_of_str(outcome->credential));
}

static void on_request(void *owner, const struct audit_request *request) {
    struct diff *diff = owner;
    struct replay_reading before, after;
    char row[ROW_BYTES];
    bool was_allowed;
    if (!is_by_rules(request, &was_allowed) ||
        !rule_replay_ask(diff->replay_before, request, &before) ||
        !rule_replay_ask(diff->replay_after, request, &after)) {
        diff->not_by_rules++;
        return;
    }
    rule_replay_learn(&before, request, &after);
    struct replay_outcome outcome = rule_replay_decide(diff->replay_after, &after);
    if (outcome.verdict != REPLAY_UNDECIDED && is_same(request, was_allowed, &outcome)) {
        diff->same++;
        return;
    }
    describe(row, request, was_allowed, &outcome);
    tally_add(outcome.verdict == REPLAY_UNDECIDED ? &diff->undecided : &diff->different, row,
              request->time);
}

void diff_init(struct diff *diff, const struct config *before, const struct config *after) {
    *diff = (struct diff){.before = before, .after = after};
    arena_init(&diff->arena, ARENA_BYTES_MAX);
    tally_init(&diff->different, ROWS_MAX);
    tally_init(&diff->undecided, ROWS_MAX);
}

void diff_done(struct diff *diff) {
    rule_replay_free(diff->replay_before);
    rule_replay_free(diff->replay_after);
    tally_done(&diff->different);
    tally_done(&diff->undecided);
    arena_done(&diff->arena);
}

static enum status make_replays(struct diff *diff, struct error *err) {
    if (!diff->replay_before) {
        diff->replay_before = rule_replay_new(diff->before);
    }
    if (!diff->replay_after) {
        diff->replay_after = rule_replay_new(diff->after);
    }
    return diff->replay_before && diff->replay_after
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "not enough memory for the rules");
}

enum status diff_replay(struct diff *diff, const char *file, struct error *err) {
    diff->has_audit = true;
    enum status status = make_replays(diff, err);
    return status == STATUS_OK
               ? audit_read(file, diff->before->hash, on_request, diff, &diff->read, err)
               : status;
}

void diff_sort(struct diff *diff) {
    tally_sort(&diff->different);
    tally_sort(&diff->undecided);
}

static bool replay_audits(struct diff *diff, const struct option_values *audits) {
    struct error err;
    for (size_t i = 0; i < audits->count; i++) {
        if (diff_replay(diff, audits->items[i], &err) != STATUS_OK) {
            fprintf(stderr, "barkeep: %s\n", err.text);
            return false;
        }
    }
    diff_sort(diff);
    return true;
}

static bool differs(const struct diff *diff) {
    if (diff->has_audit) {
        return diff->different.count || diff->undecided.count;
    }
    return diff->parts.count || diff->rules.count;
}

static bool print_json(const struct diff *diff) {
    struct buf text;
    struct json_out out;
    buf_init(&text, JSON_BYTES_MAX);
    json_out_init(&out, &text);
    diff_write_json(diff, &out);
    return command_line_put(&text);
}

static int diff_configs(const struct config *before, const struct config *after,
                        const struct option_values *audits, bool as_json) {
    struct diff diff;
    int code = EXIT_USAGE;
    diff_init(&diff, before, after);
    if (replay_audits(&diff, audits)) {
        diff_compare(&diff);
        code = differs(&diff) ? EXIT_REFUSED : EXIT_OK;
        if (!as_json) {
            diff_print(&diff, stdout);
        } else if (!print_json(&diff)) {
            code = EXIT_USAGE;
        }
    }
    diff_done(&diff);
    return code;
}

static int diff_files(const char *before, const char *after, const struct option_values *audits,
                      bool as_json) {
    struct config *old_config = command_line_load(before, stderr, CONFIG_PARTS);
    struct config *new_config = command_line_load(after, stderr, CONFIG_PARTS);
    int code = old_config && new_config ? diff_configs(old_config, new_config, audits, as_json)
                                        : EXIT_USAGE;
    config_unref(old_config);
    config_unref(new_config);
    return code;
}

int command_diff(int count, char **arguments) {
    struct option_values audits = {0}, words = {0};
    bool as_json = false;
    int code = EXIT_USAGE;
    const struct option table[] = {
        {"--audit", OPTION_VALUES, &audits},
        {"--json", OPTION_FLAG, &as_json},
    };
    if (command_line_parse("diff", DIFF_USAGE, count, arguments, table,
                           sizeof table / sizeof *table, &words)) {
        code = words.count == 2
                   ? diff_files(words.items[0], words.items[1], &audits, as_json)
                   : command_line_misused("diff", DIFF_USAGE, "two configurations are wanted");
    }
    if (fflush(stdout) != 0) {
        code = EXIT_USAGE;
    }
    free(audits.items);
    free(words.items);
    return code;
}
