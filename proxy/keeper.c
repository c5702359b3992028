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

#include "auth/assertion_source.h"
#include "auth/revocation_source.h"
#include "core/http_client.h"
#include "core/process.h"
#include "proxy/admin.h"
#include "proxy/audit_writer.h"
#include "proxy/listener.h"
#include "proxy/secret_heap.h"
#include "proxy/want.h"

enum { EXIT_CANNOT_START = 3, WORKERS_MAX = 256, LISTENERS_MAX = 64 };

struct keeper {
    struct config *config;
    struct loop *loop;
    struct mailbox *mailbox;
    struct loop_watch signals;
    struct http_client *client;
    struct key_source *keys;
    struct azure_identity *identity;
    struct group_source *groups;
    struct secret_store *secrets;
    struct on_behalf_source *on_behalf; /* NULL when no credential asks for it */
    struct resolver *resolver;
    struct revocation_source *revocation_source;
    struct assertion_source *assertion_source; /* NULL when no assertions are signed */
    struct audit_writer *audit;
    struct admin *admin;

    struct ruleset *rules;
    struct key_ring *ring;
    struct cabinet *cabinet;
    struct address_book *addresses;
    struct revocation_list *revocations;
    struct assertion_signer *assertions;

    struct worker *workers[WORKERS_MAX];
    size_t worker_count;
    size_t workers_running;
    int listen_fds[WORKERS_MAX][LISTENERS_MAX];
    int admin_fd;
    int end_signals; /* SIGTERM and SIGINT so far */
};

/* The log's observer has no argument. */
static struct audit_writer *observed_audit;

const struct config *keeper_config(const struct keeper *keeper) {
    return keeper->config;
}

const struct key_source *keeper_key_source(const struct keeper *keeper) {
    return keeper->keys;
}

const struct group_source *keeper_group_source(const struct keeper *keeper) {
    return keeper->groups;
}

const struct secret_store *keeper_secret_store(const struct keeper *keeper) {
    return keeper->secrets;
}

