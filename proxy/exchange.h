/* One request and its response, from the complete head to the audit line: an explicit phase, one
 * table of allowed moves, one arena. It knows phases; framing is the connections' business, rules
 * are auth's. */
#ifndef BARKEEP_PROXY_EXCHANGE_H
#define BARKEEP_PROXY_EXCHANGE_H

#include "auth/policy.h"
#include "core/arena.h"
#include "core/request_path.h"
#include "proxy/balance.h"
#include "proxy/body.h"
#include "proxy/client_address.h"
#include "proxy/h1_head.h"
#include "proxy/upstream.h"
#include "proxy/want.h"
#include "proxy/worker.h"

/* X(enumerator, name, phases it may move to) */
#define PHASE_TABLE(X)                                                                             \
    X(PHASE_BEGIN, "begin", TO(PHASE_ROUTE) | TO(PHASE_REFUSE))                                    \
    X(PHASE_ROUTE, "route", TO(PHASE_AUTHENTICATE) | TO(PHASE_OWN_PAGE) | TO(PHASE_REFUSE))        \
    X(PHASE_OWN_PAGE, "own_page", TO(PHASE_REFUSE) | TO(PHASE_DONE))                               \
    X(PHASE_AUTHENTICATE, "authenticate",                                                          \
      TO(PHASE_WAIT_KEYS) | TO(PHASE_MCP_MESSAGE) | TO(PHASE_AUTHORIZE) | TO(PHASE_REFUSE))        \
    X(PHASE_MCP_MESSAGE, "mcp_message",                                                            \
      TO(PHASE_ROUTE) | TO(PHASE_AUTHORIZE) | TO(PHASE_REFUSE) | TO(PHASE_DONE))                   \
    X(PHASE_WAIT_KEYS, "wait_keys", TO(PHASE_ROUTE) | TO(PHASE_AUTHENTICATE) | TO(PHASE_REFUSE))   \
    X(PHASE_AUTHORIZE, "authorize",                                                                \
      TO(PHASE_WAIT_GROUPS) | TO(PHASE_CREDENTIAL) | TO(PHASE_REFUSE))                             \
    X(PHASE_WAIT_GROUPS, "wait_groups", TO(PHASE_ROUTE) | TO(PHASE_AUTHORIZE) | TO(PHASE_REFUSE))  \
    X(PHASE_CREDENTIAL, "credential",                                                              \
      TO(PHASE_WAIT_CREDENTIAL) | TO(PHASE_CONNECT) | TO(PHASE_REFUSE))                            \
    X(PHASE_WAIT_CREDENTIAL, "wait_credential",                                                    \
      TO(PHASE_ROUTE) | TO(PHASE_CREDENTIAL) | TO(PHASE_REFUSE))                                   \
    X(PHASE_CONNECT, "connect", TO(PHASE_REQUEST) | TO(PHASE_REFUSE))                              \
    X(PHASE_REQUEST, "request",                                                                    \
      TO(PHASE_CONNECT) | TO(PHASE_WAIT_CREDENTIAL) | TO(PHASE_RESPONSE) | TO(PHASE_TUNNEL) |      \
          TO(PHASE_MCP_ANSWER) | TO(PHASE_REFUSE) | TO(PHASE_DONE))                                \
    X(PHASE_MCP_ANSWER, "mcp_answer", TO(PHASE_RESPONSE) | TO(PHASE_REFUSE) | TO(PHASE_DONE))      \
    X(PHASE_RESPONSE, "response", TO(PHASE_DONE))                                                  \
    X(PHASE_TUNNEL, "tunnel", TO(PHASE_DONE))                                                      \
    X(PHASE_REFUSE, "refuse", TO(PHASE_DONE))                                                      \
    X(PHASE_DONE, "done", 0)

enum phase {
#define X(enumerator, name, moves) enumerator,
    PHASE_TABLE(X)
#undef X
        PHASE_COUNT
};

