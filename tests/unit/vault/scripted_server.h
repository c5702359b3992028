/* A small HTTP/1.1 server on the loopback that answers from a script, one thread a connection.
 * Included by one translation unit a test. Every reply closes its connection. */
#ifndef BARKEEP_TESTS_SCRIPTED_SERVER_H
#define BARKEEP_TESTS_SCRIPTED_SERVER_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "vault_case.h"

#define SCRIPTED_REPLIES 16
#define SCRIPTED_ROUTES 64
#define SCRIPTED_THREADS 512

struct scripted_reply {
    int status;          /* 0: the connection is closed without an answer */
    const char *headers; /* complete lines, or NULL */
    const char *body;    /* borrowed */
};

/* Requests whose target begins with `prefix`; the last reply goes on for ever. */
struct scripted_route {
    const char *prefix;
    struct scripted_reply replies[SCRIPTED_REPLIES];
    size_t reply_count;
    size_t hits;
    uint64_t hit_ms[64];
    char request[96 * 1024]; /* the last one, head and body */
};

struct scripted_server {
    int listener;
    uint16_t port;
    pthread_t acceptor;
    pthread_t threads[SCRIPTED_THREADS];
    size_t thread_count;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct scripted_route routes[SCRIPTED_ROUTES];
    size_t route_count;
    bool is_held; /* replies wait until scripted_server_release() */
    size_t open_count;
    size_t open_peak;
};

struct scripted_connection {
    struct scripted_server *server;
    int fd;
};

/* Reads a head and as much body as it announces. False when the peer leaves before. */
static inline bool scripted_read(int fd, char *request, size_t size) {
    size_t len = 0;
    for (;;) {
        const ssize_t got = read(fd, request + len, size - 1 - len);
        if (got <= 0)
            return false;
        len += (size_t)got;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        const char *announced = strstr(request, "Content-Length: ");
        const size_t body = announced ? strtoul(announced + 16, NULL, 10) : 0;
        if (end && len >= (size_t)(end + 4 - request) + body)
            return true;
    }
}

static inline void scripted_write(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        const ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        len -= (size_t)sent;
    }
}

static inline void scripted_answer(int fd, const struct scripted_reply *reply) {
    char head[1024];
    const char *body = reply->body ? reply->body : "";
    if (reply->status == 0)
        return;
    const int len = snprintf(head, sizeof head,
                             "HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\n"
                             "Content-Length: %zu\r\nConnection: close\r\n%s\r\n",
                             reply->status, strlen(body), reply->headers ? reply->headers : "");
    scripted_write(fd, head, (size_t)len);
    scripted_write(fd, body, strlen(body));
}

static inline struct scripted_route *scripted_find(struct scripted_server *server,
                                                   const char *request) {
    const char *target = strchr(request, ' ');
    for (size_t i = 0; target && i < server->route_count; i++)
        if (strncmp(target + 1, server->routes[i].prefix, strlen(server->routes[i].prefix)) == 0)
            return &server->routes[i];
    return NULL;
}

static inline struct scripted_reply scripted_take(struct scripted_server *server,
                                                  const char *request) {
    struct scripted_route *route = scripted_find(server, request);
    if (!route)
        return (struct scripted_reply){.status = 599};
    const size_t at = route->hits < route->reply_count ? route->hits : route->reply_count - 1;
    if (route->hits < COUNT_OF(route->hit_ms))
        route->hit_ms[route->hits] = clock_monotonic_ms();
    route->hits++;
    snprintf(route->request, sizeof route->request, "%s", request);
    return route->replies[at];
}

static inline void *scripted_serve(void *argument) {
    struct scripted_connection *connection = argument;
    struct scripted_server *server = connection->server;
    const size_t size = 96 * 1024;
    char *request = malloc(size);
    if (scripted_read(connection->fd, request, size)) {
        pthread_mutex_lock(&server->lock);
        struct scripted_reply reply = scripted_take(server, request);
        server->open_count++;
        if (server->open_count > server->open_peak)
            server->open_peak = server->open_count;
        while (server->is_held)
            pthread_cond_wait(&server->changed, &server->lock);
        server->open_count--;
        pthread_mutex_unlock(&server->lock);
        scripted_answer(connection->fd, &reply);
    }
    shutdown(connection->fd, SHUT_RDWR);
    close(connection->fd);
    free(request);
    free(connection);
    return NULL;
}

