/* One thread of the data path: its loop, its listening sockets, its client connections, its
 * upstream pools, its token cache. Shares nothing mutable; talks to the keeper through mailboxes.
 */
#ifndef BARKEEP_PROXY_WORKER_H
#define BARKEEP_PROXY_WORKER_H

#include <pthread.h>

#include "auth/identity_lines.h"
#include "auth/token_cache.h"
#include "core/loop.h"
#include "core/mailbox.h"
#include "proxy/audit_writer.h"
#include "proxy/descriptors.h"
#include "proxy/h1_head.h"
#include "proxy/io_buffer.h"
#include "proxy/metrics.h"
#include "proxy/snapshot.h"

struct client;
struct exchange;
struct listener;
struct on_behalf_shelf;
struct peer_counts;
struct rate_limiter;
struct unknown_kids;
struct want;
struct upstream_pools;

/* What is freed at the end of the loop's turn, when no caller up the stack can still hold it. */
struct grave {
    struct grave *next;
    void (*bury)(struct grave *grave);
};

/* Connections over the limit that are being told so at most; beyond them they are closed without a
 * word. */
enum { WORKER_REFUSALS_MAX = 1024 };

enum { WORKER_REFUSED_GENERATIONS = 64 };
struct told_refusal {
    uint64_t generation;
    uint64_t at_ms;
};

/* What one worker remembers of verified tokens: so many, in no more memory than this. */
enum { WORKER_TOKENS_MAX = 16384, WORKER_TOKENS_BYTES = 32 * 1024 * 1024 };

/* Upstreams may send more headers than we let clients send. */
enum { RESPONSE_HEADERS_MAX = 256, RESPONSE_HEAD_BYTES_MAX = 32 * 1024 };

struct worker {
    uint32_t index;
    uint32_t worker_count; /* of the process */
    pthread_t thread;
    struct loop *loop;
    struct mailbox *mailbox;
    struct mailbox *keeper; /* the keeper's; outlives the worker */
    struct snapshot *snapshot;

    struct io_pool *io_pool;
    struct loop_timer trim_timer; /* of io_pool */
    struct token_cache *tokens;
    struct line_shelf *lines; /* identity headers of the callers in `tokens` */
    struct unknown_kids *unknown_kids;
    struct on_behalf_shelf *on_behalf;
    /* Renderings whose version before is what the backend takes, each at its place. */
    uint64_t refused_generations[WORKER_REFUSED_GENERATIONS];
    struct told_refusal told_refusals[WORKER_REFUSED_GENERATIONS];
    struct want *open_wants; /* under way to the keeper, for keys and credentials: may be joined */
    struct rate_limiter *rates; /* of all workers, as are the counts of connections by address */
    struct peer_counts *peers;
    struct audit_sink *audit;
    struct worker_metrics metrics;

    struct listener *listeners;
    size_t listener_count;
    struct loop_timer accept_pause; /* after the descriptors ran out */

    struct client *clients;    /* all of them */
    struct client *idle_first; /* waiting for a request, longest first */
    struct client *idle_last;
    size_t client_count; /* those that are being refused included */
    size_t client_limit;
    uint64_t message_bytes; /* held for messages of MCP routes */
    uint64_t message_limit_bytes;
    size_t refusal_count; /* clients that are being told that there are too many */
    size_t refusal_limit;
    size_t upstream_count; /* connections to upstreams, idle ones included */
    size_t upstream_limit;
    bool lacks_room; /* for the last connection to an upstream: descriptors or memory */
    struct exchange *free_exchanges;
    size_t free_exchange_count;
    struct upstream_pools *pools; /* of the configuration in force */
    struct loop_timer rule_sweep; /* exchanges that began under former rules */
    struct grave *graves;

    bool is_draining;
    struct message end_message;
    struct loop_timer drain_timer;
    struct loop_timer ebb_timer;  /* until then what the kernel has begun to connect is taken */
    struct loop_timer idle_timer; /* until then connections without a request may yet bring one */

    struct h1_limits request_limits;
    struct h1_limits response_limits;
    struct header response_headers[RESPONSE_HEADERS_MAX];

    uint64_t id_seed[2];
    uint64_t id_count;
    int64_t date_sec;
    char date[40]; /* IMF-fixdate of date_sec */
    struct buf audit_line;
    size_t audit_base_bytes; /* see exchange_record_base_bytes() */
    struct loop_timer audit_timer;
    uint64_t audit_flushed_ms;
};

/* A listening descriptor and the entry of `listen` that it is for. */
struct worker_socket {
    int fd;
    size_t address;
};

/* Listening descriptors are bound before any worker starts, so that a taken port is found by the
 * main thread. */
struct worker_options {
    uint32_t index;
    uint32_t worker_count;
    struct snapshot *snapshot;
    size_t place_count; /* routes_places so far */
    struct mailbox *keeper;
    struct rate_limiter *rates; /* outlives the worker */
    struct peer_counts *peers;  /* outlives the worker */
    struct audit_writer *audit_writer;
    struct descriptor_plan plan;
    const struct worker_socket *sockets; /* owned by the worker from then on */
    size_t socket_count;
    void (*on_end)(struct message *message,
                   void *keeper); /* delivered to the keeper when the thread has ended its loop */
};

struct worker *worker_new(const struct worker_options *options, struct error *err);
/* Runs on a thread of its own until it has drained. */
enum status worker_start(struct worker *worker, struct error *err);
void worker_join(struct worker *worker);
void worker_free(struct worker *worker);

/* From the keeper's thread. */
void worker_post_snapshot(struct worker *worker, struct snapshot *snapshot);
/* Stops accepting, lets exchanges finish within `limit_ms`, then ends the loop. `is_shared`:
 * another process goes on accepting from the same sockets. Again while draining: the new limit
 * counts from now. */
void worker_post_drain(struct worker *worker, uint32_t limit_ms, bool is_shared);

/* On the worker's thread. */
void worker_bury(struct worker *worker, struct grave *grave);
/* Ends the loop once draining and nothing is left. */
void worker_check_drained(struct worker *worker);
static inline const struct config *worker_config(const struct worker *worker) {
    return worker->snapshot->rules->config;
}
/* 32 lower-case hex digits and NUL, never all zero, unique with overwhelming likelihood. */
void worker_make_id(struct worker *worker, char out_id[33]);
/* The current value of a Date header. */
struct slice worker_date(struct worker *worker);

#endif