enum aborted_by {
    ABORTED_BY_NOBODY,
    ABORTED_BY_CLIENT,
    ABORTED_BY_UPSTREAM,
    ABORTED_BY_TIMEOUT,
    ABORTED_BY_DRAIN,
    ABORTED_BY_REVOCATION,
    ABORTED_BY_RELOAD,
    ABORTED_BY_EXPIRY,  /* the caller's token has expired meanwhile */
    ABORTED_BY_OVERLOAD /* no memory was free for the rest */
};

struct exchange {
    enum phase phase;
    struct worker *worker;
    struct client *client;
    struct upstream *upstream;
    struct snapshot *snapshot;    /* pinned */
    struct upstream_pools *pools; /* of the same configuration */
    struct arena arena;
    struct loop_timer timer;  /* the one deadline of the current phase */
    struct loop_timer resume; /* zero delay: go on in the next turn */
    struct want *want;
    struct exchange *next_waiting; /* for the same want */
    struct grave grave;
    struct exchange *next_free;

    /* the request */
    struct h1_request request;
    size_t kept_head_bytes; /* at the front of the client's `in`: the head, kept while it may be
                               needed again */
    struct slice method;    /* these three outlive the head */
    struct slice host;
    struct request_path path;
    struct slice query;
    bool has_query;
    size_t route; /* CONFIG_NONE before it is found */
    struct slice below;
    struct forwarding forwarding; /* from where it comes */
    struct body upload;
    bool opens_websocket;     /* on a route that lets it */
    bool has_head_apart;      /* in the arena: it outlives what the client sends behind it */
    struct exchange_mcp *mcp; /* on a route that gates an MCP server; NULL: on others */
    char id[33];

    /* the judgement */
    struct identity *identity;
    unsigned char token_digest[32]; /* what the token cache knows the identity by */
    struct token_result verdict;
    struct decision decision;
    bool was_counted;         /* by the rates: a request counts once */
    uint64_t retry_after_sec; /* of rate_limited */
    const char *challenge;    /* in place of the usual WWW-Authenticate; in the arena */
    const struct rendered_credential *credential; /* NULL: none is injected */
    const struct leak_set *sought;                /* in the answer; NULL: nothing is */
    struct identity_lines *lines; /* what the upstream is told of the caller; NULL: nothing */
    bool asked_for_keys;
    bool asked_for_assertion_key;
    uint64_t asked_generation; /* of the key set that did not do */
    bool asked_for_groups;
    bool asked_for_credential;
    bool asked_for_certificate; /* the route's own */
    uint64_t generation; /* of the rendering that `credential` is, or is the version before */
    bool sent_previous;  /* `credential` is the version before */
    uint64_t refused_generation; /* that the upstream answered 401 to; 0: none yet */
    struct rendering *on_behalf; /* the caller's token exchanged: `credential` is in it */
    enum on_behalf_verdict on_behalf_verdict;
    const char *claims; /* in base64: what a new sign-in must say; in the arena */

    /* forwarding */
    const struct config_upstream *target; /* the upstream whose turn it is */
    uint64_t tried;     /* bits: the route's upstreams that were tried while nothing was sent */
    uint64_t barred;    /* bits: those that know nothing of what the request is about */
    uint64_t preferred; /* the bit of one that knows more of it than the others; 0: none does */
    struct upstream_standing *standing; /* of the target, while the request counts there */
    bool awaits_answer;                 /* and whether it counts as unanswered */
    unsigned connect_timeouts;          /* while nothing was sent */
    size_t pool;                        /* its pool and address row */
    size_t address;                     /* which of its addresses is tried */
    bool found_target;                  /* one that the credential may go to */
    const char *tls_problem;            /* of the last handshake that failed; NULL: none did */
    size_t response_scanned;
    bool has_retried;
    bool wrote_request_head;
    bool keeps_upload;   /* its bytes stay in the client's `in` behind the head, to be sent again */
    bool upload_is_over; /* done, or the upstream stopped listening */
    struct h1_response response;
    struct body download;
    bool wrote_response_head;
    struct leak_scan leaks; /* of `download` */
    uint64_t scrubbed;      /* forms of secrets masked, in the head and in the body */
    uint32_t informational_count;
    uint32_t upstream_idle_ms; /* how long the upstream says it keeps the connection */
    uint64_t tunnel_moved_ms;  /* when a byte last went either way */

