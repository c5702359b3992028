/* `mcp:` actions, and what they ask of the arguments of a call. Values are kept as JSON texts, to
 * be compared as JSON: no kind is ever taken for another. */
#include "config/config_parts.h"

#include "config/problem.h"
#include "config/scalar.h"
#include "core/decimal.h"
#include "core/glob.h"
#include "core/json_out.h"
#include "core/text_pattern.h"

static const char ACTION_FORM[] =
    "mcp:METHOD or mcp:METHOD:NAME, such as \"mcp:tools/call:search_*\" or \"mcp:*\"";

/* Longer texts are no values to compare with. */
enum { VALUE_BYTES_MAX = 1024, LENGTH_MAX = 1000000 };

/* What a client may ask for, of every revision, and whether it has a name that rules can tell. A
 * task's id is sealed for the caller whom it was given to; a subscription is judged by each of its
 * resources. */
static const struct {
    const char *method;
    bool has_name;
    bool has_arguments;
} METHODS[] = {
    {"tools/call", true, true},
    {"tools/list", false, false},
    {"prompts/get", true, true},
    {"prompts/list", false, false},
    {"resources/read", true, false},
    {"resources/list", false, false},
    {"resources/templates/list", false, false},
    {"resources/subscribe", true, false},
    {"resources/unsubscribe", true, false},
    {"subscriptions/listen", false, false},
    {"completion/complete", true, false},
    {"tasks/get", false, false},
    {"tasks/result", false, false},
    {"tasks/list", false, false},
    {"tasks/cancel", false, false},
    {"tasks/update", false, false},
    {"logging/setLevel", false, false},
    {"initialize", false, false},
    {"ping", false, false},
    {"server/discover", false, false},
    {"notifications/initialized", false, false},
    {"notifications/cancelled", false, false},
    {"notifications/progress", false, false},
    {"notifications/roots/list_changed", false, false},
    {"notifications/tasks/status", false, false},
};

static bool is_method_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("/_-.*", c));
}

static bool is_method(struct slice method) {
    for (size_t i = 0; i < method.len; i++)
        if (!is_method_byte(method.ptr[i]))
            return false;
    return method.len > 0 && method.len <= 64;
}

static bool has_control(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 127)
            return true;
    return false;
}

/* Stars in a row are one. */
static const char *copy_glob(struct loader *loader, struct slice text) {
    char *copy = loader_array(loader, text.len + 1, 1);
    size_t len = 0;
    if (!copy)
        return "";
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '*' || len == 0 || copy[len - 1] != '*')
            copy[len++] = text.ptr[i];
    return copy;
}

bool config_read_mcp_action(struct loader *loader, const struct node *node, struct slice text,
                            struct config_action *out_action) {
    struct slice rest = slice_skip(text, 4);
    struct slice method = slice_of(rest.ptr, slice_index(rest, ':'));
    bool has_name = method.len < rest.len;
    struct slice name = slice_skip(rest, method.len + 1);
    if (!is_method(method)) {
        loader_error(loader, node, "must be %s; got %s", ACTION_FORM, QUOTE(node->source));
        return false;
    }
    if (has_name && (name.len == 0 || name.len > VALUE_BYTES_MAX || has_control(name))) {
        loader_error(loader, node,
                     "the name behind the method is 1 to 1024 bytes without control characters; "
                     "leave its `:` out for every name; got %s",
                     QUOTE(node->source));
        return false;
    }
    struct config_mcp_action *mcp = loader_array(loader, 1, sizeof *mcp);
    if (!mcp)
        return false;
    mcp->method = copy_glob(loader, method);
    mcp->name = has_name ? copy_glob(loader, name) : NULL;
    *out_action = (struct config_action){.text = loader_copy(loader, text), .mcp = mcp};
    return true;
}

/* The tests of one argument while they are read; one of each kind. */
struct argument_reading {
    const char *pointer;
    struct config_argument_test tests[TEST_COUNT];
    bool has[TEST_COUNT];
};

static struct config_argument_test *start_test(struct argument_reading *reading,
                                               enum config_test test) {
    reading->has[test] = true;
    reading->tests[test] = (struct config_argument_test){.pointer = reading->pointer, .test = test};
    return &reading->tests[test];
}

/* A number keeps the digits that were written. NULL after a problem. */
static const char *read_number(struct loader *loader, const struct node *node) {
    struct decimal decimal;
    bool is_number =
        (node->kind == NODE_INT || node->kind == NODE_FLOAT) && decimal_is_number(node->text);
    if (is_number && decimal_parse(node->text, &decimal) && decimal_is_safe(&decimal))
        return loader_copy(loader, node->text);
    loader_error(loader, node,
                 "must be a number as JSON writes it, such as 100 or -0.5, within "
                 "9007199254740991 of zero%s%s",
                 node->source.len ? "; got " : "", node->source.len ? QUOTE(node->source) : "");
    return NULL;
}

