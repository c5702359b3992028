/* Actions: "METHOD[,METHOD...] PATH"; those of MCP are read in config_mcp_actions.c. */
#include "config/config_parts.h"

#include "config/problem.h"

static const char ACTION_FORM[] = "METHOD PATH, such as \"GET,HEAD /api/**\" or \"* /**\"";

/* IANA's registry of HTTP methods, the usual ones first: of two equally near the first is meant. */
static const char REGISTERED_METHODS[] =
    "GET HEAD POST PUT DELETE PATCH OPTIONS QUERY TRACE CONNECT ACL BASELINE-CONTROL BIND CHECKIN "
    "CHECKOUT COPY LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE "
    "MOVE ORDERPATCH PRI PROPFIND PROPPATCH REBIND REPORT SEARCH UNBIND UNCHECKOUT UNLINK UNLOCK "
    "UPDATE UPDATEREDIRECTREF VERSION-CONTROL";

static bool is_method(struct slice method) {
    for (size_t i = 0; i < method.len; i++) {
        char c = method.ptr[i];
        if (!(c >= 'A' && c <= 'Z') && c != '-')
            return false;
    }
    return method.len > 0 && method.len <= 32;
}

static bool is_method_in_lower_case(struct slice method) {
    for (size_t i = 0; i < method.len; i++) {
        char c = method.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && c != '-')
            return false;
    }
    return method.len > 0;
}

static size_t count_of(struct slice text, char byte) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == byte ? 1 : 0;
    return count;
}

static bool refuse_method(struct loader *loader, const struct node *node, struct slice method) {
    if (is_method_in_lower_case(method))
        loader_error(loader, node, "methods are written in upper case, got %s", QUOTE(method));
    else if (slice_eq_str(method, "*"))
        loader_error(loader, node, "`*` is every method already; write it alone");
    else
        loader_error(loader, node, "%s is no method; write %s", QUOTE(method), ACTION_FORM);
    return false;
}

static bool is_registered(struct slice method) {
    for (struct slice rest = SLICE(REGISTERED_METHODS); rest.len > 0;) {
        struct slice known = slice_of(rest.ptr, slice_index(rest, ' '));
        if (slice_eq(method, known))
            return true;
        rest = slice_skip(rest, known.len + 1);
    }
    return false;
}

/* In `deny` and `not_actions` a mistyped method lets pass what was to be refused. */
static void warn_of_unknown_method(struct loader *loader, const struct node *node,
                                   struct slice method) {
    struct suggestion suggestion;
    if (problem_list_is_full(loader->problems) || is_registered(method))
        return;
    suggestion_init(&suggestion, method);
    for (struct slice rest = SLICE(REGISTERED_METHODS); rest.len > 0;) {
        struct slice known = slice_of(rest.ptr, slice_index(rest, ' '));
        suggestion_try(&suggestion, known);
        rest = slice_skip(rest, known.len + 1);
    }
    if (suggestion.best.ptr)
        loader_warning(loader, node,
                       "%s is none of HTTP's registered methods, did you mean %s? As it stands it "
                       "is about requests with that very method",
                       QUOTE(method), QUOTE(suggestion.best));
    else
        loader_warning(loader, node,
                       "%s is none of HTTP's registered methods: only requests with that very "
                       "method are meant",
                       QUOTE(method));
}

/* GET PUT /a, and GET, PUT /a. */
static bool has_spaced_methods(struct slice methods, struct slice path) {
    struct slice word = slice_of(path.ptr, slice_index(path, ' '));
    while (word.len > 0 && word.ptr[word.len - 1] == ',')
        word.len--;
    bool is_list = slice_ends_with(methods, SLICE(",")) || is_method(methods);
    return is_list && (is_method(word) || slice_eq_str(word, "*"));
}

static bool read_methods(struct loader *loader, const struct node *node, struct slice list,
                         struct config_strings *out_methods) {
    if (slice_eq_str(list, "*"))
        return true;
    struct config_strings methods = {0};
    methods.items = loader_array(loader, count_of(list, ',') + 1, sizeof *methods.items);
    if (!methods.items)
        return false;
    for (;;) {
        size_t comma = slice_index(list, ',');
        struct slice method = slice_of(list.ptr, comma);
        if (!is_method(method))
            return refuse_method(loader, node, method);
        warn_of_unknown_method(loader, node, method);
        methods.items[methods.count++] = loader_copy(loader, method);
        if (comma == list.len)
            break;
        list = slice_skip(list, comma + 1);
    }
    *out_methods = methods;
    return true;
}

/* What is neither a method nor a path was perhaps meant for an MCP server: its methods have a slash
 * in them, its tools seldom. */
static bool refuse_form(struct loader *loader, const struct node *node, struct slice text) {
    bool is_http = text.len == 0 || slice_index(text, ' ') < text.len ||
                   slice_starts_with(text, SLICE("/")) || slice_eq_str(text, "*") ||
                   is_method_in_lower_case(text);
    if (is_http || problem_list_is_full(loader->problems)) {
        loader_error(loader, node, "must be %s; got %s", ACTION_FORM, QUOTE(node->source));
        return false;
    }
    struct slice meant_for =
        node->source; /* as it is written: a variable's value is not repeated */
    if (meant_for.len > 4 && slice_eq_nocase(slice_of(meant_for.ptr, 4), SLICE("mcp:")))
        meant_for = slice_skip(meant_for, 4);
    const char *start = slice_index(meant_for, '/') < meant_for.len ? "mcp:" : "mcp:tools/call:";
    const char *meant = LOADER_FORMAT(loader, "%s%.*s", start, SLICE_ARGS(meant_for));
    loader_error(loader, node, "must be %s, or %s for an MCP server; got %s", ACTION_FORM,
                 QUOTE(slice_of_str(meant)), QUOTE(node->source));
    return false;
}

static bool read_action(struct loader *loader, const struct node *node,
                        struct config_action *out_action) {
    struct slice text;
    if (node->kind == NODE_MAPPING)
        return config_read_conditional_action(loader, node, out_action);
    if (!loader_read_text(loader, node, ACTION_FORM, &text))
        return false;
    if (slice_starts_with(text, SLICE("mcp:")))
        return config_read_mcp_action(loader, node, text, out_action);
    size_t space = slice_index(text, ' ');
    struct slice path = slice_trim(slice_skip(text, space));
    if (path.len == 0)
        return refuse_form(loader, node, text);
    if (has_spaced_methods(slice_of(text.ptr, space), path)) {
        loader_error(loader, node,
                     "methods are separated by commas without spaces, as in \"GET,PUT /**\"; got "
                     "%s",
                     QUOTE(node->source));
        return false;
    }
    struct config_action action = {.text = loader_copy(loader, text)};
    if (!read_methods(loader, node, slice_of(text.ptr, space), &action.methods))
        return false;
    action.pattern = config_read_path(loader, node, path, true);
    if (action.pattern)
        *out_action = action;
    return action.pattern != NULL;
}

void config_read_actions(struct loader *loader, const struct node *node,
                         struct config_action_list *out_list) {
    struct config_action_list list = {0};
    if (node->kind == NODE_BROKEN)
        return;
    if (node->kind != NODE_LIST) {
        loader_error(loader, node, "must be a list of actions, as in [\"GET /api/**\"], got %s",
                     node_kind_name(node));
        return;
    }
    list.items = loader_array(loader, node->count, sizeof *list.items);
    for (const struct node *item = node->first; list.items && item; item = item->next)
        list.count += read_action(loader, item, &list.items[list.count]) ? 1 : 0;
    *out_list = list;
}