    /* the outcome */
    enum reason reason;
    int status; /* sent to the client; 0 while nothing was */
    int upstream_status;
    enum aborted_by aborted_by;
    bool closes_client;
    struct own_page *page;       /* NULL: none of ours */
    struct sign_in *sign_in;     /* a client signs in through a facade; NULL: none does */
    bool is_own_page;            /* answered by barkeep itself, without an upstream */
    bool is_for_any_origin;      /* pages of any origin may read the answer, a refusal too */
    size_t audit_reserved_bytes; /* 0: no room was to be had */
    uint64_t begin_us;
    uint64_t upstream_begin_us; /* request head handed over */
    uint64_t upstream_head_us;  /* response head read */
    uint64_t waited_us;         /* for keys, groups and credentials */
    uint64_t parked_us;
    uint64_t answered_us; /* response head handed to the client */

    struct header headers[]; /* limits.headers */
};

/* Begins with the head at the front of the client's `in`; may run to its end before it returns. */
void exchange_begin(struct worker *worker, struct client *client, size_t head_len);
/* The head is no head: one refusal, one audit line. */
void exchange_begin_refused(struct worker *worker, struct client *client,
                            const struct h1_refusal *refusal);

/* Something may go on: from the connections, timers and wants. */
void exchange_on_client_event(struct exchange *exchange);
void exchange_on_upstream_event(struct exchange *exchange);
void exchange_on_want_done(struct exchange *exchange);
/* The answer of a want for groups, before exchange_on_want_done(). */
void exchange_take_groups(struct exchange *exchange, const struct group_want *groups);
/* The answer of a want for an exchanged token, before exchange_on_want_done(). */
void exchange_take_on_behalf(struct exchange *exchange, const struct on_behalf_want *answer);
/* Ends it here and now, both connections with it. */
void exchange_abort(struct exchange *exchange, enum aborted_by by);
/* The drain's limit has come: answer `draining` when nothing was answered, else cut. */
void exchange_end_for_drain(struct exchange *exchange);
/* A new list of revocations is in force: refuses the caller when it is on it and nothing was
 * answered, else cuts. */
void exchange_end_if_revoked(struct exchange *exchange);
/* True while it is judged by rules that are no longer in force. */
bool exchange_is_of_former_rules(const struct exchange *exchange);
/* Cuts an answer, a tunnel or an upload under way that the rules in force would not allow. */
void exchange_end_if_no_longer_allowed(struct exchange *exchange);
/* Memory of finished exchanges. */
void exchange_free_list(struct worker *worker);

/* For the files of the exchange: */

/* The only function that changes the phase. */
void exchange_move(struct exchange *exchange, enum phase to);
/* Nothing of the judgement so far holds: moves to PHASE_ROUTE under the rules in force. */
void exchange_judge_anew(struct exchange *exchange);
/* Moves to PHASE_REFUSE, or cuts the connection when the response has begun. `http_status` 0 means
 * the reason's own. */
void exchange_refuse(struct exchange *exchange, enum reason reason, int http_status,
                     const char *detail);
/* (Re)arms the phase's deadline. */
void exchange_set_deadline(struct exchange *exchange, uint64_t delay_ms);
/* From here on nothing of the head, nor of a body kept with it, is needed from the client's
 * buffer. Idempotent. */
void exchange_drop_head(struct exchange *exchange);
/* Runs again in the next turn of the loop. */
void exchange_resume_soon(struct exchange *exchange);
static inline const struct config *exchange_config(const struct exchange *exchange) {
    return exchange->snapshot->rules->config;
}
/* True while an answer is under way that can only be cut. */
static inline bool exchange_is_streaming(const struct exchange *exchange) {
    return exchange->phase == PHASE_RESPONSE || exchange->phase == PHASE_TUNNEL;
}
static inline const struct config_route *exchange_route(const struct exchange *exchange) {
    return &exchange_config(exchange)->routes[exchange->route];
}