bool keeper_is_draining(const struct keeper *keeper) {
    return keeper->end_signals > 0;
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

static struct snapshot *keeper_snapshot(const struct keeper *keeper) {
    const struct snapshot parts = {.rules = keeper->rules,
                                   .ring = keeper->ring,
                                   .cabinet = keeper->cabinet,
                                   .addresses = keeper->addresses,
                                   .assertions = keeper->assertions,
                                   .revocations = keeper->revocations};
    return snapshot_new(&parts);
}

static void keeper_publish(struct keeper *keeper) {
    struct snapshot *snapshot = keeper_snapshot(keeper);
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

static void on_ring(void *owner, struct key_ring *ring) {
    struct keeper *keeper = owner;
    key_ring_unref(keeper->ring);
    keeper->ring = ring;
    keeper_publish(keeper);
}

static void on_signer(void *owner, struct assertion_signer *signer) {
    struct keeper *keeper = owner;
    assertion_signer_unref(keeper->assertions);
    keeper->assertions = signer;
    keeper_publish(keeper);
}

/* A secret has changed: perhaps the one that signs. */
static void on_cabinet(void *owner, struct cabinet *cabinet) {
    struct keeper *keeper = owner;
    const struct config_assertion *assertion = &keeper->config->assertion;
    cabinet_unref(keeper->cabinet);
    keeper->cabinet = cabinet;
    if (assertion->has_key) {
        assertion_source_take_key(keeper->assertion_source,
                                  secret_store_value(keeper->secrets, assertion->key));
    }
    keeper_publish(keeper);
}

static void on_addresses(void *owner, struct address_book *addresses) {
    struct keeper *keeper = owner;
    address_book_unref(keeper->addresses);
    keeper->addresses = addresses;
    keeper_publish(keeper);
}

/* An empty list is as good as none, and cheaper to ask. */
static void keeper_take_revocations(struct keeper *keeper, struct revocation_list *list) {
    bool is_empty = revocation_list_count(list) == 0;
    revocation_list_unref(keeper->revocations);
    keeper->revocations = is_empty ? NULL : list;
    if (is_empty) {
        revocation_list_unref(list);
    }
}

static void on_revocations(void *owner, struct revocation_list *list) {
    struct keeper *keeper = owner;
    keeper_take_revocations(keeper, list);
    keeper_publish(keeper);
}

void keeper_take_want(struct keeper *keeper, struct want *want) {
    switch (want->kind) {
    case WANT_KEYS:
        key_source_want(keeper->keys, &want->keys);
        break;
    case WANT_GROUPS:
        group_source_want(keeper->groups, &want->groups);
        break;
    case WANT_CREDENTIAL:
        secret_store_want(keeper->secrets, &want->credential);
        break;
    case WANT_ON_BEHALF:
        on_behalf_source_want(keeper->on_behalf, &want->on_behalf);
        break;
    }
}

static void on_worker_end(struct message *message, void *receiver) {
    (void)message;
    struct keeper *keeper = receiver;
    if (--keeper->workers_running == 0) {
        loop_stop(keeper->loop);
    }
}

static void keeper_drain(struct keeper *keeper, uint32_t limit_ms) {
    LOG_EVENT(LOG_INFO, "stop", LOG_STR("what", "draining"), LOG_INT("limit_ms", limit_ms));
    for (size_t i = 0; i < keeper->worker_count; i++) {
        worker_post_drain(keeper->workers[i], limit_ms);
    }
}

/* The first signal drains, the second cuts what is still running, the third does not even wait for
 * the audit log. */
static void on_end_signal(struct keeper *keeper) {
    if (keeper->end_signals == 2) {
        _exit(1);
    }
    keeper_drain(keeper, keeper->end_signals == 0 ? keeper->config->drain_ms : 0);
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
            LOG_EVENT(LOG_WARNING, "signal",
                      LOG_STR("problem", "a changed configuration takes effect at a restart"));
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

/* A unix socket cannot be bound once per worker: the first one's is shared. */
static enum status keeper_bind_for(struct keeper *keeper, size_t worker, struct error *err) {
    for (size_t i = 0; i < keeper->config->listen_count; i++) {
        const struct config_address *address = &keeper->config->listen[i];
        int fd = address->is_unix && worker > 0 ? dup(keeper->listen_fds[0][i])
                                                : listener_bind(address, true, err);
        if (fd < 0) {
            return STATUS_IO;
        }
        keeper->listen_fds[worker][i] = fd;
    }
    return STATUS_OK;
}

/* SO_REUSEPORT lets every process of the same user in: a first socket without it finds out whether
 * the port is taken. */
static enum status keeper_find_taken_port(const struct keeper *keeper, struct error *err) {
    for (size_t i = 0; i < keeper->config->listen_count; i++) {
        if (keeper->config->listen[i].is_unix) {
            continue;
        }
        int fd = listener_bind(&keeper->config->listen[i], false, err);
        if (fd < 0) {
            return STATUS_IO;
        }
        close(fd);
    }
    return STATUS_OK;
}

static enum status keeper_bind(struct keeper *keeper, struct error *err) {
    size_t count = keeper->config->workers ? keeper->config->workers : usable_cores();
    keeper->worker_count = count < WORKERS_MAX ? count : WORKERS_MAX;
    if (keeper->config->listen_count > LISTENERS_MAX) {
        return error_set(err, STATUS_LIMIT, "more than %d addresses to listen on", LISTENERS_MAX);
    }
    if (keeper_find_taken_port(keeper, err) != STATUS_OK) {
        return STATUS_IO;
    }
    for (size_t i = 0; i < keeper->worker_count; i++) {
        enum status status = keeper_bind_for(keeper, i, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    keeper->admin_fd = -1;
    if (keeper->config->admin_is_on) {
        keeper->admin_fd = listener_bind(&keeper->config->admin, false, err);
        return keeper->admin_fd < 0 ? STATUS_IO : STATUS_OK;
    }
    return STATUS_OK;
}

static void warn_unless_locked(bool is_locked) {
    if (!is_locked) {
        LOG_EVENT(LOG_WARNING, "start",
                  LOG_STR("problem", "secrets cannot be locked in memory; raise the limit of "
                                     "locked memory (ulimit -l)"));
    }
}

static enum status keeper_read_revocations(struct keeper *keeper, struct error *err) {
    struct revocation_list *list;
    if (!keeper->config->revoked_file) {
        return STATUS_OK;
    }
    keeper->revocation_source = revocation_source_new(keeper->loop, keeper->config->revoked_file,
                                                      on_revocations, keeper, &list, err);
    if (!keeper->revocation_source) {
        return STATUS_INVALID;
    }
    keeper_take_revocations(keeper, list);
    return STATUS_OK;
}

static enum status keeper_make_assertions(struct keeper *keeper, struct error *err) {
    if (!config_uses_assertions(keeper->config)) {
        return STATUS_OK;
    }
    keeper->assertion_source =
        assertion_source_new(keeper->loop, keeper->config, on_signer, keeper, err);
    if (!keeper->assertion_source) {
        return STATUS_NO_MEMORY;
    }
    keeper->assertions = assertion_source_signer(keeper->assertion_source);
    return STATUS_OK;
}

static enum status keeper_make_sources(struct keeper *keeper, struct error *err) {
    struct config *config = keeper->config;
    keeper->client = http_client_new(keeper->loop, NULL, err);
    if (!keeper->client) {
        return STATUS_IO;
    }
    keeper->rules = ruleset_new(config, err);
    if (!keeper->rules) {
        return STATUS_INVALID;
    }
    keeper->keys = key_source_new(keeper->loop, keeper->client, config, on_ring, keeper, err);
    if (!keeper->keys) {
        return STATUS_IO;
    }
    keeper->ring = key_source_ring(keeper->keys);
    if (keeper_read_revocations(keeper, err) != STATUS_OK) {
        return STATUS_INVALID;
    }
    if (keeper_make_assertions(keeper, err) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    if (config->identity.kind != IDENTITY_NONE) {
        keeper->identity = azure_identity_new(keeper->loop, keeper->client, config, err);
        if (!keeper->identity) {
            return STATUS_INVALID;
        }
    }
    keeper->groups =
        group_source_new(keeper->client, keeper->identity, config, keeper->rules->policy, err);
    keeper->secrets = secret_store_new(keeper->loop, keeper->client, keeper->identity, config,
                                       on_cabinet, keeper, err);
    if (config_uses_on_behalf_of(config)) {
        keeper->on_behalf = on_behalf_source_new(keeper->loop, keeper->client, config, err);
        if (!keeper->on_behalf) {
            return STATUS_INVALID;
        }
    }
    keeper->resolver = resolver_new(config, keeper->mailbox, on_addresses, &keeper->addresses, err);
    return keeper->keys && keeper->groups && keeper->secrets && keeper->resolver ? STATUS_OK
                                                                                 : STATUS_NO_MEMORY;
}

static enum status keeper_make_workers(struct keeper *keeper, struct error *err) {
    struct snapshot *snapshot = keeper_snapshot(keeper);
    if (!snapshot) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    size_t wanted = keeper->worker_count;
    keeper->worker_count = 0;
    for (size_t i = 0; i < wanted; i++) {
        const struct worker_options options = {.index = (uint32_t)i,
                                               .worker_count = (uint32_t)wanted,
                                               .snapshot = snapshot,
                                               .keeper = keeper->mailbox,
                                               .audit_writer = keeper->audit,
                                               .listen_fds = keeper->listen_fds[i],
                                               .listen_count = keeper->config->listen_count,
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
    static const char *const audited[] = {"start", "stop", "keys", "secret", "reload"};
    for (size_t i = 0; i < sizeof audited / sizeof *audited; i++) {
        if (strcmp(event, audited[i]) == 0) {
            audit_writer_event(observed_audit, line);
            return audit_writer_is_stdout(observed_audit);
        }
    }
    return false;
}

static enum status keeper_prepare(struct keeper *keeper, struct error *err) {
    bool is_locked = false;
    log_set_level(keeper->config->log_level);
    size_t heap_bytes = secret_heap_bytes(keeper->config);
    if (heap_bytes == 0) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    if (secret_memory_init(heap_bytes, &is_locked, err) != STATUS_OK) {
        return STATUS_IO;
    }
    process_raise_file_limit();
    warn_unless_locked(is_locked);
    keeper->loop = loop_new(err);
    keeper->mailbox = keeper->loop ? mailbox_new(keeper, err) : NULL;
    if (!keeper->mailbox || keeper_watch_signals(keeper, err) != STATUS_OK ||
        mailbox_attach(keeper->mailbox, keeper->loop) != STATUS_OK) {
        return STATUS_IO;
    }
    if (keeper_bind(keeper, err) != STATUS_OK) {
        return STATUS_IO;
    }
    keeper->audit =
        audit_writer_new(keeper->config->audit_file, keeper->config->audit_full_drops, err);
    if (!keeper->audit || keeper_make_sources(keeper, err) != STATUS_OK ||
        keeper_make_workers(keeper, err) != STATUS_OK) {
        return STATUS_IO;
    }
    if (keeper->admin_fd >= 0) {
        keeper->admin = admin_new(keeper->loop, keeper, keeper->admin_fd, err);
        return keeper->admin ? STATUS_OK : STATUS_IO;
    }
    return STATUS_OK;
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
    observed_audit = keeper->audit;
    log_set_observer(observe_log);
    LOG_EVENT(LOG_INFO, "start", LOG_STR("version", BARKEEP_VERSION),
              LOG_STR("listen", keeper->config->listen[0].text),
              LOG_STR("admin", keeper->config->admin_is_on ? keeper->config->admin.text : "off"),
              LOG_INT("workers", keeper->worker_count), LOG_STR("config", keeper->config->path),
              LOG_STR("config_hash", keeper->config->hash));
    key_source_start(keeper->keys);
    secret_store_start(keeper->secrets);
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
    admin_free(keeper->admin);
    if (keeper->keys) {
        key_source_free(keeper->keys);
    }
    group_source_free(keeper->groups);
    if (keeper->on_behalf) {
        on_behalf_source_free(keeper->on_behalf);
    }
    if (keeper->secrets) {
        secret_store_free(keeper->secrets);
    }
    if (keeper->identity) {
        azure_identity_free(keeper->identity);
    }
    if (keeper->client) {
        http_client_free(keeper->client);
    }
    resolver_free(keeper->resolver);
    revocation_source_free(keeper->revocation_source);
    for (size_t i = 0; i < keeper->worker_count; i++) {
        worker_free(keeper->workers[i]);
    }
    audit_writer_free(keeper->audit);
    if (keeper->mailbox) {
        mailbox_deliver(keeper->mailbox);
        mailbox_detach(keeper->mailbox, keeper->loop);
        mailbox_free(keeper->mailbox);
    }
    assertion_source_free(keeper->assertion_source);
    assertion_signer_unref(keeper->assertions);
    cabinet_unref(keeper->cabinet);
    key_ring_unref(keeper->ring);
    address_book_unref(keeper->addresses);
    revocation_list_unref(keeper->revocations);
    ruleset_unref(keeper->rules);
    if (keeper->signals.is_watched) {
        int fd = keeper->signals.fd;
        loop_watch_stop(keeper->loop, &keeper->signals);
        close(fd);
    }
    loop_free(keeper->loop);
}

int keeper_serve(struct config *config) {
    struct error err = {0};
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper) {
        fprintf(stderr, "barkeep: out of memory\n");
        return EXIT_CANNOT_START;
    }
    keeper->config = config;
    enum status status = keeper_prepare(keeper, &err);
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
