/* Whether one rule takes in all that another does. Answers are on the safe side: true is certain,
 * false may only mean that it would take too long to find out. */
#ifndef BARKEEP_CONFIG_RULE_COVER_H
#define BARKEEP_CONFIG_RULE_COVER_H

#include "config/config.h"

/* What comparing may cost altogether, counted in values and segments looked at; when it is used up
 * every answer is false. */
struct cover_budget {
    size_t left;
};

/* Patterns as in struct config_action. */
bool pattern_covers(struct cover_budget *budget, struct slice wider, struct slice narrower);
bool action_covers(struct cover_budget *budget, const struct config_action *wider,
                   const struct config_action *narrower);

/* What a role or an entry is about. No actions and no role: everything. */
struct rule_actions {
    const struct config_action *items;
    size_t count;
    const struct config_action *not_items;
    size_t not_count;
    bool is_everything;
};
struct rule_actions rule_actions_of(const struct config *config, const struct config_entry *entry);
bool rule_actions_cover(struct cover_budget *budget, const struct rule_actions *wider,
                        const struct rule_actions *narrower);

/* The entries' principals and conditions, not what they do. */
bool entry_callers_cover(struct cover_budget *budget, const struct config_entry *wider,
                         const struct config_entry *narrower);

#endif
