/* `barkeep diff`: what a changed configuration changes. Without audit files: which parts, and which
 * rules came, went or moved. With them: which recorded requests would be decided otherwise, which
 * may be, and which cannot be told from what a line holds. */
#include <stdlib.h>

#include "core/json_out.h"
#include "proxy/audit_reader.h"
#include "proxy/command_line.h"
#include "proxy/commands.h"
#include "proxy/rule_replay.h"
#include "proxy/rule_words.h"
#include "proxy/tally.h"

enum {
    ROWS_MAX = 20000,
    SHOWN_MAX = 50,
    ARENA_BYTES_MAX = 256 << 20,
    JSON_BYTES_MAX = 64 << 20,
    ROW_BYTES = 1024,
    PART_BYTES = 256,
};

struct change {
    struct change *next;
    const char *kind; /* "added", "removed", "changed", "moved" */
    const char *name;
    const char *before; /* of a rule: what it says; NULL otherwise, as is the other one */
    const char *after;
};

struct change_list {
    struct change *first, *last;
    size_t count;
};

struct diff {
    struct arena arena;
    struct config *before, *after;
    struct change_list parts, rules;
    struct rule_replay *replay_before, *replay_after;
    bool has_audit;
    struct audit_tally read;
    struct tally different, undecided;
    uint64_t same, not_by_rules;
};

static void add_change(struct diff *diff, struct change_list *list, struct change change) {
    struct change *copy = arena_alloc(&diff->arena, sizeof *copy);
    if (!copy) {
        return;
    }
    *copy = change;
    *(list->last ? &list->last->next : &list->first) = copy;
    list->last = copy;
    list->count++;
}

/* Both lists are sorted by path. */
static void compare_parts(struct diff *diff) {
    const struct config *a = diff->before, *b = diff->after;
    size_t i = 0, j = 0;
    while (i < a->part_count || j < b->part_count) {
        int order = i == a->part_count   ? 1
                    : j == b->part_count ? -1
                                         : strcmp(a->parts[i].path, b->parts[j].path);
        if (order < 0) {
            add_change(diff, &diff->parts,
                       (struct change){.kind = "removed", .name = a->parts[i++].path});
        } else if (order > 0) {
            add_change(diff, &diff->parts,
                       (struct change){.kind = "added", .name = b->parts[j++].path});
        } else {
            if (memcmp(a->parts[i].digest, b->parts[j].digest, sizeof a->parts[i].digest) != 0) {
                add_change(diff, &diff->parts,
                           (struct change){.kind = "changed", .name = a->parts[i].path});
            }
            i++;
            j++;
        }
    }
}

/* All that a rule says, as one text. */
static const char *rule_text(struct diff *diff, const struct config *config,
                             const struct config_entry *entry, bool is_deny) {
    struct arena *arena = &diff->arena;
    const char *when = rule_words_conditions(arena, entry);
    const char *credential =
        entry->credential == CONFIG_NONE ? "" : config->credentials[entry->credential].name;
    const char *rate = entry->rate.is_present ? rule_words_rate(arena, &entry->rate) : "";
    return arena_printf(arena, "%s %s: %s%s%s%s%s%s%s%s", is_deny ? "denies" : "grants",
                        rule_words_principals(arena, entry),
                        rule_words_actions(arena, config, entry), when && *when ? ", when " : "",
                        when ? when : "", *credential ? ", credential " : "", credential,
                        *rate ? ", rate " : "", rate ? rate : "",
                        entry->is_shadow ? ", under shadow" : "");
}

/* Rules are paired by what they say; what is left over on both sides under one label has changed.
 */
struct pairing {
    const char **before, **after; /* texts */
    size_t *partner;              /* of each rule before: its place after, or CONFIG_NONE */
    bool *is_taken;               /* after */
};

static bool pairing_init(struct pairing *pairing, struct diff *diff,
                         const struct config_entries *before, const struct config_entries *after,
                         bool is_deny) {
    struct arena *arena = &diff->arena;
    pairing->before = arena_array(arena, before->count, sizeof *pairing->before);
    pairing->after = arena_array(arena, after->count, sizeof *pairing->after);
    pairing->partner = arena_array(arena, before->count, sizeof *pairing->partner);
    pairing->is_taken = arena_array(arena, after->count, sizeof *pairing->is_taken);
    if (!pairing->before || !pairing->after || !pairing->partner || !pairing->is_taken) {
        return false;
    }
    for (size_t i = 0; i < before->count; i++) {
        pairing->before[i] = rule_text(diff, diff->before, &before->items[i], is_deny);
    }
    for (size_t i = 0; i < after->count; i++) {
        pairing->after[i] = rule_text(diff, diff->after, &after->items[i], is_deny);
    }
    for (size_t i = 0; i < before->count; i++) {
        pairing->partner[i] = CONFIG_NONE;
        for (size_t j = 0; j < after->count && pairing->partner[i] == CONFIG_NONE; j++) {
            if (!pairing->is_taken[j] && pairing->before[i] && pairing->after[j] &&
                strcmp(pairing->before[i], pairing->after[j]) == 0) {
                pairing->partner[i] = j;
                pairing->is_taken[j] = true;
            }
        }
    }
    return true;
}

