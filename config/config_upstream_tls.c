/* `tls` of a route: how its https upstreams prove who they are, and how barkeep does. */
#include "config/config_parts.h"

#include "config/host.h"

static void read_ca(struct loader *loader, const struct node *node, void *target) {
    struct config_upstream_tls *tls = target;
    struct slice text;
    if (!loader_read_text(loader, node, "the path of a PEM file", &text))
        return;
    tls->ca_file = loader_copy_path(loader, text);
    tls->ca_position = node->position;
}

static void read_server_name(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    if (!loader_read_text(loader, node, "a host name", &text))
        return;
    if (host_is_valid(text))
        *(const char **)target = loader_copy_lower(loader, text);
    else
        loader_error(loader, node, "must be a host name without port, got %s", QUOTE(node->source));
}

static void read_certificate(struct loader *loader, const struct node *node, void *target) {
    size_t credential = CONFIG_NONE;
    config_read_credential_name(loader, node, &credential);
    if (credential == CONFIG_NONE)
        return;
    if (loader->config->credentials[credential].kind == CREDENTIAL_CLIENT_CERTIFICATE)
        *(size_t *)target = credential;
    else
        loader_error(loader, node, "the credential %s must be of kind client_certificate",
                     QUOTE(node->source));
}

static const struct schema_row UPSTREAM_TLS_ROWS[] = {
    {.key = "ca",
     .type = SCHEMA_OTHER,
     .read = read_ca,
     .summary = "the path of a PEM file with the authorities to trust; default: the system's"},
    {.key = "verify",
     .type = SCHEMA_BOOL,
     OFFSET_IN(config_upstream_tls, verify),
     .fallback = "true",
     .summary = "false: anyone may pose as the upstream"},
    {.key = "server_name",
     .type = SCHEMA_OTHER,
     .read = read_server_name,
     OFFSET_IN(config_upstream_tls, server_name),
     .summary = "the name that is asked for and that the certificate must state; default: the "
                "upstream's host"},
    {.key = "certificate",
     .type = SCHEMA_OTHER,
     .read = read_certificate,
     OFFSET_IN(config_upstream_tls, certificate),
     .summary =
         "the client_certificate credential that the upstream is shown; an access entry's own "
         "goes before it"},
    {0},
};

const struct schema UPSTREAM_TLS_SCHEMA = {"tls", UPSTREAM_TLS_ROWS};
