/* What Entra says to an on-behalf-of exchange, and whose fault it is when it says no. azure.md C.2,
 * C.9. */
#ifndef BARKEEP_VAULT_ON_BEHALF_ANSWER_H
#define BARKEEP_VAULT_ON_BEHALF_ANSWER_H

#include "core/http_client.h"
#include "vault/on_behalf_of.h"
#include "vault/token_answer.h"

/* Entra's claims requests are a few hundred bytes. */
#define ON_BEHALF_CLAIMS_MAX_BYTES 2048

struct on_behalf_answer {
    enum on_behalf_verdict verdict;
    bool is_for_all;         /* unavailable: whoever asks next in this tenant would hear the same */
    bool is_own_fault;       /* and that until barkeep's application is put right */
    int64_t retry_after_sec; /* -1: not said */
    struct token_answer token; /* good only; the caller unrefs */
    char *claims;              /* JSON as Entra sent it, on_behalf claims only; the caller frees */
    struct error error;        /* when not good */
};

/* `wall_sec` is now. */
void on_behalf_answer_read(const struct http_client_response *response, int64_t wall_sec,
                           struct on_behalf_answer *out_answer);

#endif