static void compare_entries(struct diff *diff, const struct config_entries *before,
                            const struct config_entries *after, bool is_deny) {
    struct pairing pairing;
    size_t furthest = 0;
    if (!pairing_init(&pairing, diff, before, after, is_deny)) {
        return;
    }
    for (size_t i = 0; i < before->count; i++) {
        struct change change = {
            .kind = "removed", .name = before->items[i].label, .before = pairing.before[i]};
        if (pairing.partner[i] != CONFIG_NONE) {
            if (pairing.partner[i] >= furthest) {
                furthest = pairing.partner[i];
                continue;
            }
            change.kind = "moved";
            change.after = after->items[pairing.partner[i]].label;
        } else if (i < after->count && !pairing.is_taken[i]) {
            change.kind = "changed";
            change.after = pairing.after[i];
            pairing.is_taken[i] = true;
        }
        add_change(diff, &diff->rules, change);
    }
    for (size_t j = 0; j < after->count; j++) {
        if (!pairing.is_taken[j]) {
            add_change(diff, &diff->rules,
                       (struct change){.kind = "added",
                                       .name = after->items[j].label,
                                       .after = pairing.after[j]});
        }
    }
}

static const struct config_route *find_route(const struct config *config, const char *name) {
    for (size_t i = 0; i < config->route_count; i++) {
        if (strcmp(config->routes[i].name, name) == 0) {
            return &config->routes[i];
        }
    }
    return NULL;
}

static void compare_rules(struct diff *diff) {
    const struct config_entries none = {0};
    compare_entries(diff, &diff->before->deny, &diff->after->deny, true);
    compare_entries(diff, &diff->before->access, &diff->after->access, false);
    for (size_t i = 0; i < diff->before->route_count; i++) {
        const struct config_route *route = &diff->before->routes[i];
        const struct config_route *other = find_route(diff->after, route->name);
        compare_entries(diff, &route->deny, other ? &other->deny : &none, true);
        compare_entries(diff, &route->access, other ? &other->access : &none, false);
    }
    for (size_t i = 0; i < diff->after->route_count; i++) {
        const struct config_route *route = &diff->after->routes[i];
        if (!find_route(diff->before, route->name)) {
            compare_entries(diff, &none, &route->deny, true);
            compare_entries(diff, &none, &route->access, false);
        }
    }
}

