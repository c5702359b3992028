/* A server on 127.0.0.1 that answers every request with the same bytes, or misbehaves in one way.
 * Its thread ends with server_stop(); nothing in it waits longer than POLL_MS at a time. */
#ifndef BARKEEP_TESTS_UNIT_CORE_SCRIPTED_SERVER_H
#define BARKEEP_TESTS_UNIT_CORE_SCRIPTED_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLL_MS 20

enum server_manner {
    SERVER_REPLIES,
    SERVER_REPLIES_AND_CLOSES,
    SERVER_HANGS,         /* reads and says nothing */
    SERVER_RESETS,        /* RST after the request */
    SERVER_FLOODS_BODY,   /* chunks without end */
    SERVER_FLOODS_HEADERS /* header lines without end */
};

struct server {
    enum server_manner manner;
    const char *reply;
    SSL_CTX *tls; /* NULL for plain http */

    int listen_fd;
    uint16_t port;
    pthread_t thread;
    atomic_bool is_stopping;
    atomic_int connections;
    atomic_int requests;
    char request[8192]; /* start of the last one; read it after server_stop() */
    size_t request_len;
};

struct peer {
    int fd;
    SSL *tls;
};

static inline ssize_t peer_read(struct peer *peer, char *bytes, size_t size) {
    return peer->tls ? SSL_read(peer->tls, bytes, (int)size) : recv(peer->fd, bytes, size, 0);
}

static inline bool peer_write(struct peer *peer, const char *bytes, size_t len) {
    while (len) {
        ssize_t sent = peer->tls ? SSL_write(peer->tls, bytes, (int)len)
                                 : send(peer->fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static inline bool wait_readable(struct server *server, int fd) {
    while (!atomic_load(&server->is_stopping)) {
        struct pollfd wanted = {.fd = fd, .events = POLLIN};
        if (poll(&wanted, 1, POLL_MS) > 0)
            return true;
    }
    return false;
}

static inline size_t body_len(const char *head) {
    const char *field = strstr(head, "Content-Length: ");
    return field ? strtoul(field + strlen("Content-Length: "), NULL, 10) : 0;
}

static inline void keep_request_bytes(struct server *server, const char *bytes, size_t len) {
    size_t room = sizeof server->request - 1 - server->request_len;
    size_t kept = len < room ? len : room;
    memcpy(server->request + server->request_len, bytes, kept);
    server->request_len += kept;
    server->request[server->request_len] = '\0';
}

static inline bool read_request(struct server *server, struct peer *peer) {
    char bytes[16384];
    size_t total = 0;
    server->request_len = 0;
    for (;;) {
        bool is_buffered = peer->tls && SSL_pending(peer->tls) > 0;
        if (!is_buffered && !wait_readable(server, peer->fd))
            return false;
        ssize_t got = peer_read(peer, bytes, sizeof bytes);
        if (got <= 0)
            return false;
        total += (size_t)got;
        keep_request_bytes(server, bytes, (size_t)got);
        const char *end = strstr(server->request, "\r\n\r\n");
        size_t head_len = end ? (size_t)(end - server->request) + 4 : 0;
        if (end && total >= head_len + body_len(server->request))
            return true;
    }
}

static inline void flood(struct server *server, struct peer *peer, const char *head,
                         const char *piece) {
    bool is_taken = peer_write(peer, head, strlen(head));
    while (is_taken && !atomic_load(&server->is_stopping))
        is_taken = peer_write(peer, piece, strlen(piece));
}

/* False when the connection is to end. */
static inline bool answer(struct server *server, struct peer *peer) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    switch (server->manner) {
    case SERVER_REPLIES:
        return peer_write(peer, server->reply, strlen(server->reply));
    case SERVER_REPLIES_AND_CLOSES:
        peer_write(peer, server->reply, strlen(server->reply));
        return false;
    case SERVER_HANGS:
        return wait_readable(server, peer->fd);
    case SERVER_RESETS:
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        return false;
    case SERVER_FLOODS_BODY:
        flood(server, peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
              "10\r\n0123456789abcdef\r\n");
        return false;
    case SERVER_FLOODS_HEADERS:
        flood(server, peer, "HTTP/1.1 200 OK\r\n", "X-More: 0123456789abcdef\r\n");
        return false;
    }
    return false;
}

static inline void serve_connection(struct server *server, int fd) {
    struct peer peer = {.fd = fd};
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    atomic_fetch_add(&server->connections, 1);
    bool is_ready = true;
    if (server->tls) {
        peer.tls = SSL_new(server->tls);
        SSL_set_fd(peer.tls, fd);
        is_ready = wait_readable(server, fd) && SSL_accept(peer.tls) == 1;
    }
    while (is_ready && read_request(server, &peer)) {
        atomic_fetch_add(&server->requests, 1);
        is_ready = answer(server, &peer);
    }
    SSL_free(peer.tls);
    close(fd);
}

static inline void *server_main(void *argument) {
    struct server *server = argument;
    while (wait_readable(server, server->listen_fd)) {
        int fd = accept(server->listen_fd, NULL, NULL);
        if (fd >= 0)
            serve_connection(server, fd);
    }
    return NULL;
}

static inline bool server_listen(struct server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listen_fd, (struct sockaddr *)&address, len) != 0 ||
        listen(server->listen_fd, 16) != 0 ||
        getsockname(server->listen_fd, (struct sockaddr *)&address, &len) != 0)
        return false;
    server->port = ntohs(address.sin_port);
    return true;
}

static inline bool server_start(struct server *server) {
    atomic_init(&server->is_stopping, false);
    atomic_init(&server->connections, 0);
    atomic_init(&server->requests, 0);
    return server_listen(server) && pthread_create(&server->thread, NULL, server_main, server) == 0;
}

static inline void server_stop(struct server *server) {
    atomic_store(&server->is_stopping, true);
    pthread_join(server->thread, NULL);
    close(server->listen_fd);
}

#endif
