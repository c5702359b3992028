/* Lists of networks: `trusted_proxies`, and the `client` of a condition. */
#include "config/config_parts.h"

#include "config/network.h"

static bool read_network(struct loader *loader, const struct node *node,
                         struct config_network *out_network) {
    static const char FORM[] = "an address or a network, such as 192.0.2.7, 10.0.0.0/8 or "
                               "2001:db8::/32";
    struct network_text text, alone;
    struct slice source;
    if (!loader_read_text(loader, node, FORM, &source))
        return false;
    if (!network_parse(source, out_network)) {
        loader_error(loader, node, "must be %s; got %s", FORM, QUOTE(node->source));
        return false;
    }
    if (!network_has_host_bits(out_network))
        return true;
    struct config_network address = *out_network;
    struct config_network network = network_of(out_network);
    address.prefix_bits = 128;
    loader_error(loader, node,
                 "%s has bits set beyond its prefix; write %s for the network, or %s for that "
                 "address alone",
                 QUOTE(node->source), network_format(&network, &text),
                 network_format(&address, &alone));
    return false;
}

static void read_networks(struct loader *loader, const struct node *node,
                          struct config_networks *out_networks) {
    struct config_networks networks = {0};
    networks.items = loader_array(loader, node_item_count(node), sizeof *networks.items);
    if (!networks.items)
        return;
    for (const struct node *item = node_item_first(node); item; item = node_item_next(node, item))
        networks.count += read_network(loader, item, &networks.items[networks.count]) ? 1 : 0;
    *out_networks = networks;
}

void config_read_clients(struct loader *loader, const struct node *node, void *target) {
    if (node->kind == NODE_LIST && node->count == 0)
        loader_error(loader, node, "is an empty list; name at least one network, or leave it out");
    else
        read_networks(loader, node, target);
}

void config_read_proxies(struct loader *loader, const struct node *node, void *target) {
    struct config_networks *networks = target;
    read_networks(loader, node, networks);
    for (size_t i = 0; i < networks->count; i++) {
        unsigned bits = networks->items[i].prefix_bits;
        if (bits == 0 || bits == 96)
            loader_warning(loader, node,
                           "whoever connects is believed about the client's address, so `when: "
                           "{client: ...}`, rates and the audit say what callers make up; name "
                           "the networks of your own proxies");
    }
}
