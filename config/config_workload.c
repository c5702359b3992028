/* `identity: {workload: ...}`: barkeep proves itself with a token that the platform keeps writing
 * into a file. What the configuration leaves out comes from the variables that Azure's webhook sets
 * in a pod (azure.md C.4), as Azure's own libraries take it. */
#include "config/config_parts.h"

#include <stdlib.h>

#include "config/host.h"
#include "config/url.h"

static void read_client_id(struct loader *loader, const struct node *node, void *target) {
    *(const char **)target = loader_read_guid(loader, node);
}

static void read_token_file(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    if (loader_read_text(loader, node, "the path of a file", &text))
        *(const char **)target = loader_copy_path(loader, text);
}

static const struct schema_row WORKLOAD_ROWS[] = {
    {.key = "client_id",
     .type = SCHEMA_OTHER,
     .read = read_client_id,
     OFFSET_IN(config_identity, client_id),
     .pattern = PATTERN_GUID,
     .summary = "the client id (a GUID) that trusts the token; default: AZURE_CLIENT_ID"},
    {.key = "token_file",
     .type = SCHEMA_OTHER,
     .read = read_token_file,
     OFFSET_IN(config_identity, token_file),
     .summary = "the file that holds the token; default: AZURE_FEDERATED_TOKEN_FILE"},
    {0},
};

const struct schema WORKLOAD_SCHEMA = {"workload", WORKLOAD_ROWS};

/* The variable's value; false when it is not set, which an empty one counts as. */
static bool find_variable(const char *name, struct slice *out_value) {
    const char *value = getenv(name);
    if (!value || !*value)
        return false;
    *out_value = slice_of_str(value);
    return true;
}

static const char *guid_from(struct loader *loader, const struct node *node, const char *variable) {
    struct slice value;
    if (!find_variable(variable, &value))
        return NULL;
    if (config_is_guid(value))
        return loader_copy_lower(loader, value);
    loader_error(loader, node, "the environment variable %s must be a GUID", variable);
    return NULL;
}

static const char *authority_from(struct loader *loader, const struct node *node,
                                  const char *variable) {
    struct slice value;
    struct url url;
    if (!find_variable(variable, &value))
        return NULL;
    const char *wrong = url_parse(value, &url);
    if (!wrong && !url.is_https && !host_is_loopback(url.host))
        wrong = "must begin with https://: plain http is accepted on loopback addresses only";
    if (wrong) {
        loader_error(loader, node, "the environment variable %s %s", variable, wrong);
        return NULL;
    }
    size_t len = value.len - (slice_ends_with(value, SLICE("/")) ? 1 : 0);
    return loader_copy(loader, slice_of(value.ptr, len));
}

static bool is_set(const char *variable) {
    struct slice value;
    return find_variable(variable, &value);
}

static void settle_client_id(struct loader *loader, const struct node *node,
                             struct config_identity *identity) {
    static const char VARIABLE[] = "AZURE_CLIENT_ID";
    if (node_find(node, SLICE("client_id")))
        return;
    if (is_set(VARIABLE))
        identity->client_id = guid_from(loader, node, VARIABLE);
    else
        loader_missing(loader, node, "client_id",
                       "the client id (a GUID) that trusts the token, or set AZURE_CLIENT_ID in "
                       "the environment");
}

static void settle_token_file(struct loader *loader, const struct node *node,
                              struct config_identity *identity) {
    const struct node *file = node_find(node, SLICE("token_file"));
    struct slice value;
    identity->file_position = (file ? file : node)->position;
    if (file)
        return;
    if (find_variable("AZURE_FEDERATED_TOKEN_FILE", &value))
        identity->token_file = loader_copy(loader, value);
    else
        loader_missing(loader, node, "token_file",
                       "the path of the federated token, or set AZURE_FEDERATED_TOKEN_FILE in the "
                       "environment");
}

void config_settle_workload(struct loader *loader, const struct node *node,
                            struct config_identity *identity) {
    const struct node *whole = node->parent;
    settle_client_id(loader, node, identity);
    settle_token_file(loader, node, identity);
    if (!node_find(whole, SLICE("tenant")))
        identity->tenant = guid_from(loader, node, "AZURE_TENANT_ID");
    if (!node_find(whole, SLICE("authority")))
        identity->authority = authority_from(loader, node, "AZURE_AUTHORITY_HOST");
}
