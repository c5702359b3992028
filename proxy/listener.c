#define _GNU_SOURCE /* accept4 */
/* Accepts until the kernel has no more, within the worker's connection limit. Out of descriptors it
 * pauses instead of spinning: connections wait in the backlog meanwhile. */
#include "proxy/listener.h"

#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/client.h"

enum { BACKLOG = 4096, ACCEPT_PAUSE_MS = 100 };

static int bind_unix(const struct config_address *address, struct error *err) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(address->unix_path) >= sizeof name.sun_path) {
        error_set(err, STATUS_INVALID, "cannot listen on %s: the path is too long", address->text);
        return -1;
    }
    snprintf(name.sun_path, sizeof name.sun_path, "%s", address->unix_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat entry;
    bool is_stale = lstat(name.sun_path, &entry) == 0 && S_ISSOCK(entry.st_mode) && probe >= 0 &&
                    connect(probe, (struct sockaddr *)&name, sizeof name) != 0 &&
                    errno == ECONNREFUSED;
    close(probe);
    if (is_stale) {
        unlink(name.sun_path);
    }
    mode_t old_mask = umask(0117);
    bool is_bound =
        fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, BACKLOG) == 0;
    int failure = errno;
    umask(old_mask);
    if (!is_bound) {
        error_set(err, STATUS_IO, "cannot listen on %s: %s", address->text, strerror(failure));
        close(fd);
        return -1;
    }
    return fd;
}

static int bind_tcp(const struct addrinfo *info, bool is_shared) {
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (is_shared) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    if (info->ai_family == AF_INET6 &&
        IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)(void *)info->ai_addr)->sin6_addr)) {
        int off = 0; /* the any-address takes IPv4 too */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int failure = errno;
        close(fd);
        errno = failure;
        return -1;
    }
    return fd;
}

int listener_bind(const struct config_address *address, bool is_shared, struct error *err) {
    if (address->is_unix) {
        return bind_unix(address, err);
    }
    bool is_any = !address->host || !*address->host || strcmp(address->host, "*") == 0;
    char port[6];
    snprintf(port, sizeof port, "%u", (unsigned)address->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(is_any ? "::" : address->host, port, &hints, &found);
    if (failure != 0) {
        error_set(err, STATUS_IO, "cannot listen on %s: %s", address->text, gai_strerror(failure));
        return -1;
    }
    int fd = bind_tcp(found, is_shared);
    if (fd < 0 && is_any && errno == EAFNOSUPPORT) {
        freeaddrinfo(found);
        found = NULL;
        fd = getaddrinfo("0.0.0.0", port, &hints, &found) == 0 ? bind_tcp(found, is_shared) : -1;
    }
    if (fd < 0) {
        error_set(err, STATUS_IO, "cannot listen on %s: %s%s", address->text, strerror(errno),
                  errno == EADDRINUSE ? "; stop the program that holds the port or choose another"
                                      : "");
    }
    freeaddrinfo(found);
    return fd;
}

static void listener_pause(struct listener *listener) {
    struct worker *worker = listener->worker;
    loop_watch_change(worker->loop, &listener->watch, 0);
    loop_timer_set(worker->loop, &worker->accept_pause, ACCEPT_PAUSE_MS);
}

static void take_connection(struct listener *listener, int fd,
                            const struct sockaddr_storage *peer) {
    struct worker *worker = listener->worker;
    if (!listener->is_unix) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    struct client_address address;
    client_address_of_peer(peer, &address);
    struct client *client = client_open(worker, fd, &address, listener->tls);
    if (!client) {
        metric_add(&worker->metrics.limits_reached[LIMIT_MEMORY], 1);
    } else if (client_is_crowding(client)) { /* first: nobody makes room for it */
        client_refuse_overload(client, LIMIT_CONNECTIONS_PER_CLIENT,
                               "too many connections from this address");
    } else if (!client_make_room(client)) {
        client_refuse_overload(client, LIMIT_CONNECTIONS, "too many connections");
    }
}

static void listener_accept(struct listener *listener) {
    for (;;) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int fd = accept4(listener->watch.fd, (struct sockaddr *)&peer, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(listener, fd, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            metric_add(&listener->worker->metrics.limits_reached[LIMIT_DESCRIPTORS], 1);
            listener_pause(listener);
            return;
        }
        if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void on_listener_event(struct loop_watch *watch, uint32_t epoll_events) {
    (void)epoll_events;
    listener_accept(watch->owner);
}

enum status listener_start(struct listener *listener, struct worker *worker, int fd, bool is_unix,
                           struct tls_server *tls) {
    listener->worker = worker;
    listener->is_unix = is_unix;
    listener->tls = tls_server_ref(tls);
    return loop_watch_start(worker->loop, &listener->watch, fd, EPOLLIN, on_listener_event,
                            listener);
}

void listener_renew(struct listener *listener, const struct ruleset *rules) {
    tls_server_renew(&listener->tls, rules->servers, rules->config->listen_count);
}

void listener_resume(struct listener *listener) {
    if (listener->watch.is_watched) {
        loop_watch_change(listener->worker->loop, &listener->watch, EPOLLIN);
        listener_accept(listener);
    }
}

/* A filter on a listening socket sees segments from their TCP header on. Connections inherit it;
 * theirs all carry ACK. */
void listener_ebb(struct listener *listener) {
    enum { FLAGS_AT = 13, SYN = 0x02, ACK = 0x10, ALL_OF_IT = 0x7fffffff };
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, ALL_OF_IT),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (listener->watch.is_watched && !listener->is_unix) {
        setsockopt(listener->watch.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    }
}

void listener_stop(struct listener *listener) {
    if (!listener->watch.is_watched) {
        return;
    }
    listener_accept(listener);
    int fd = listener->watch.fd;
    loop_watch_stop(listener->worker->loop, &listener->watch);
    close(fd);
    tls_server_unref(listener->tls);
    listener->tls = NULL;
}