/* True when the rules decided the recorded request; what happened later is another matter. */
static bool is_by_rules(const struct audit_request *request, bool *out_was_allowed) {
    static const char *const refusals[] = {"no_role", "denied", "groups_unknown",
                                           "claims_required"};
    *out_was_allowed = false;
    if (slice_eq(request->rule, SLICE("revoked")) || !request->oid.len) {
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

static const char *clean(struct slice text, char out_text[PART_BYTES]) {
    size_t len = text.len < PART_BYTES - 1 ? text.len : PART_BYTES - 1;
    for (size_t i = 0; i < len; i++) {
        bool is_plain = (unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f;
        out_text[i] = is_plain ? text.ptr[i] : '?';
    }
    out_text[len] = '\0';
    return out_text;
}

static void describe(char out_text[ROW_BYTES], const struct audit_request *request,
                     bool was_allowed, const struct replay_outcome *outcome) {
    char method[PART_BYTES], path[PART_BYTES], oid[PART_BYTES], by[PART_BYTES];
    const char *after = outcome->verdict == REPLAY_ALLOWED   ? "allow"
                        : outcome->verdict == REPLAY_REFUSED ? "deny"
                                                             : "depends on groups/roles";
    snprintf(out_text, ROW_BYTES, "%s %s by %s %s: %s", clean(request->method, method),
             clean(request->path, path),
             slice_eq(request->principal_type, SLICE("app")) ? "app" : "user",
             clean(request->oid, oid), was_allowed ? "allow" : "deny");
    size_t len = strlen(out_text);
    struct slice old_by = was_allowed ? request->credential : request->reason;
    snprintf(out_text + len, ROW_BYTES - len, "%s%s%s -> %s%s%s%s%s", old_by.len ? " (" : "",
             clean(old_by, by), old_by.len ? ")" : "", after, outcome->rule ? " by " : "",
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

static bool replay_audits(struct diff *diff, const struct option_values *audits) {
    struct error err;
    diff->has_audit = audits->count > 0;
    if (!diff->has_audit) {
        return true;
    }
    diff->replay_before = rule_replay_new(diff->before);
    diff->replay_after = rule_replay_new(diff->after);
    if (!diff->replay_before || !diff->replay_after) {
        fprintf(stderr, "barkeep: not enough memory for the rules\n");
        return false;
    }
    for (size_t i = 0; i < audits->count; i++) {
        if (audit_read(audits->items[i], diff->before->hash, on_request, diff, &diff->read, &err) !=
            STATUS_OK) {
            fprintf(stderr, "barkeep: %s\n", err.text);
            return false;
        }
    }
    tally_sort(&diff->different);
    tally_sort(&diff->undecided);
    return true;
}

static void print_changes(const char *title, const struct change_list *list) {
    printf("%s", list->count ? title : "");
    for (const struct change *change = list->first; change; change = change->next) {
        printf("  %-8s %s\n", change->kind, change->name);
        if (change->before) {
            printf("           - %s\n", change->before);
        }
        if (change->after) {
            printf("           + %s\n", change->after);
        }
    }
}

static void print_rows(const char *title, const struct tally *tally) {
    printf("%s", tally->count ? title : "");
    for (size_t i = 0; i < tally->count && i < SHOWN_MAX; i++) {
        printf("  %6llu  %s\n", (unsigned long long)tally->rows[i].count, tally->rows[i].key);
    }
    if (tally->count > SHOWN_MAX) {
        printf("  and %zu more\n", tally->count - SHOWN_MAX);
    }
}

static void print_diff(const struct diff *diff) {
    print_changes("parts\n", &diff->parts);
    print_changes("rules\n", &diff->rules);
    if (!diff->has_audit) {
        return;
    }
    print_rows("decided differently\n", &diff->different);
    print_rows("depends on groups/roles/scopes or the sign-in, which the audit does not hold\n",
               &diff->undecided);
    printf("decided the same: %llu; not decided by rules: %llu\naudit: ",
           (unsigned long long)diff->same, (unsigned long long)diff->not_by_rules);
    audit_tally_print(&diff->read, stdout);
}

static void write_changes(struct json_out *out, const char *key, const struct change_list *list) {
    json_out_array_begin(out, key);
    for (const struct change *change = list->first; change; change = change->next) {
        json_out_object_begin(out, NULL);
        json_out_cstr(out, "change", change->kind);
        json_out_cstr(out, "name", change->name);
        if (change->before || change->after) {
            json_out_cstr(out, "before", change->before);
            json_out_cstr(out, "after", change->after);
        }
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

static void write_rows(struct json_out *out, const char *key, const struct tally *tally) {
    json_out_array_begin(out, key);
    for (size_t i = 0; i < tally->count; i++) {
        json_out_object_begin(out, NULL);
        json_out_cstr(out, "request", tally->rows[i].key);
        json_out_u64(out, "requests", tally->rows[i].count);
        json_out_cstr(out, "last", tally->rows[i].last);
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

static bool write_diff(const struct diff *diff) {
    struct buf text;
    struct json_out out;
    buf_init(&text, JSON_BYTES_MAX);
    json_out_init(&out, &text);
    json_out_object_begin(&out, NULL);
    write_changes(&out, "parts", &diff->parts);
    write_changes(&out, "rules", &diff->rules);
    if (diff->has_audit) {
        write_rows(&out, "different", &diff->different);
        write_rows(&out, "depends", &diff->undecided);
        json_out_u64(&out, "same", diff->same);
        json_out_u64(&out, "not_by_rules", diff->not_by_rules);
        json_out_u64(&out, "other_config", diff->read.other_config);
        json_out_u64(&out, "unplaced", diff->read.unplaced);
        json_out_u64(&out, "bad_lines", diff->read.bad_lines);
        json_out_u64(&out, "cut_lines", diff->read.cut_lines);
    }
    json_out_object_end(&out);
    buf_append_char(&text, '\n');
    bool is_written = buf_ok(&text) && fwrite(text.ptr, 1, text.len, stdout) == text.len;
    buf_done(&text);
    return is_written;
}

static bool differs(const struct diff *diff) {
    if (diff->has_audit) {
        return diff->different.count || diff->undecided.count;
    }
    return diff->parts.count || diff->rules.count;
}

static int diff_files(const char *before, const char *after, const struct option_values *audits,
                      bool as_json) {
    struct diff diff = {.before = command_line_load(before, stderr, false),
                        .after = command_line_load(after, stderr, false)};
    int code = EXIT_USAGE;
    arena_init(&diff.arena, ARENA_BYTES_MAX);
    tally_init(&diff.different, ROWS_MAX);
    tally_init(&diff.undecided, ROWS_MAX);
    if (diff.before && diff.after && replay_audits(&diff, audits)) {
        compare_parts(&diff);
        compare_rules(&diff);
        code = differs(&diff) ? EXIT_REFUSED : EXIT_OK;
        if (!as_json) {
            print_diff(&diff);
        } else if (!write_diff(&diff)) {
            code = EXIT_USAGE;
        }
    }
    rule_replay_free(diff.replay_before);
    rule_replay_free(diff.replay_after);
    tally_done(&diff.different);
    tally_done(&diff.undecided);
    arena_done(&diff.arena);
    config_unref(diff.before);
    config_unref(diff.after);
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
