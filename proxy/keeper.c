/* Order matters at both ends. Start: what can fail because of the system (ports, files) comes
 * before any thread and any secret. End: workers drain while the keeper still serves their wants,
 * then they are joined, then the sources go. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "proxy/keeper.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/process.h"
#include "proxy/admin.h"
#include "proxy/audit_writer.h"
#include "proxy/listening_sockets.h"
#include "proxy/mcp/seal.h"
#include "proxy/peer_counts.h"
#include "proxy/rate_limiter.h"
#include "proxy/reload.h"
#include "proxy/secret_heap.h"
#include "proxy/sources.h"

enum { EXIT_CANNOT_START = 3 };

struct keeper {
    struct loop *loop;
    struct mailbox *mailbox;
    struct loop_watch signals;
    struct http_client *client;
    struct sources *sources; /* of the configuration in force */
    struct config *settled;  /* the one this process was started with */
    struct route_places places;
    struct file_watch *watch; /* of what the configuration is made of */
    struct audit_writer *audit;
    struct rate_limiter *rates;
    struct mcp_seal *seal;
    struct peer_counts *peers;
    size_t file_limit; /* descriptors that the process may have */
    struct admin *admin;

    struct worker *workers[WORKERS_MAX];
    size_t worker_count;
    size_t workers_running;
    struct listening_sockets sockets;
    struct hand_over *hand_over;
    int end_signals; /* SIGTERM and SIGINT so far */
};

/* The log's observer has no argument. */
static struct audit_writer *observed_audit;

const struct config *keeper_config(const struct keeper *keeper) {
    return keeper->sources->config;
}

const struct key_source *keeper_key_source(const struct keeper *keeper) {
    return keeper->sources->keys;
}

const struct group_source *keeper_group_source(const struct keeper *keeper) {
    return keeper->sources->groups;
}

const struct secret_store *keeper_secret_store(const struct keeper *keeper) {
    return keeper->sources->secrets;
}

bool keeper_is_draining(const struct keeper *keeper) {
    return keeper->end_signals > 0;
}

uint64_t keeper_rates_forgotten(const struct keeper *keeper) {
    return rate_limiter_forgotten(keeper->rates);
}

uint64_t keeper_audit_dropped(const struct keeper *keeper) {
    return audit_writer_dropped(keeper->audit);
}

size_t keeper_worker_count(const struct keeper *keeper) {
    return keeper->worker_count;
}

struct worker_metrics *keeper_worker_metrics(const struct keeper *keeper, size_t index) {
    return &keeper->workers[index]->metrics;
}

const struct route_places *keeper_route_places(const struct keeper *keeper) {
    return &keeper->places;
}

size_t keeper_route_place(const struct keeper *keeper, size_t route) {
    return keeper->sources->rules->places[route];
}

/* Where each route counts. Without memory it counts where requests without a route do. */
static void keeper_place_routes(struct keeper *keeper, struct ruleset *rules) {
    for (size_t i = 0; i < rules->config->route_count; i++) {
        rules->places[i] = route_places_find(&keeper->places, rules->config->routes[i].name, i + 1);
    }
    for (size_t i = 0; i < keeper->worker_count && keeper->workers[i]; i++) {
        if (worker_metrics_make_room(&keeper->workers[i]->metrics, keeper->places.count) !=
            STATUS_OK) {
            memset(rules->places, 0, rules->config->route_count * sizeof *rules->places);
        }
    }
}

static void keeper_publish(struct keeper *keeper) {
    struct snapshot *snapshot = sources_snapshot(keeper->sources);
    if (!snapshot) {
        LOG_EVENT(LOG_ERROR, "snapshot",
                  LOG_STR("problem", "out of memory; workers keep what they have"));
        return;
    }
    for (size_t i = 0; i < keeper->worker_count; i++) {
        worker_post_snapshot(keeper->workers[i], snapshot);
    }
    snapshot_unref(snapshot);
}

static void on_change(void *owner, struct sources *sources) {
    struct keeper *keeper = owner;
    if (sources == keeper->sources) {
        keeper_publish(keeper);
    }
}

static void on_book(void *receiver, uint64_t id, struct address_book *book) {
    struct keeper *keeper = receiver;
    if (id == keeper->sources->id) {
        sources_take_addresses(keeper->sources, book);
    } else {
        address_book_unref(book);
    }
}

