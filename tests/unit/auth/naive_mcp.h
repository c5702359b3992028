/* mcp: actions as the contract says them (section 7): by trying every split at every star, and on
 * values instead of on what they are written as. */
#ifndef BARKEEP_TESTS_NAIVE_MCP_H
#define BARKEEP_TESTS_NAIVE_MCP_H

#include "random_mcp.h"

/* What a message asks, and its arguments as values; NULL for none. */
struct naive_asked {
    const struct policy_mcp *mcp;
    const struct value *arguments;
};

enum naive_verdict { FAILS, IN_DOUBT, PASSES };

static inline bool glob_fits(const char *pattern, struct slice text) {
    if (*pattern == '*')
        return glob_fits(pattern + 1, text) ||
               (text.len && glob_fits(pattern, slice_skip(text, 1)));
    if (!*pattern || text.len == 0)
        return !*pattern && text.len == 0;
    return *pattern == *text.ptr && glob_fits(pattern + 1, slice_skip(text, 1));
}

static inline bool is_every_name(const char *name) {
    return !name || strcmp(name, "*") == 0;
}

static inline const struct value *child_of(const struct value *value, const char *token) {
    char position[24];
    for (size_t i = 0; i < value->count; i++) {
        (void)snprintf(position, sizeof position, "%zu", i);
        const char *name = value->kind == VALUE_LIST ? position : value->names[i];
        if (strcmp(name, token) == 0)
            return value->items[i];
    }
    return NULL;
}

static inline const struct value *value_at(const struct value *value, const char *pointer) {
    while (value && *pointer == '/') {
        char token[64];
        size_t len = 0;
        for (pointer++; *pointer && *pointer != '/'; pointer++) {
            token[len] = *pointer;
            if (*pointer == '~')
                token[len] = *++pointer == '0' ? '~' : '/';
            len++;
        }
        token[len] = '\0';
        value = child_of(value, token);
    }
    return value;
}

static inline int thousandths_of(const char *number) {
    double value = strtod(number, NULL) * 1000;
    return (int)(value < 0 ? value - 0.5 : value + 0.5);
}

/* Who reads doubles does not see the hair, others do. */
static inline enum naive_verdict holds_for(bool is_so_exactly, bool is_so_as_double) {
    if (is_so_exactly && is_so_as_double)
        return PASSES;
    return is_so_exactly || is_so_as_double ? IN_DOUBT : FAILS;
}

/* A value of another kind; null is as good as none. */
static inline enum naive_verdict misses_the_kind(const struct value *value) {
    return value->kind == VALUE_NULL ? FAILS : IN_DOUBT;
}

static inline enum naive_verdict equals(const struct value *value, const char *wanted) {
    bool is_boolean = value->kind == VALUE_TRUE || value->kind == VALUE_FALSE;
    if (*wanted == '"') {
        struct slice inside = slice_of(wanted + 1, strlen(wanted) - 2);
        if (value->kind != VALUE_TEXT)
            return misses_the_kind(value);
        return slice_eq(value->text, inside) ? PASSES : FAILS;
    }
    if (*wanted == 't' || *wanted == 'f') {
        if (!is_boolean)
            return misses_the_kind(value);
        return value->kind == (*wanted == 't' ? VALUE_TRUE : VALUE_FALSE) ? PASSES : FAILS;
    }
    if (value->kind != VALUE_NUMBER)
        return misses_the_kind(value);
    bool is_same = value->thousandths == thousandths_of(wanted);
    return value->is_in_doubt ? IN_DOUBT : holds_for(is_same && value->hair == 0, is_same);
}

static inline enum naive_verdict finds(const struct value *value, const char *expression) {
    if (value->kind != VALUE_TEXT)
        return misses_the_kind(value);
    if (value->text.len > 8192)
        return IN_DOUBT;
    for (size_t i = 0; i < EXPRESSIONS; i++)
        if (expressions[i].text == expression)
            return expressions[i].finds(value->text) ? PASSES : FAILS;
    return FAILS;
}

static inline enum naive_verdict is_within(const struct value *value,
                                           const struct config_argument_test *test) {
    if (value->kind != VALUE_NUMBER)
        return misses_the_kind(value);
    if (value->is_in_doubt)
        return IN_DOUBT;
    int above = value->thousandths - thousandths_of(test->text);
    int above_exactly = above ? above : value->hair;
    return test->test == TEST_MAX ? holds_for(above_exactly <= 0, above <= 0)
                                  : holds_for(above_exactly >= 0, above >= 0);
}

static inline enum naive_verdict is_short(const struct value *value, size_t most) {
    if (value->kind != VALUE_TEXT)
        return misses_the_kind(value);
    return characters_of(value->text) <= most ? PASSES : FAILS;
}