/* Answers to this request are searched for credentials. */
static inline bool exchange_scrubs(const struct exchange *exchange) {
    return exchange->sought != NULL;
}

/* Somebody has to understand the answer's bytes: it must not come encoded. */
static inline bool exchange_reads_answer(const struct exchange *exchange) {
    return exchange_scrubs(exchange) || exchange->mcp;
}

/* How long an answer of our own may take to leave. */
enum { OWN_PAGE_LIMIT_MS = 10000 };

/* exchange_host.c: true when it was refused for naming another scheme or host than its connection
 * is for. */
bool exchange_is_for_another(struct exchange *exchange);

/* exchange_caller.c: fills `forwarding` by the configuration it is judged by. False when it was
 * refused. */
bool exchange_find_caller(struct exchange *exchange);
/* True when `config` would find the same caller at the same address, as far as can be told when the
 * head is gone. */
bool exchange_caller_is_found_anew(const struct exchange *exchange, const struct config *config);
/* Counts it against the rates of its route and of the entry that grants. True when it was refused.
 */
bool exchange_is_too_often(struct exchange *exchange);

/* exchange_identity.c: the value of the one header that this route's tokens come in. False when the
 * exchange was refused. */
bool exchange_find_token(struct exchange *exchange, struct slice *out_value);
/* By the configuration in force; negative once the caller's token has expired. */
int64_t exchange_token_left_ms(const struct exchange *exchange);
/* Fills `lines` as the route asks. False when the exchange was parked or refused. */
bool exchange_make_identity_lines(struct exchange *exchange);

/* exchange_credential.c */
/* The upstream answered 401 to the injected credential: waits for a newer one, or refuses. */
void exchange_on_credential_refused(struct exchange *exchange);
/* The upstream answered something else. */
void exchange_on_credential_taken(struct exchange *exchange);

/* exchange_connect.c: *out_source is what the certificate is in that the upstream is shown: the
 * granting rule's credential when it has one, else the route's; NULL when none is configured. False
 * when it is configured and missing. */
bool exchange_client_certificate(const struct exchange *exchange,
                                 const struct rendered_credential **out_source);
/* TLS with the upstream has failed: keeps and logs why. */
void exchange_note_tls_problem(struct exchange *exchange);
/* Connecting takes too long: another address or upstream may do, else it is refused. */
void exchange_on_connect_timeout(struct exchange *exchange);

/* exchange_target.c */
/* Another of the route's upstreams, to which the request then counts. With any verdict but
 * BALANCE_CHOSEN the target stays what it was, and the request counts nowhere. */
enum balance_verdict exchange_choose_target(struct exchange *exchange);
/* Counts no longer. Idempotent. */
void exchange_leave_target(struct exchange *exchange);
/* It has answered, or will not: the first of the two since it was chosen is what counts. */
void exchange_note_target_well(struct exchange *exchange);
void exchange_note_target_failed(struct exchange *exchange);
/* The same for refusals that are the upstream's fault. */
void exchange_note_refusal(struct exchange *exchange, enum reason reason);
/* Takes a retry out of the upstream's budget. */
bool exchange_may_send_again(struct exchange *exchange);

/* exchange_tunnel.c: the upstream's 101 to a request that opens a WebSocket: from here on bytes go
 * both ways, or it is refused. */
void exchange_begin_tunnel(struct exchange *exchange, size_t head_len);
void exchange_on_tunnel_timer(struct exchange *exchange);

/* exchange_mcp.c: the request's part on a route that gates an MCP server. */
/* Before anybody is asked for a token: Origin, preflight, methods. False when it was refused or
 * answered. */
bool exchange_mcp_admits(struct exchange *exchange);
/* What the rules are asked about the message. */
const struct policy_mcp *exchange_mcp_question(const struct exchange *exchange);
/* And about what it refers to, one after the other. False: there are no more. */
bool exchange_mcp_reference_at(const struct exchange *exchange, size_t index,
                               struct policy_mcp *out_asked);
