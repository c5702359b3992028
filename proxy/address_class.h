/* Where a name may lead: whoever answers for a name must not turn requests, and the credentials
 * they bring, to this machine's own services or to those of its platform (169.254.169.254). */
#ifndef BARKEEP_PROXY_ADDRESS_CLASS_H
#define BARKEEP_PROXY_ADDRESS_CLASS_H

#include <sys/socket.h>

#include "config/config.h"

/* `upstream` is written as a name that resolves to `address`; `networks` are its route's. Where
 * none are given, everything is allowed but loopback, link-local, multicast and reserved addresses
 * and platforms' metadata services; "localhost" leads to loopback addresses only, without networks
 * or with. */
bool address_is_allowed(const struct sockaddr *address, const struct config_upstream *upstream,
                        const struct config_networks *networks);

#endif
