/* An authority of a test's own: a thread that answers HTTP on 127.0.0.1 as told, and counts. */
#ifndef BARKEEP_TESTS_SCRIPTED_AUTHORITY_H
#define BARKEEP_TESTS_SCRIPTED_AUTHORITY_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct scripted_answer {
    int status;        /* 0: close without a word */
    char *body;        /* heap; owned by the authority */
    const char *extra; /* further header lines, each with CRLF, or NULL */
};

struct scripted_authority {
    int listener;
    int stop_pipe[2];
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t released;
    bool is_held; /* requests for keys wait */
    bool is_stopping;
    struct scripted_answer metadata;
    struct scripted_answer keys;
    unsigned metadata_hits;
    unsigned keys_hits;
};

static inline void authority_write(int fd, const char *text, size_t len) {
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        len -= (size_t)sent;
    }
}

static inline void authority_answer(struct scripted_authority *authority, int fd) {
    char request[4096];
    size_t len = 0;
    while (len < sizeof request - 1) {
        ssize_t got = recv(fd, request + len, sizeof request - 1 - len, 0);
        if (got <= 0)
            return;
        len += (size_t)got;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    bool is_metadata = strstr(request, "/.well-known/openid-configuration") != NULL;
    pthread_mutex_lock(&authority->lock);
    *(is_metadata ? &authority->metadata_hits : &authority->keys_hits) += 1;
    while (!is_metadata && authority->is_held && !authority->is_stopping)
        pthread_cond_wait(&authority->released, &authority->lock);
    struct scripted_answer *answer = is_metadata ? &authority->metadata : &authority->keys;
    size_t body_len = answer->body ? strlen(answer->body) : 0;
    size_t size = body_len + 1024;
    char *text = malloc(size);
    int head = snprintf(text, size,
                        "HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n%sConnection: close\r\n\r\n",
                        answer->status, body_len, answer->extra ? answer->extra : "");
    if (body_len)
        memcpy(text + head, answer->body, body_len);
    bool is_silent = answer->status == 0;
    pthread_mutex_unlock(&authority->lock);
    if (!is_silent)
        authority_write(fd, text, (size_t)head + body_len);
    free(text);
}

static inline void *authority_run(void *argument) {
    struct scripted_authority *authority = argument;
    for (;;) {
        struct pollfd polled[] = {{authority->listener, POLLIN, 0},
                                  {authority->stop_pipe[0], POLLIN, 0}};
        if (poll(polled, 2, -1) < 0 || polled[1].revents)
            return NULL;
        int fd = accept(authority->listener, NULL, NULL);
        if (fd < 0)
            continue;
        struct timeval limit = {.tv_sec = 5};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        authority_answer(authority, fd);
        close(fd);
    }
}

static inline void authority_start(struct scripted_authority *authority) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof address;
    *authority = (struct scripted_authority){0};
    authority->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(authority->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(authority->listener, 64) != 0 || pipe(authority->stop_pipe) != 0 ||
        getsockname(authority->listener, (struct sockaddr *)&address, &address_len) != 0)
        abort();
    snprintf(authority->url, sizeof authority->url, "http://127.0.0.1:%u",
             (unsigned)ntohs(address.sin_port));
    pthread_mutex_init(&authority->lock, NULL);
    pthread_cond_init(&authority->released, NULL);
    if (pthread_create(&authority->thread, NULL, authority_run, authority) != 0)
        abort();
}

/* Replaces an answer; takes over `body`. */
static inline void authority_script(struct scripted_authority *authority,
                                    struct scripted_answer *answer, int status, char *body,
                                    const char *extra) {
    pthread_mutex_lock(&authority->lock);
    free(answer->body);
    *answer = (struct scripted_answer){status, body, extra};
    pthread_mutex_unlock(&authority->lock);
}

static inline void authority_hold(struct scripted_authority *authority, bool is_held) {
    pthread_mutex_lock(&authority->lock);
    authority->is_held = is_held;
    pthread_cond_broadcast(&authority->released);
    pthread_mutex_unlock(&authority->lock);
}

static inline unsigned authority_hits(struct scripted_authority *authority, const unsigned *hits) {
    pthread_mutex_lock(&authority->lock);
    unsigned count = *hits;
    pthread_mutex_unlock(&authority->lock);
    return count;
}

static inline void authority_stop(struct scripted_authority *authority) {
    pthread_mutex_lock(&authority->lock);
    authority->is_stopping = true;
    pthread_cond_broadcast(&authority->released);
    pthread_mutex_unlock(&authority->lock);
    if (write(authority->stop_pipe[1], "x", 1) != 1)
        abort();
    pthread_join(authority->thread, NULL);
    close(authority->listener);
    close(authority->stop_pipe[0]);
    close(authority->stop_pipe[1]);
    free(authority->metadata.body);
    free(authority->keys.body);
    pthread_mutex_destroy(&authority->lock);
    pthread_cond_destroy(&authority->released);
}

#endif
