/* One entry held against one request. Private to policy*.c. */
#ifndef BARKEEP_AUTH_POLICY_MATCH_H
#define BARKEEP_AUTH_POLICY_MATCH_H

#include "auth/path_reading.h"
#include "auth/policy_rules.h"

/* One request, as entries see it. */
struct attempt {
    const struct identity *identity;
    struct slice method;
    uint32_t method_bit;                  /* 0 when it is not among the known ones */
    const struct path_readings *readings; /* the first is the path itself */
    const unsigned char *client;          /* NULL: not known */
    const struct policy_mcp *mcp;         /* NULL: the route is for plain HTTP */
    struct argument_view *view;           /* its arguments */
};

/* A known method's bit, 0 for any other, which is compared as text. */
uint32_t method_bit(struct slice method);

/* `out_test` may be NULL; with POLICY_OTHER_ARGUMENTS it is the test that was not passed. */
enum policy_answer entry_match(const struct entry *entry, const struct attempt *attempt,
                               const struct config_argument_test **out_test);

/* The principal of an entry that came furthest before it asked for what the caller is not, and what
 * it asked for; CONFIG_NONE for an entry without principals. */
size_t entry_closest_principal(const struct entry *entry, const struct identity *identity,
                               enum policy_demand *out_unmet);

/* What an entry's `when` asks of the sign-in, and the sign-in has not. */
bool entry_lacks_context(const struct entry *entry, const struct identity *identity);
bool entry_lacks_mfa(const struct entry *entry, const struct identity *identity);

#endif
