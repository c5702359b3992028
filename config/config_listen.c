/* Where barkeep listens: `listen`, `admin`, and on how many threads. */
#include "config/config_parts.h"

#include <sys/un.h>

#include "config/host.h"

#define UNIX_PATH_MAX_BYTES (sizeof((struct sockaddr_un *)NULL)->sun_path - 1)

static const char ADDRESS_FORM[] = "an address: 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path";

static bool parse_unix(struct loader *loader, const struct node *node, struct slice path,
                       struct config_address *out_address) {
    if (path.len == 0 || path.ptr[0] != '/' || path.len > UNIX_PATH_MAX_BYTES) {
        loader_error(loader, node,
                     "a unix socket needs an absolute path of at most %zu bytes: unix:/path",
                     UNIX_PATH_MAX_BYTES);
        return false;
    }
    out_address->is_unix = true;
    out_address->unix_path = loader_copy(loader, path);
    return true;
}

static bool parse_host_port(struct loader *loader, const struct node *node, struct slice text,
                            struct config_address *out_address) {
    struct slice host, port;
    bool is_split = host_split(text, &host, &port);
    if (!is_split || port.len == 0) {
        loader_error(loader, node, "must be %s; got %s", ADDRESS_FORM, QUOTE(node->source));
        return false;
    }
    if (!host_parse_port(port, &out_address->port)) {
        loader_error(loader, node, "port must be 1-65535, got %s", QUOTE(port));
        return false;
    }
    if (host.len == 0 || slice_eq_str(host, "*"))
        host = SLICE("0.0.0.0");
    if (!host_is_valid(host)) {
        loader_error(loader, node, "%s is no host name or address", QUOTE(host));
        return false;
    }
    out_address->host = loader_copy(loader, host);
    return true;
}

static void read_address(struct loader *loader, const struct node *node, void *target) {
    struct config_address *address = target;
    struct slice text;
    bool is_port = node->kind == NODE_INT && !node->is_interpolated;
    if (is_port) {
        loader_error(loader, node, "must be %s; write 127.0.0.1:%.*s", ADDRESS_FORM,
                     SLICE_ARGS(slice_of(node->text.ptr, node->text.len < 6 ? node->text.len : 6)));
        return;
    }
    if (!loader_read_text(loader, node, ADDRESS_FORM, &text))
        return;
    struct config_address parsed = {.text = loader_copy(loader, text)};
    bool is_good = slice_starts_with(text, SLICE("unix:"))
                       ? parse_unix(loader, node, slice_skip(text, 5), &parsed)
                       : parse_host_port(loader, node, text, &parsed);
    if (is_good)
        *address = parsed;
}

static const struct schema_row LISTEN_ROWS[] = {
    {.key = "address",
     .type = SCHEMA_OTHER,
     .read = read_address,
     .is_required = true,
     .summary = "host:port, [v6]:port, :port or unix:/path"},
    {.key = "tls",
     .type = SCHEMA_OTHER,
     .read = config_read_listen_tls,
     OFFSET_IN(config_address, tls),
     .child = &LISTEN_TLS_SCHEMA,
     .summary = "{certificate: FILE, key: FILE}: TLS 1.2 and 1.3"},
    {0},
};

const struct schema LISTEN_SCHEMA = {"a listener", LISTEN_ROWS};

static void warn_if_open(struct loader *loader, const struct node *node,
                         const struct config_address *address, const char *consequence) {
    bool is_open =
        address->host && !address->is_unix && !host_is_loopback(slice_of_str(address->host));
    if (is_open)
        loader_warning(
            loader, node, "%s is reachable from other machines%s",
            QUOTE(node->kind == NODE_MAPPING ? slice_of_str(address->text) : node->source),
            consequence);
}

void config_read_listen(struct loader *loader, const struct node *node, void *target) {
    struct config *config = target;
    if (node->kind == NODE_LIST && node->count == 0) {
        loader_error(loader, node, "is an empty list; name at least one address");
        return;
    }
    config->listen = loader_array(loader, node_item_count(node), sizeof *config->listen);
    if (!config->listen)
        return;
    for (const struct node *item = node_item_first(node); item; item = node_item_next(node, item)) {
        struct config_address *address = &config->listen[config->listen_count++];
        if (item->kind == NODE_MAPPING)
            schema_read(loader, &LISTEN_SCHEMA, item, address);
        else
            read_address(loader, item, address);
        if (!address->tls)
            warn_if_open(loader, item, address,
                         " without TLS, so tokens cross the network in the clear; give it tls: "
                         "{certificate: FILE, key: FILE}, or listen on 127.0.0.1 behind what ends "
                         "TLS on this machine");
    }
}

void config_read_admin(struct loader *loader, const struct node *node, void *target) {
    struct config *config = target;
    if (node_is_text(node) && slice_eq_str(node->text, "off"))
        return;
    read_address(loader, node, &config->admin);
    config->admin_is_on = true;
    warn_if_open(loader, node, &config->admin, ", and so are health, metrics and the status page");
}

void config_read_workers(struct loader *loader, const struct node *node, void *target) {
    uint64_t count = 0;
    if (node_is_text(node) && slice_eq_str(node->text, "auto"))
        return;
    if (node->kind == NODE_INT && slice_parse_u64(node->text, 256, &count) && count > 0)
        *(uint32_t *)target = (uint32_t)count;
    else
        loader_error(loader, node, "must be auto, or a number from 1 to 256%s%s",
                     node->source.len ? "; got " : "", node->source.len ? QUOTE(node->source) : "");
}
