/* The giving side. The line to whoever took the sockets stays open for as long as that process
 * lives: while it does nobody else is given them here, since it is the one to ask. The place is a
 * name in the abstract namespace: it needs no file system, goes away with its process, and belongs
 * to the same network namespace as the addresses. */
#define _GNU_SOURCE /* accept4, struct ucred */
#include "proxy/hand_over.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/siphash.h"

enum { BACKLOG = 4, SEND_LIMIT_SEC = 1 };

struct hand_over {
    struct hand_over_options options;
    struct loop_watch offer;
    struct loop_watch successor;
    struct loop_watch predecessor;
};

void hand_over_name(const char *kind, const struct config_address *address,
                    char out_name[HAND_OVER_NAME_BYTES]) {
    snprintf(out_name, HAND_OVER_NAME_BYTES, "%s %s", kind, address->text);
}

socklen_t hand_over_place(const struct config *config, struct sockaddr_un *out_place) {
    static const uint64_t key[2] = {0}; /* it spreads, and hides nothing */
    const char *text = config->listen[0].text;
    struct siphash hash;
    siphash_begin(&hash, key);
    siphash_add(&hash, text, strlen(text));
    *out_place = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(out_place->sun_path + 1, sizeof out_place->sun_path - 1,
                       "barkeep/%u/%016" PRIx64, (unsigned)geteuid(), siphash_end(&hash));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

bool hand_over_is_our_user(int fd) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

/* `fd` -1: only the text. */
static bool send_message(int line, const char *text, int fd) {
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    union {
        char bytes[CMSG_SPACE(sizeof fd)];
        struct cmsghdr aligned;
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    return sendmsg(line, &message, MSG_NOSIGNAL) == (ssize_t)part.iov_len;
}

/* The workers' descriptors of a unix socket are one socket: it goes once. */
static bool was_sent(const struct hand_over_options *options, size_t index) {
    size_t address = options->sockets[index].address;
    for (size_t i = 0; i < index && options->config->listen[address].is_unix; i++) {
        if (options->sockets[i].address == address) {
            return true;
        }
    }
    return false;
}

static bool send_sockets(const struct hand_over *hand_over, int line) {
    const struct hand_over_options *options = &hand_over->options;
    char name[HAND_OVER_NAME_BYTES];
    bool is_sent = send_message(line, HAND_OVER_HELLO, -1) &&
                   send_message(line, HAND_OVER_OFFER, hand_over->offer.fd);
    for (size_t i = 0; i < options->socket_count && is_sent; i++) {
        const struct worker_socket *socket = &options->sockets[i];
        hand_over_name("listen", &options->config->listen[socket->address], name);
        is_sent = was_sent(options, i) || send_message(line, name, socket->fd);
    }
    if (is_sent && options->admin_fd >= 0) {
        hand_over_name("admin", &options->config->admin, name);
        is_sent = send_message(line, name, options->admin_fd);
    }
    return is_sent && send_message(line, HAND_OVER_END, -1);
}

static void close_watch(struct hand_over *hand_over, struct loop_watch *watch) {
    if (watch->is_watched) {
        loop_watch_stop(hand_over->options.loop, watch);
        close(watch->fd);
    }
}

/* Nothing is ever said on a line once the sockets are through: an event is its end. */
static void on_predecessor_event(struct loop_watch *watch, uint32_t epoll_events) {
    (void)epoll_events;
    close_watch(watch->owner, watch);
    LOG_EVENT(LOG_INFO, "hand_over", LOG_STR("what", "the former process has ended"));
}

static void on_offer_event(struct loop_watch *watch, uint32_t epoll_events);

static void on_successor_event(struct loop_watch *watch, uint32_t epoll_events) {
    (void)epoll_events;
    struct hand_over *hand_over = watch->owner;
    close_watch(hand_over, watch);
    LOG_EVENT(LOG_WARNING, "hand_over",
              LOG_STR("what", "the process that took over has ended: this one goes on"));
    loop_watch_change(hand_over->options.loop, &hand_over->offer, EPOLLIN);
}

static void on_offer_event(struct loop_watch *watch, uint32_t epoll_events) {
    (void)epoll_events;
    struct hand_over *hand_over = watch->owner;
    int line = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC);
    if (line < 0) {
        return;
    }
    const struct timeval limit = {.tv_sec = SEND_LIMIT_SEC};
    setsockopt(line, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (!hand_over_is_our_user(line) || !send_sockets(hand_over, line) ||
        loop_watch_start(hand_over->options.loop, &hand_over->successor, line, EPOLLIN | EPOLLRDHUP,
                         on_successor_event, hand_over) != STATUS_OK) {
        LOG_EVENT(LOG_WARNING, "hand_over",
                  LOG_STR("problem", "somebody asked for the sockets and did not get them"));
        close(line);
        return;
    }
    loop_watch_change(hand_over->options.loop, watch, 0);
    LOG_EVENT(LOG_INFO, "hand_over",
              LOG_STR("what", "another process has the sockets too: SIGTERM leaves them to it"));
}

static int open_offer(const struct config *config) {
    struct sockaddr_un place;
    socklen_t len = hand_over_place(config, &place);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&place, len) != 0 || listen(fd, BACKLOG) != 0)) {
        int failure = errno;
        close(fd);
        errno = failure;
        return -1;
    }
    return fd;
}

struct hand_over *hand_over_new(const struct hand_over_options *options) {
    struct hand_over *hand_over = calloc(1, sizeof *hand_over);
    if (!hand_over) {
        return NULL;
    }
    hand_over->options = *options;
    int offer = options->offer_fd >= 0 ? options->offer_fd : open_offer(options->config);
    if (offer < 0 || loop_watch_start(options->loop, &hand_over->offer, offer, EPOLLIN,
                                      on_offer_event, hand_over) != STATUS_OK) {
        LOG_EVENT(LOG_WARNING, "hand_over", LOG_STR("what", "nobody will be able to take over"),
                  LOG_STR("problem", strerror(errno)));
    }
    if (options->predecessor_line >= 0) {
        loop_watch_start(options->loop, &hand_over->predecessor, options->predecessor_line,
                         EPOLLIN | EPOLLRDHUP, on_predecessor_event, hand_over);
    }
    return hand_over;
}

bool hand_over_is_shared(const struct hand_over *hand_over) {
    return hand_over->successor.is_watched || hand_over->predecessor.is_watched;
}

void hand_over_free(struct hand_over *hand_over) {
    if (hand_over) {
        close_watch(hand_over, &hand_over->offer);
        close_watch(hand_over, &hand_over->successor);
        close_watch(hand_over, &hand_over->predecessor);
        free(hand_over);
    }
}