/* The message as it goes to the server; the body that the upstream gets. */
bool exchange_mcp_has_body(const struct exchange *exchange);
struct slice exchange_mcp_body(const struct exchange *exchange);
/* What has to hold beside the rules' decision. False when it was refused. */
bool exchange_mcp_passes(struct exchange *exchange);
/* Header lines: for the server, and for a browser whose page may call. */
struct slice exchange_mcp_fields(const struct exchange *exchange);
struct slice exchange_mcp_cors(const struct exchange *exchange);
/* The value of WWW-Authenticate for the status that is about to be sent; empty: the usual one. */
struct slice exchange_mcp_challenge(struct exchange *exchange);
void exchange_mcp_free(struct exchange *exchange);
void exchange_step_mcp_message(struct exchange *exchange);
/* exchange_mcp_answer.c: the server's answer, its head complete. */
void exchange_begin_mcp_answer(struct exchange *exchange, size_t head_len);
void exchange_step_mcp_answer(struct exchange *exchange);
/* PHASE_RESPONSE of such an answer. */
void exchange_step_mcp_response(struct exchange *exchange);
/* Of an exchange that was aborted: true when it is an event stream that its caller may no longer
 * have, the client has all that was to be sent, and has its end now too. Who reads an end comes
 * back and hears why; who is cut has met a fault. */
bool exchange_mcp_end_stream(struct exchange *exchange);
/* Something has moved: rearms the deadline, which is an event stream's token's when that is sooner.
 */
void exchange_mcp_wait(struct exchange *exchange);
/* The deadline of an event stream has come: true when that says nothing of the server, for the
 * caller's token has expired, or may yet. */
bool exchange_mcp_on_token_timer(struct exchange *exchange);
/* Writes the refusal the way the client's protocol has it. False: as any other refusal. */
bool exchange_mcp_write_refusal(struct exchange *exchange, struct buf *body);

/* Whether the rules that judge the exchange grant this to its caller. */
bool exchange_mcp_is_granted(const struct exchange *exchange, const struct policy_mcp *mcp);

/* exchange_forward.c */
/* Answers Expect: 100-continue once the body is wanted. */
void exchange_invite_body(struct exchange *exchange);
/* The answer has begun: what is left of the request goes on beside it, as far as the upstream takes
 * it. False when the exchange has ended. */
bool exchange_upload_beside(struct exchange *exchange);
/* How long the upstream says it keeps the connection, or what we take for it. */
uint32_t exchange_keep_alive_ms(const struct h1_response *response);

/* own_page.c: what is served to everyone, whatever the routes. True when it was answered so. */
bool exchange_begins_own_page(struct exchange *exchange);

/* Steps: each does what its phase can do now and moves on or returns. */
void exchange_step_route(struct exchange *exchange);
void exchange_step_own_page(struct exchange *exchange);
void exchange_step_authenticate(struct exchange *exchange);
void exchange_step_authorize(struct exchange *exchange);
void exchange_step_credential(struct exchange *exchange);
void exchange_step_connect(struct exchange *exchange);
void exchange_step_request(struct exchange *exchange);
void exchange_step_response(struct exchange *exchange);
void exchange_step_tunnel(struct exchange *exchange);
void exchange_step_refuse(struct exchange *exchange);
/* exchange_challenge.c */
/* The decision wants more of the sign-in: a claims challenge, or a refusal that says what. */
void exchange_refuse_sign_in(struct exchange *exchange);
/* 401 with a challenge for `claims`, or a plain one when it has none. */
void exchange_refuse_with_claims(struct exchange *exchange, const char *detail);
/* True when the identity is on the list of revocations, and refused for it. */
bool exchange_is_refused_as_revoked(struct exchange *exchange);
/* What the deadline means in the phases that forward. */
void exchange_on_forward_timeout(struct exchange *exchange);

/* exchange_audit.c: the line and the counters, once. */
void exchange_record(struct exchange *exchange);
/* Sets room for the line aside. False when the audit log is stuck and must not lose it. */
bool exchange_reserve_record(struct exchange *exchange, size_t head_len);
/* What a line takes at most, apart from what its caller sent. */
size_t exchange_record_base_bytes(const struct config *config);

#endif
