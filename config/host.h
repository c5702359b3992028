/* Hosts and ports as people write them. Nothing is resolved here. */
#ifndef BARKEEP_CONFIG_HOST_H
#define BARKEEP_CONFIG_HOST_H

#include "core/slice.h"

/* A DNS name or a numeric address, without brackets. What some resolvers would take for a number
 * (0x7f.1, 127.1, 2130706433) is neither. */
bool host_is_valid(struct slice host);
/* An IPv6 address, without brackets. */
bool host_is_ipv6(struct slice host);
/* 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104 or "localhost": cannot leave this machine. */
bool host_is_loopback(struct slice host);

/* Splits "host", "host:port", "[v6]", "[v6]:port" and ":port". `out_port` is empty when there is
 * none; `out_host` comes without brackets. False when it is none of these; neither half is checked
 * further, except that brackets hold an IPv6 address. */
bool host_split(struct slice text, struct slice *out_host, struct slice *out_port);
/* 1 to 65535. */
bool host_parse_port(struct slice text, uint16_t *out_port);

#endif
