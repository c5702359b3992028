/* Runs before anything is served: it may wait. Only a process of the same user is believed. */
#include "proxy/take_over.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

enum { WAIT_SEC = 5, SOCKETS_MAX = 65536 };

static void set_wait(int line) {
    const struct timeval limit = {.tv_sec = WAIT_SEC};
    setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

/* -1 with errno. */
static int dial(const struct config *config) {
    struct sockaddr_un place;
    socklen_t len = hand_over_place(config, &place);
    int line = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (line >= 0 && connect(line, (struct sockaddr *)&place, len) != 0) {
        int failure = errno;
        close(line);
        errno = failure;
        return -1;
    }
    return line;
}

/* False at the end of the line, or when nothing came in time. */
static bool receive(int line, struct taken_socket *out_socket) {
    struct iovec part = {.iov_base = out_socket->name, .iov_len = sizeof out_socket->name - 1};
    union {
        char bytes[CMSG_SPACE(sizeof out_socket->fd)];
        struct cmsghdr aligned;
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    out_socket->fd = -1;
    ssize_t len = recvmsg(line, &message, MSG_CMSG_CLOEXEC);
    if (len <= 0) {
        return false;
    }
    out_socket->name[len] = '\0';
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof out_socket->fd)) {
        memcpy(&out_socket->fd, CMSG_DATA(header), sizeof out_socket->fd);
    }
    return true;
}

static bool is_listening(int fd) {
    int listens = 0;
    socklen_t len = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

/* False when it cannot be kept. */
static bool keep(struct take_over *taken, const struct taken_socket *socket) {
    if (!is_listening(socket->fd) || taken->count >= SOCKETS_MAX) {
        return false;
    }
    if ((taken->count & (taken->count - 1)) == 0) { /* full at each power of two */
        size_t room = taken->count ? 2 * taken->count : 1;
        struct taken_socket *items = realloc(taken->items, room * sizeof *items);
        if (!items) {
            return false;
        }
        taken->items = items;
    }
    taken->items[taken->count++] = *socket;
    return true;
}

static enum status receive_all(struct take_over *taken, struct error *err) {
    struct taken_socket socket = {.fd = -1};
    if (!receive(taken->line, &socket) || strcmp(socket.name, HAND_OVER_HELLO) != 0) {
        return error_set(err, STATUS_IO,
                         "the process to take over from does not answer, or is of "
                         "another version");
    }
    while (receive(taken->line, &socket)) {
        if (socket.fd < 0) {
            return strcmp(socket.name, HAND_OVER_END) == 0
                       ? STATUS_OK
                       : error_set(err, STATUS_IO, "a socket to take over did not come along");
        }
        if (!keep(taken, &socket)) {
            close(socket.fd);
            return error_set(err, STATUS_IO, "a socket to take over is of no use");
        }
    }
    return error_set(err, STATUS_IO, "the process to take over from did not give all its sockets");
}

enum status take_over_ask(const struct config *config, struct take_over *out_taken,
                          struct error *err) {
    struct take_over taken = TAKE_OVER_NONE;
    taken.line = dial(config);
    if (taken.line < 0) {
        *out_taken = taken;
        return errno == ECONNREFUSED
                   ? STATUS_OK
                   : error_set(err, STATUS_IO, "cannot ask for sockets: %s", strerror(errno));
    }
    set_wait(taken.line);
    enum status status = hand_over_is_our_user(taken.line)
                             ? receive_all(&taken, err)
                             : error_set(err, STATUS_IO,
                                         "another user offers sockets at this "
                                         "address");
    if (status != STATUS_OK) {
        take_over_done(&taken);
    }
    *out_taken = taken;
    return status;
}

int take_over_next(struct take_over *taken, const char *name) {
    for (size_t i = 0; i < taken->count; i++) {
        struct taken_socket *socket = &taken->items[i];
        if (socket->fd >= 0 && strcmp(socket->name, name) == 0) {
            int fd = socket->fd;
            socket->fd = -1;
            return fd;
        }
    }
    return -1;
}

int take_over_line(struct take_over *taken) {
    int line = taken->line;
    taken->line = -1;
    return line;
}

void take_over_done(struct take_over *taken) {
    for (size_t i = 0; i < taken->count; i++) {
        if (taken->items[i].fd >= 0) {
            close(taken->items[i].fd);
        }
    }
    if (taken->line >= 0) {
        close(taken->line);
    }
    free(taken->items);
    *taken = TAKE_OVER_NONE;
}
