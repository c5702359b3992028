/* Forms of clients that sign in through barkeep, brought to the authority's token endpoint and back
 * with its answer. Nothing is added and nothing kept: whoever calls has what it takes. Lives on the
 * keeper's loop. */
#ifndef BARKEEP_VAULT_TOKEN_RELAY_H
#define BARKEEP_VAULT_TOKEN_RELAY_H

#include "core/buf.h"
#include "core/http_client.h"
#include "core/reason.h"

/* What is still under way at once; further ones are answered with a status of 0, as
 * `overloaded`. */
enum { TOKEN_RELAY_MAX = 32, TOKEN_RELAY_ANSWER_BYTES_MAX = 24 * 1024 };

/* Someone who waits for an answer. Embed; token_relay_want_init(). */
struct token_relay_want {
    struct token_relay *relay; /* these four are the relay's while it waits */
    struct http_call *call;
    struct token_relay_want *next, *previous;
    struct buf url;                                 /* NUL-terminated */
    struct buf form;                                /* wiped once it is sent */
    void (*on_done)(struct token_relay_want *want); /* once */

    int http_status;     /* 0: no answer came, or none that may be passed on */
    struct buf answer;   /* JSON; holds tokens */
    int answered_status; /* what the authority said, passed on or not; 0: nothing */
    enum reason trouble; /* without http_status: why */
};

void token_relay_want_init(struct token_relay_want *want);
void token_relay_want_done(struct token_relay_want *want); /* wipes */

struct token_relay;

/* NULL without memory. */
struct token_relay *token_relay_new(struct http_client *client);
/* NULL is fine; who waits is answered first. */
void token_relay_free(struct token_relay *relay);
/* on_done may be called before this returns. */
void token_relay_take(struct token_relay *relay, struct token_relay_want *want);

#endif