static inline void *scripted_accept(void *argument) {
    struct scripted_server *server = argument;
    for (;;) {
        const int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        const int on = 1;
        struct scripted_connection *connection = malloc(sizeof *connection);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        *connection = (struct scripted_connection){server, fd};
        if (server->thread_count == SCRIPTED_THREADS ||
            pthread_create(&server->threads[server->thread_count], NULL, scripted_serve,
                           connection) != 0)
            abort();
        server->thread_count++;
    }
}

static inline struct scripted_server *scripted_server_start(void) {
    struct scripted_server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    assert_non_null(server);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 128), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->acceptor, NULL, scripted_accept, server), 0);
    return server;
}

static inline void scripted_server_hold(struct scripted_server *server, bool is_held) {
    pthread_mutex_lock(&server->lock);
    server->is_held = is_held;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* After the client is gone, so that every thread sees the end of its connection. */
static inline void scripted_server_stop(struct scripted_server *server) {
    scripted_server_hold(server, false);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    close(server->listener);
    for (size_t i = 0; i < server->thread_count; i++)
        pthread_join(server->threads[i], NULL);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    free(server);
}

/* Adds one reply to the script for `prefix` (a literal). The first matching route answers. */
static inline void scripted_server_reply(struct scripted_server *server, const char *prefix,
                                         struct scripted_reply reply) {
    pthread_mutex_lock(&server->lock);
    struct scripted_route *route = NULL;
    for (size_t i = 0; i < server->route_count; i++)
        if (strcmp(server->routes[i].prefix, prefix) == 0)
            route = &server->routes[i];
    if (!route) {
        assert_true(server->route_count < SCRIPTED_ROUTES);
        route = &server->routes[server->route_count++];
        route->prefix = prefix;
    }
    assert_true(route->reply_count < SCRIPTED_REPLIES);
    route->replies[route->reply_count++] = reply;
    pthread_mutex_unlock(&server->lock);
}

/* From now on `prefix` is answered with this alone. */
static inline void scripted_server_replace(struct scripted_server *server, const char *prefix,
                                           struct scripted_reply reply) {
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->route_count; i++) {
        struct scripted_route *route = &server->routes[i];
        if (strcmp(route->prefix, prefix) != 0)
            continue;
        route->replies[0] = reply;
        route->reply_count = 1;
    }
    pthread_mutex_unlock(&server->lock);
}

static inline size_t scripted_server_hits(struct scripted_server *server, const char *prefix) {
    size_t hits = 0;
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->route_count; i++)
        if (strcmp(server->routes[i].prefix, prefix) == 0)
            hits = server->routes[i].hits;
    pthread_mutex_unlock(&server->lock);
    return hits;
}

/* Milliseconds between two requests for `prefix`, counted from 0. */
static inline uint64_t scripted_server_gap_ms(struct scripted_server *server, const char *prefix,
                                              size_t from, size_t to) {
    uint64_t gap_ms = 0;
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->route_count; i++)
        if (strcmp(server->routes[i].prefix, prefix) == 0)
            gap_ms = server->routes[i].hit_ms[to] - server->routes[i].hit_ms[from];
    pthread_mutex_unlock(&server->lock);
    return gap_ms;
}

/* True when the last request for `prefix` held `text`. */
static inline bool scripted_server_saw(struct scripted_server *server, const char *prefix,
                                       const char *text) {
    bool was_seen = false;
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->route_count; i++)
        if (strcmp(server->routes[i].prefix, prefix) == 0)
            was_seen = strstr(server->routes[i].request, text) != NULL;
    pthread_mutex_unlock(&server->lock);
    return was_seen;
}

static inline size_t scripted_server_peak(struct scripted_server *server) {
    pthread_mutex_lock(&server->lock);
    const size_t peak = server->open_peak;
    pthread_mutex_unlock(&server->lock);
    return peak;
}

/* Turns `loop_` until `condition_` holds; ten seconds are a failure. */
#define RUN_UNTIL(loop_, condition_)                                                               \
    do {                                                                                           \
        const uint64_t give_up_ms_ = clock_monotonic_ms() + 10000;                                 \
        while (!(condition_)) {                                                                    \
            if (clock_monotonic_ms() >= give_up_ms_)                                               \
                fail_msg("waited in vain for %s", #condition_);                                    \
            loop_run_once((loop_), 10);                                                            \
        }                                                                                          \
    } while (0)

#endif