static const char *read_text_value(struct loader *loader, const struct node *node) {
    struct buf text;
    struct json_out out;
    if (node->text.len > VALUE_BYTES_MAX) {
        loader_error(loader, node, "is longer than 1024 bytes");
        return NULL;
    }
    buf_init(&text, (size_t)16 * VALUE_BYTES_MAX);
    json_out_init(&out, &text);
    json_out_str(&out, NULL, node->text);
    const char *copy = buf_ok(&text) ? loader_copy(loader, buf_slice(&text)) : NULL;
    loader->is_out_of_memory = loader->is_out_of_memory || !copy;
    buf_done(&text);
    return copy;
}

/* As JSON. NULL after a problem. */
static const char *read_value(struct loader *loader, const struct node *node) {
    if (node_is_text(node))
        return read_text_value(loader, node);
    if (node->kind == NODE_INT || node->kind == NODE_FLOAT)
        return read_number(loader, node);
    if (node->kind == NODE_BOOL)
        return scalar_bool(node->text) ? "true" : "false";
    if (node->kind != NODE_BROKEN)
        loader_error(loader, node, "must be text, a number, true or false; got %s",
                     node_kind_name(node));
    return NULL;
}

static void read_equals(struct loader *loader, const struct node *node, void *target) {
    if (node->kind == NODE_LIST) {
        loader_error(loader, node, "is one value; write one_of for a list of them");
        return;
    }
    const char *value = read_value(loader, node);
    const char **items = value ? loader_array(loader, 1, sizeof *items) : NULL;
    if (!items)
        return;
    items[0] = value;
    start_test(target, TEST_EQUALS)->values = (struct config_strings){items, 1};
}

static void read_one_of(struct loader *loader, const struct node *node, void *target) {
    struct config_strings values = {0};
    if (node->kind != NODE_LIST || node->count == 0) {
        loader_error(loader, node, "must be a list of values, as in [sales, orders], got %s",
                     node->kind == NODE_LIST ? "an empty one" : node_kind_name(node));
        return;
    }
    values.items = loader_array(loader, node->count, sizeof *values.items);
    for (const struct node *item = node->first; values.items && item; item = item->next) {
        const char *value = read_value(loader, item);
        if (value)
            values.items[values.count++] = value;
    }
    start_test(target, TEST_ONE_OF)->values = values;
}

static void read_matches(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    struct arena scratch;
    const char *problem = NULL;
    size_t at = 0;
    if (!loader_read_text(loader, node, "a regular expression such as \"^SELECT \"", &text))
        return;
    arena_init(&scratch, (size_t)1 << 20);
    bool is_good = text_pattern_new(&scratch, text, &problem, &at) != NULL;
    arena_done(&scratch);
    if (is_good)
        start_test(target, TEST_MATCHES)->text = loader_copy(loader, text);
    else if (problem)
        loader_error(loader, node, "the regular expression %s (at its character %zu)", problem,
                     at + 1);
    else
        loader->is_out_of_memory = true;
}

static void read_bound(struct loader *loader, const struct node *node,
                       struct argument_reading *reading, enum config_test test) {
    const char *number = read_number(loader, node);
    if (number)
        start_test(reading, test)->text = number;
}

static void read_max(struct loader *loader, const struct node *node, void *target) {
    read_bound(loader, node, target, TEST_MAX);
}

static void read_min(struct loader *loader, const struct node *node, void *target) {
    read_bound(loader, node, target, TEST_MIN);
}

static void read_max_length(struct loader *loader, const struct node *node, void *target) {
    uint64_t length = 0;
    if (node->kind == NODE_INT && slice_parse_u64(node->text, LENGTH_MAX, &length))
        start_test(target, TEST_MAX_LENGTH)->length = (uint32_t)length;
    else
        loader_error(loader, node, "must be a whole number from 0 to %d%s%s", LENGTH_MAX,
                     node->source.len ? ", got " : "", node->source.len ? QUOTE(node->source) : "");
}

static void read_absent(struct loader *loader, const struct node *node, void *target) {
    if (node->kind == NODE_BOOL && scalar_bool(node->text))
        start_test(target, TEST_ABSENT);
    else
        loader_error(loader, node, "must be true, or be left out");
}

