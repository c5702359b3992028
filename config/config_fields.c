/* `headers`, `query` and `cookie` of a credential: templates by name. Names are refused that could
 * be read as something else, or that belong to the message. */
#include "config/config_parts.h"

#include "config/header_name.h"

#define FIELD_NAME_MAX_BYTES 256

/* What is wrong with a name, or NULL. */
typedef const char *judge_name(struct slice name);

static const char *wrong_with_header(struct slice name) {
    if (!header_name_is_valid(name))
        return "a header's name is made of letters, digits and `-`";
    if (header_name_is_reserved(name))
        return "no credential may set this header: it belongs to the message's framing or to "
               "barkeep itself";
    return NULL;
}

/* Control bytes are refused where the file is read. */
static const char *wrong_with_query(struct slice name) {
    return name.len > FIELD_NAME_MAX_BYTES ? "a query parameter's name is at most 256 bytes long"
                                           : NULL;
}

/* A token of RFC 9110 5.6.2, which RFC 6265 4.1.1 asks for. */
static bool is_token(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && !(c && strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.len > 0;
}

static const char *wrong_with_cookie(struct slice name) {
    if (!is_token(name))
        return "a cookie's name is made of letters, digits and !#$%&'*+-.^_`|~ (RFC 6265 4.1.1)";
    return name.len > FIELD_NAME_MAX_BYTES ? "a cookie's name is at most 256 bytes long" : NULL;
}

/* Reads one field into `field`. False after a problem. */
static bool read_field(struct loader *loader, const struct node *node, judge_name *judge,
                       struct config_credential_field *field) {
    const char *wrong = judge(node->key);
    if (wrong)
        loader_key_error(loader, node, "%s", wrong);
    field->name = loader_copy(loader, node->key);
    return config_read_template(loader, node, &field->value) && !wrong;
}

/* `what` completes "must map". False when `node` is no mapping. */
static bool read_fields(struct loader *loader, const struct node *node, judge_name *judge,
                        const char *what, struct config_credential *credential) {
    if (node->kind != NODE_MAPPING || node->count == 0) {
        loader_error(loader, node, "must map %s", what);
        return false;
    }
    credential->fields = loader_array(loader, node->count, sizeof *credential->fields);
    for (const struct node *item = node->first; credential->fields && item; item = item->next) {
        struct config_credential_field *field = &credential->fields[credential->field_count];
        credential->field_count += read_field(loader, item, judge, field) ? 1 : 0;
    }
    return true;
}

/* The file's own keys are told apart with their case; headers are not. */
static void refuse_twins(struct loader *loader, const struct node *node) {
    struct name_index seen = {0};
    for (const struct node *item = node->first; item; item = item->next) {
        struct slice lower = slice_of_str(loader_copy_lower(loader, item->key));
        if (name_index_find(&seen, lower) != NAME_INDEX_ABSENT)
            loader_key_error(loader, item, "the header is there already in another spelling");
        else
            loader_index(loader, &seen, lower, 0);
    }
    name_index_done(&seen);
}

void config_read_headers(struct loader *loader, const struct node *node, void *target) {
    if (read_fields(loader, node, wrong_with_header,
                    "header names to templates, as in X-Api-Key: \"{prod/api-key}\"", target))
        refuse_twins(loader, node);
}

void config_read_query(struct loader *loader, const struct node *node, void *target) {
    read_fields(loader, node, wrong_with_query,
                "query parameters to templates, as in api_key: \"{prod/api-key}\"", target);
}

/* What would end the value, or not be read back as it was written (RFC 6265 4.1.1). */
static bool is_cookie_text(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\",;\\", c))
            return false;
    }
    return true;
}

static void check_cookie_literals(struct loader *loader, const struct node *node) {
    for (const struct node *item = node->first; item; item = item->next) {
        if (item->kind == NODE_STRING && !is_cookie_text(item->text))
            loader_error(loader, item,
                         "a cookie's value holds no spaces, quotes, commas, semicolons, "
                         "backslashes or letters beyond ASCII (RFC 6265 4.1.1)");
    }
}

void config_read_cookie(struct loader *loader, const struct node *node, void *target) {
    if (read_fields(loader, node, wrong_with_cookie,
                    "cookie names to templates, as in session: \"{prod/session}\"", target))
        check_cookie_literals(loader, node);
}