void keeper_take_want(struct keeper *keeper, struct want *want) {
    if (want->rules == keeper->sources->rules) {
        sources_take_want(keeper->sources, want);
    } else {
        want_answer(want); /* other rules are in force: the exchange begins anew with them */
    }
}

static void on_worker_end(struct message *message, void *receiver) {
    (void)message;
    struct keeper *keeper = receiver;
    if (--keeper->workers_running == 0) {
        loop_stop(keeper->loop);
    }
}

/* From here on nobody can take over. The admin side answers until the end, unless another process
 * does in its place. */
static void keeper_drain(struct keeper *keeper, uint32_t limit_ms) {
    LOG_EVENT(LOG_INFO, "stop", LOG_STR("what", "draining"), LOG_INT("limit_ms", limit_ms));
    bool is_shared = keeper->hand_over && hand_over_is_shared(keeper->hand_over);
    if (is_shared && keeper->admin) {
        admin_stop_listening(keeper->admin);
    }
    hand_over_free(keeper->hand_over);
    keeper->hand_over = NULL;
    for (size_t i = 0; i < keeper->worker_count; i++) {
        worker_post_drain(keeper->workers[i], limit_ms, is_shared);
    }
}

/* The former sources answer who still waits for them, after the workers have heard of the new
 * rules. */
static void keeper_reload(struct keeper *keeper, const char *why) {
    struct sources *former = keeper->sources;
    if (keeper_is_draining(keeper)) {
        LOG_EVENT(LOG_INFO, "reload", LOG_STR("what", "ignored: draining"), LOG_STR("why", why));
        return;
    }
    struct sources *next = reload_sources(former, keeper->settled, keeper->watch, why);
    if (next) {
        keeper_place_routes(keeper, next->rules);
        keeper->sources = next;
        keeper_publish(keeper);
        sources_free(former);
        log_set_level(next->config->log_level);
    }
}

static void on_files_changed(void *owner) {
    keeper_reload(owner, "change");
}

static void keeper_watch_files(struct keeper *keeper) {
    keeper->watch = file_watch_new(keeper->loop, on_files_changed, keeper);
    reload_watch(keeper->watch, keeper->sources->config);
}

/* The first signal drains, the second cuts what is still running, the third does not even wait for
 * the audit log. */
static void on_end_signal(struct keeper *keeper) {
    if (keeper->end_signals == 2) {
        _exit(1);
    }
    keeper_drain(keeper, keeper->end_signals == 0 ? keeper->sources->config->drain_ms : 0);
    keeper->end_signals++;
}

static void on_signal(struct loop_watch *watch, uint32_t epoll_events) {
    (void)epoll_events;
    struct keeper *keeper = watch->owner;
    struct signalfd_siginfo info;
    while (read(watch->fd, &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            on_end_signal(keeper);
            break;
        case SIGUSR1:
            audit_writer_reopen(keeper->audit);
            break;
        case SIGHUP:
            keeper_reload(keeper, "signal");
            break;
        default:
            break;
        }
    }
}

static enum status keeper_watch_signals(struct keeper *keeper, struct error *err) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread: they inherit it */
    int fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        return error_set(err, STATUS_IO, "cannot watch signals");
    }
    return loop_watch_start(keeper->loop, &keeper->signals, fd, EPOLLIN, on_signal, keeper);
}

static size_t usable_cores(void) {
    cpu_set_t cores;
    return sched_getaffinity(0, sizeof cores, &cores) == 0 ? (size_t)CPU_COUNT(&cores) : 1;
}

static size_t keeper_wanted_workers(const struct config *config) {
    size_t count = config->workers ? config->workers : usable_cores();
    return count < WORKERS_MAX ? count : WORKERS_MAX;
}

/* Once everything is ready to be served: whoever takes over is not let wait. */
static enum status keeper_offer(struct keeper *keeper, struct error *err) {
    keeper->hand_over = listening_sockets_offer(&keeper->sockets, keeper->loop, keeper->settled);
    return keeper->hand_over ? STATUS_OK : error_set(err, STATUS_NO_MEMORY, "out of memory");
}

static void warn_unless_locked(bool is_locked) {
    if (!is_locked) {
        LOG_EVENT(LOG_WARNING, "start",
                  LOG_STR("problem", "secrets cannot be locked in memory; raise the limit of "
                                     "locked memory (ulimit -l)"));
    }
}

