/* Which parts of two configurations differ, and which rules came, went, moved or say something
 * else. */
#include "proxy/diff.h"
#include "proxy/rule_words.h"

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

void diff_compare(struct diff *diff) {
    compare_parts(diff);
    compare_rules(diff);
}
