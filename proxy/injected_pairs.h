/* Query strings and cookies as the upstream gets them: the caller's, without its own copies of what
 * the credential sets there, then the credential's. Copies are found in every spelling that some
 * server takes for the same name. */
#ifndef BARKEEP_PROXY_INJECTED_PAIRS_H
#define BARKEEP_PROXY_INJECTED_PAIRS_H

#include "proxy/head_writer.h"
#include "vault/secret_store.h"

/* True when a server might take `name`, as it stands in a query or a cookie, for one that `pairs`
 * sets: percent-encoded or not, in another case, with '.', ' ' and '_' for each other, with an
 * array index behind it. */
bool injected_pairs_have(const struct rendered_pair *pairs, size_t count, struct slice name);

/* Writes `query` (without '?') and the credential's parameters, joined by '&'. Nothing when neither
 * has any. */
void write_query(struct head_writer *writer, struct slice query,
                 const struct rendered_credential *credential);
/* Writes one Cookie field made of all of the request's and the credential's. Only for a credential
 * that sets cookies. */
void write_cookies(struct head_writer *writer, const struct h1_request *request,
                   const struct rendered_credential *credential);

#endif