static enum status keeper_make_sources(struct keeper *keeper, struct config *config,
                                       struct error *err) {
    keeper->client = http_client_new(keeper->loop, NULL, err);
    if (!keeper->client) {
        return STATUS_IO;
    }
    keeper->seal = mcp_seal_new(NULL);
    if (!keeper->seal) {
        return error_set(err, STATUS_NO_MEMORY, "no memory, or no random bytes");
    }
    const struct sources_ground ground = {.loop = keeper->loop,
                                          .seal = keeper->seal,
                                          .client = keeper->client,
                                          .mailbox = keeper->mailbox,
                                          .on_change = on_change,
                                          .owner = keeper,
                                          .on_book = on_book};
    keeper->sources = sources_new(&ground, config, NULL, err);
    return keeper->sources ? STATUS_OK : STATUS_INVALID;
}

static enum status keeper_make_rates(struct keeper *keeper, struct error *err) {
    keeper->rates = rate_limiter_new();
    keeper->peers = peer_counts_new();
    return keeper->rates && keeper->peers
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory, or no random bytes");
}

static struct descriptor_plan keeper_plan_descriptors(const struct keeper *keeper) {
    size_t wanted = keeper->sources->config->limits.connections;
    struct descriptor_plan plan = descriptors_share(keeper->file_limit, descriptors_count_open(),
                                                    keeper->worker_count, wanted);
    if (plan.clients * keeper->worker_count < wanted) {
        LOG_EVENT(LOG_WARNING, "start",
                  LOG_STR("problem", "the limit of open files (ulimit -n) is too low for "
                                     "limits.connections"),
                  LOG_INT("files", keeper->file_limit),
                  LOG_INT("connections", plan.clients * keeper->worker_count));
    }
    return plan;
}

static enum status keeper_make_workers(struct keeper *keeper, struct error *err) {
    keeper_place_routes(keeper, keeper->sources->rules);
    struct snapshot *snapshot = sources_snapshot(keeper->sources);
    if (!snapshot) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    const struct descriptor_plan plan = keeper_plan_descriptors(keeper);
    size_t wanted = keeper->worker_count;
    keeper->worker_count = 0;
    for (size_t i = 0; i < wanted; i++) {
        size_t socket_count;
        const struct worker_socket *sockets =
            listening_sockets_of(&keeper->sockets, i, &socket_count);
        const struct worker_options options = {.index = (uint32_t)i,
                                               .worker_count = (uint32_t)wanted,
                                               .snapshot = snapshot,
                                               .place_count = keeper->places.count,
                                               .keeper = keeper->mailbox,
                                               .rates = keeper->rates,
                                               .peers = keeper->peers,
                                               .plan = plan,
                                               .audit_writer = keeper->audit,
                                               .sockets = sockets,
                                               .socket_count = socket_count,
                                               .on_end = on_worker_end};
        keeper->workers[i] = worker_new(&options, err);
        if (!keeper->workers[i]) {
            break;
        }
        keeper->worker_count++;
    }
    snapshot_unref(snapshot);
    return keeper->worker_count == wanted ? STATUS_OK : STATUS_NO_MEMORY;
}

/* With the audit log on stdout the line is on the operator's screen already. */
static bool observe_log(const char *event, struct slice line) {
    static const char *const audited[] = {"start", "stop", "keys", "secret", "reload", "hand_over"};
    for (size_t i = 0; i < sizeof audited / sizeof *audited; i++) {
        if (strcmp(event, audited[i]) == 0) {
            audit_writer_event(observed_audit, line);
            return audit_writer_is_stdout(observed_audit);
        }
    }
    return false;
}

