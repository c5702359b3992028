/* Networks of IP addresses as people write them: 10.0.0.0/8, 192.0.2.7, 2001:db8::/32. */
#ifndef BARKEEP_CONFIG_NETWORK_H
#define BARKEEP_CONFIG_NETWORK_H

#include "config/config.h"

/* An address stands for itself alone. False when `text` is neither an address nor a network. Host
 * bits stay as they were written: see network_has_host_bits(). */
bool network_parse(struct slice text, struct config_network *out_network);

/* True when bits beyond the prefix are set: 10.0.0.7/8. */
bool network_has_host_bits(const struct config_network *network);
/* The same network without them. */
struct config_network network_of(const struct config_network *network);

struct network_text {
    char text[64];
};
/* "10.0.0.0/8", or the address alone when the prefix is all of it. Returns out_text->text. */
const char *network_format(const struct config_network *network, struct network_text *out_text);

/* True when every address of `inner` is one of `outer`. */
bool network_is_within(const struct config_network *inner, const struct config_network *outer);

#endif