static const struct schema_row ARGUMENT_ROWS[] = {
    {.key = "equals",
     .type = SCHEMA_OTHER,
     .read = read_equals,
     .accepts = ACCEPTS_SCALAR,
     .summary = "the very value, of the same kind: 5 is not \"5\""},
    {.key = "one_of",
     .type = SCHEMA_OTHER,
     .read = read_one_of,
     .shape = SHAPE_LIST,
     .is_required = false,
     .accepts = ACCEPTS_SCALAR,
     .summary = "one of these values, as in [sales, orders]"},
    {.key = "matches",
     .type = SCHEMA_OTHER,
     .read = read_matches,
     .summary = "text in which this extended regular expression of POSIX is found, bound by ^ and "
                "$ where they are written, as in \"^SELECT \""},
    {.key = "max",
     .type = SCHEMA_OTHER,
     .read = read_max,
     .accepts = ACCEPTS_DECIMAL,
     .summary = "a number that is this or less"},
    {.key = "min",
     .type = SCHEMA_OTHER,
     .read = read_min,
     .accepts = ACCEPTS_DECIMAL,
     .summary = "a number that is this or more"},
    {.key = "max_length",
     .type = SCHEMA_OTHER,
     .read = read_max_length,
     .accepts = ACCEPTS_NUMBER,
     .min = 0,
     .max = LENGTH_MAX,
     .summary = "text of at most so many characters"},
    {.key = "absent",
     .type = SCHEMA_OTHER,
     .read = read_absent,
     .choices = "true",
     .summary = "true: there is no such argument"},
    {0},
};

static const struct schema ARGUMENT_SCHEMA = {"tests of an argument", ARGUMENT_ROWS};

/* RFC 6901: what '~' begins is ~0 or ~1. */
static bool is_pointer(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '~' &&
            (i + 1 == text.len || (text.ptr[i + 1] != '0' && text.ptr[i + 1] != '1')))
            return false;
    return text.len > 1 && text.len <= 256 && text.ptr[0] == '/';
}

/* Appends the tests of one argument. */
static void read_argument(struct loader *loader, const struct node *node,
                          struct config_mcp_action *mcp) {
    struct argument_reading reading = {.pointer = loader_copy(loader, node->key)};
    if (!is_pointer(node->key)) {
        loader_key_error(loader, node,
                         "must be a JSON pointer into the arguments, such as /database or "
                         "/filter/owner%s",
                         schema_find(&CONDITION_SCHEMA, node->key)
                             ? "; conditions on the caller stand in a `when` of the entry itself"
                             : "");
        return;
    }
    if (!schema_read(loader, &ARGUMENT_SCHEMA, node, &reading))
        return;
    if (node->count == 0)
        loader_error(loader, node, "asks nothing; write a test, as in {equals: sales}");
    size_t others = 0;
    for (size_t test = 0; test < TEST_COUNT; test++) {
        others += reading.has[test] && test != TEST_ABSENT ? 1 : 0;
        if (reading.has[test])
            mcp->tests[mcp->test_count++] = reading.tests[test];
    }
    if (reading.has[TEST_ABSENT] && others > 0)
        loader_error(loader, node,
                     "can never hold: what is absent passes no other test; write two actions to "
                     "mean one or the other");
}

/* Into the action that `action` has been read into. */
static void read_when(struct loader *loader, const struct node *node, void *target) {
    struct config_mcp_action *mcp = target;
    if (node->kind != NODE_MAPPING || node->count == 0) {
        loader_error(loader, node,
                     "must map JSON pointers to tests, as in {/database: {one_of: [sales]}}; got "
                     "%s",
                     node->kind == NODE_MAPPING ? "an empty mapping" : node_kind_name(node));
        return;
    }
    mcp->tests = loader_array(loader, node->count * TEST_COUNT, sizeof *mcp->tests);
    for (const struct node *item = node->first; mcp->tests && item; item = item->next)
        if (item->kind != NODE_BROKEN)
            read_argument(loader, item, mcp);
}

static void read_action_text(struct loader *loader, const struct node *node, void *target) {
    struct config_action action;
    struct slice text;
    if (!loader_read_text(loader, node, ACTION_FORM, &text))
        return;
    if (!slice_starts_with(text, SLICE("mcp:")))
        loader_error(loader, node, "conditions are about %s; got %s", ACTION_FORM,
                     QUOTE(node->source));
    else if (config_read_mcp_action(loader, node, text, &action))
        *(struct config_mcp_action *)target = *action.mcp;
}

static const struct schema_row ACTION_ROWS[] = {
    {.key = "action",
     .type = SCHEMA_OTHER,
     .read = read_action_text,
     .is_required = true,
     .pattern = "^mcp:.",
     .summary = "the action, as in \"mcp:tools/call:run_query\""},
    {.key = "when",
     .type = SCHEMA_OTHER,
     .read = read_when,
     .shape = SHAPE_NAMED,
     .is_required = true,
     .child = &ARGUMENT_SCHEMA,
     .summary = "what must hold of its arguments, by JSON pointer, as in {/database: {one_of: "
                "[sales]}}"},
    {0},
};

const struct schema ACTION_SCHEMA = {"an action", ACTION_ROWS};