static inline enum naive_verdict test_value(const struct config_argument_test *test,
                                            const struct value *value) {
    enum naive_verdict best = FAILS;
    if (!value)
        return test->test == TEST_ABSENT ? PASSES : FAILS;
    if (test->test == TEST_ABSENT)
        return value->kind == VALUE_NULL ? IN_DOUBT : FAILS;
    if (test->test == TEST_MATCHES)
        return finds(value, test->text);
    if (test->test == TEST_MAX || test->test == TEST_MIN)
        return is_within(value, test);
    if (test->test == TEST_MAX_LENGTH)
        return is_short(value, test->length);
    for (size_t i = 0; i < test->values.count; i++) {
        enum naive_verdict verdict = equals(value, test->values.items[i]);
        best = verdict > best ? verdict : best;
    }
    return best;
}

static inline enum naive_verdict test_all(const struct config_mcp_action *action,
                                          const struct value *arguments) {
    enum naive_verdict worst = PASSES;
    for (size_t i = 0; i < action->test_count; i++) {
        const struct value *value = value_at(arguments, action->tests[i].pointer);
        enum naive_verdict verdict = test_value(&action->tests[i], value);
        worst = verdict < worst ? verdict : worst;
    }
    return worst;
}

static inline bool arguments_fit(const struct config_mcp_action *action,
                                 const struct naive_asked *asked, bool is_grant) {
    if (action->test_count == 0)
        return true;
    if (asked->mcp->is_any_arguments)
        return is_grant;
    enum naive_verdict verdict = test_all(action, asked->arguments);
    return verdict == PASSES || (verdict == IN_DOUBT && !is_grant);
}

static inline bool name_fits(const char *pattern, const struct policy_mcp *mcp, bool is_grant) {
    if (is_every_name(pattern))
        return true;
    if (mcp->has_name && mcp->name.len > 8192)
        return !is_grant;
    return mcp->has_name && glob_fits(pattern, mcp->name);
}

static inline bool mcp_takes(const struct config_action *actions, size_t count,
                             const struct naive_asked *asked) {
    for (size_t i = 0; i < count; i++)
        if (actions[i].mcp && glob_fits(actions[i].mcp->method, asked->mcp->method) &&
            name_fits(actions[i].mcp->name, asked->mcp, false) &&
            arguments_fit(actions[i].mcp, asked, false))
            return true;
    return false;
}

static inline bool takes_all_of(const struct config_mcp_action *taken, struct slice method) {
    return is_every_name(taken->name) && taken->test_count == 0 && glob_fits(taken->method, method);
}

static inline bool takes_action(const struct config_mcp_action *taken,
                                const struct config_mcp_action *given) {
    bool has_names =
        is_every_name(taken->name) ||
        (!is_every_name(given->name) && glob_fits(taken->name, slice_of_str(given->name)));
    return has_names && taken->test_count == 0 &&
           glob_fits(taken->method, slice_of_str(given->method));
}

/* One action of a role, or of an entry without not_actions. */
static inline bool mcp_grants_one(const struct config_mcp_action *action,
                                  const struct config_action *not_actions, size_t not_count,
                                  const struct naive_asked *asked) {
    const struct policy_mcp *mcp = asked->mcp;
    bool is_method = glob_fits(action->method, mcp->method), is_taken = false;
    switch (mcp->gate) {
    case POLICY_MCP_NAME:
        return is_method && name_fits(action->name, mcp, true) &&
               arguments_fit(action, asked, true);
    case POLICY_MCP_METHOD:
        return is_method && is_every_name(action->name) && arguments_fit(action, asked, true);
    case POLICY_MCP_LIST:
        for (size_t i = 0; i < not_count; i++)
            is_taken |= not_actions[i].mcp && takes_all_of(not_actions[i].mcp, mcp->uses);
        return is_method || (glob_fits(action->method, mcp->uses) && !is_taken);
    case POLICY_MCP_SOME:
        for (size_t i = 0; i < not_count; i++)
            is_taken |= not_actions[i].mcp && takes_action(not_actions[i].mcp, action);
        return !is_taken;
    }
    return false;
}

static inline bool mcp_grants(const struct config_action *actions, size_t count,
                              const struct config_action *not_actions, size_t not_count,
                              const struct naive_asked *asked) {
    if (asked->mcp->method.len == 0 && asked->mcp->gate != POLICY_MCP_SOME)
        return false;
    for (size_t i = 0; i < count; i++)
        if (actions[i].mcp && mcp_grants_one(actions[i].mcp, not_actions, not_count, asked))
            return true;
    return false;
}

#endif