static enum status keeper_prepare(struct keeper *keeper, struct config *config, bool takes_over,
                                  struct error *err) {
    bool is_locked = false;
    log_set_level(config->log_level);
    size_t heap_bytes = secret_heap_bytes(config);
    if (heap_bytes == 0) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    if (secret_memory_init(heap_bytes, &is_locked, err) != STATUS_OK) {
        return STATUS_IO;
    }
    keeper->file_limit = process_raise_file_limit();
    warn_unless_locked(is_locked);
    if (route_places_init(&keeper->places) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    keeper->loop = loop_new(err);
    keeper->mailbox = keeper->loop ? mailbox_new(keeper, err) : NULL;
    if (!keeper->mailbox || keeper_watch_signals(keeper, err) != STATUS_OK ||
        mailbox_attach(keeper->mailbox, keeper->loop) != STATUS_OK) {
        return STATUS_IO;
    }
    keeper->worker_count = keeper_wanted_workers(config);
    if (listening_sockets_open(&keeper->sockets, config, keeper->worker_count, takes_over, err) !=
        STATUS_OK) {
        return STATUS_IO;
    }
    keeper->audit = audit_writer_new(config->audit_file, config->audit_full_drops, err);
    if (!keeper->audit || keeper_make_rates(keeper, err) != STATUS_OK ||
        keeper_make_sources(keeper, config, err) != STATUS_OK ||
        keeper_make_workers(keeper, err) != STATUS_OK) {
        return STATUS_IO;
    }
    if (keeper->sockets.admin_fd >= 0) {
        keeper->admin = admin_new(keeper->loop, keeper, keeper->sockets.admin_fd, err);
        if (!keeper->admin) {
            return STATUS_IO;
        }
    }
    return keeper_offer(keeper, err);
}

static enum status keeper_start_workers(struct keeper *keeper, struct error *err) {
    for (size_t i = 0; i < keeper->worker_count; i++) {
        enum status status = worker_start(keeper->workers[i], err);
        if (status != STATUS_OK) {
            return status;
        }
        keeper->workers_running++;
    }
    return STATUS_OK;
}

/* Nothing is left to drain: from here on a signal need not wait for anybody. */
static void keeper_let_signals_kill(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

static void keeper_run(struct keeper *keeper) {
    const struct config *config = keeper->sources->config;
    observed_audit = keeper->audit;
    log_set_observer(observe_log);
    LOG_EVENT(LOG_INFO, "start", LOG_STR("version", BARKEEP_VERSION),
              LOG_STR("listen", config->listen[0].text),
              LOG_STR("admin", config->admin_is_on ? config->admin.text : "off"),
              LOG_INT("workers", keeper->worker_count), LOG_STR("config", config->path),
              LOG_STR("config_hash", config->hash));
    sources_start(keeper->sources);
    keeper_publish(keeper);
    keeper_watch_files(keeper);
    loop_run(keeper->loop);
    for (size_t i = 0; i < keeper->worker_count; i++) {
        worker_join(keeper->workers[i]);
    }
    mailbox_deliver(keeper->mailbox); /* wants that nobody waits for any more */
    LOG_EVENT(LOG_INFO, "stop", LOG_STR("what", "drained"));
    log_set_observer(NULL);
    keeper_let_signals_kill();
}

static void keeper_done(struct keeper *keeper) {
    hand_over_free(keeper->hand_over);
    admin_free(keeper->admin);
    sources_free(keeper->sources);
    if (keeper->client) {
        http_client_free(keeper->client);
    }
    for (size_t i = 0; i < keeper->worker_count; i++) {
        worker_free(keeper->workers[i]);
    }
    mcp_seal_free(keeper->seal);
    rate_limiter_free(keeper->rates);
    peer_counts_free(keeper->peers);
    audit_writer_free(keeper->audit);
    if (keeper->mailbox) {
        mailbox_deliver(keeper->mailbox);
        mailbox_detach(keeper->mailbox, keeper->loop);
        mailbox_free(keeper->mailbox);
    }
    file_watch_free(keeper->watch);
    route_places_done(&keeper->places);
    if (keeper->signals.is_watched) {
        int fd = keeper->signals.fd;
        loop_watch_stop(keeper->loop, &keeper->signals);
        close(fd);
    }
    loop_free(keeper->loop);
    listening_sockets_done(&keeper->sockets);
}

int keeper_serve(struct config *config, bool takes_over) {
    struct error err = {0};
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper) {
        fprintf(stderr, "barkeep: out of memory\n");
        return EXIT_CANNOT_START;
    }
    keeper->settled = config;
    enum status status = keeper_prepare(keeper, config, takes_over, &err);
    if (status == STATUS_OK) {
        status = keeper_start_workers(keeper, &err);
    }
    if (status != STATUS_OK) {
        fprintf(stderr, "barkeep: %s\n", err.text);
        _exit(EXIT_CANNOT_START); /* nothing has been served; threads that run hold nothing to be
                                     saved */
    }
    keeper_run(keeper);
    keeper_done(keeper);
    free(keeper);
    return 0;
}