static const char *values_in_words(struct loader *loader, const struct config_strings *values) {
    const char *text = values->count ? values->items[0] : "";
    for (size_t i = 1; i < values->count; i++)
        text = LOADER_FORMAT(loader, "%s, %s", text, values->items[i]);
    return text;
}

static const char *test_in_words(struct loader *loader, const struct config_argument_test *test) {
    switch (test->test) {
    case TEST_EQUALS:
        return LOADER_FORMAT(loader, "equals %s", test->values.items[0]);
    case TEST_ONE_OF:
        return LOADER_FORMAT(loader, "is one of %s", values_in_words(loader, &test->values));
    case TEST_MATCHES:
        return LOADER_FORMAT(loader, "matches %s", test->text);
    case TEST_MAX:
        return LOADER_FORMAT(loader, "is at most %s", test->text);
    case TEST_MIN:
        return LOADER_FORMAT(loader, "is at least %s", test->text);
    case TEST_MAX_LENGTH:
        return LOADER_FORMAT(loader, "has at most %u characters", test->length);
    case TEST_ABSENT:
    case TEST_COUNT:
        break;
    }
    return "is absent";
}

/* For explanations: "mcp:tools/call:run_query when /database is one of "sales"". */
static const char *action_in_words(struct loader *loader, const char *action,
                                   const struct config_mcp_action *mcp) {
    const char *text = action;
    for (size_t i = 0; i < mcp->test_count; i++)
        text = LOADER_FORMAT(loader, "%s %s %s %s", text, i ? "and" : "when", mcp->tests[i].pointer,
                             test_in_words(loader, &mcp->tests[i]));
    return text;
}

bool config_read_conditional_action(struct loader *loader, const struct node *node,
                                    struct config_action *out_action) {
    size_t errors = loader->problems->error_count;
    struct config_mcp_action *mcp = loader_array(loader, 1, sizeof *mcp);
    const struct node *action = node_find(node, SLICE("action"));
    const struct node *split = action ? NULL : node_find(node, SLICE("mcp"));
    if (split && node_is_text(split)) {
        loader_key_error(
            loader, split, "has a space behind it; write %s",
            QUOTE(slice_of_str(LOADER_FORMAT(loader, "mcp:%.*s", SLICE_ARGS(split->source)))));
        return false;
    }
    if (!mcp || !schema_read(loader, &ACTION_SCHEMA, node, mcp) || !mcp->method ||
        loader->problems->error_count > errors)
        return false;
    const char *text = loader_copy(loader, action->text);
    *out_action = (struct config_action){.text = action_in_words(loader, text, mcp), .mcp = mcp};
    return true;
}

/* A method as messages say it; as it is written where a variable is in it, whose value is not to be
 * repeated. */
static struct slice shown_method(const struct node *node, struct slice method) {
    const struct node *text = node->kind == NODE_MAPPING ? node_find(node, SLICE("action")) : node;
    return text && text->is_interpolated ? text->source : method;
}

static void warn_of_unknown_method(struct loader *loader, const struct node *node,
                                   struct slice method) {
    struct suggestion suggestion;
    struct slice shown = shown_method(node, method);
    if (problem_list_is_full(loader->problems))
        return;
    suggestion_init(&suggestion, method);
    for (size_t i = 0; i < sizeof METHODS / sizeof *METHODS; i++)
        suggestion_try(&suggestion, slice_of_str(METHODS[i].method));
    if (suggestion.best.ptr)
        loader_warning(loader, node, "no client asks for %s, did you mean %s?", QUOTE(shown),
                       QUOTE(suggestion.best));
    else
        loader_warning(loader, node,
                       "no client asks for %s: it is none of the protocol's methods, and others "
                       "are refused; a tool is meant by mcp:tools/call:NAME",
                       QUOTE(shown));
}

void config_check_mcp_action(struct loader *loader, const struct node *node,
                             const struct config_mcp_action *action) {
    struct slice method = slice_of_str(action->method);
    bool is_known = false, has_name = false, has_arguments = false;
    for (size_t i = 0; i < sizeof METHODS / sizeof *METHODS; i++) {
        bool is_meant = glob_match(method, slice_of_str(METHODS[i].method));
        is_known |= is_meant;
        has_name |= is_meant && METHODS[i].has_name;
        has_arguments |= is_meant && METHODS[i].has_arguments;
    }
    if (!is_known)
        warn_of_unknown_method(loader, node, method);
    else if (action->name && !has_name)
        loader_warning(loader, node,
                       "nothing that is asked for with %s has a name; leave the name out",
                       QUOTE(shown_method(node, method)));
    else if (action->name && action->name[0] == ' ')
        loader_warning(loader, node,
                       "the name begins with a space, as hardly any name does; leave it out behind "
                       "the `:`");
    else if (action->test_count > 0 && !has_arguments)
        loader_warning(loader, node,
                       "can never match: only tools/call and prompts/get have arguments that "
                       "conditions could look at");
}
