/* libmicrohttpd in its external epoll mode: its one descriptor is watched, its time-out is a timer,
 * MHD_run() does the work. Its parser is lenient; that is why it serves this listener and not the
 * callers' (design: libraries). */
#include "proxy/admin.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "proxy/admin_pages.h"
#include "proxy/keeper.h"

enum {
    CONNECTIONS_MAX = 64,
    IDLE_TIMEOUT_SEC = 10,
    PAGE_BYTES_MAX = 8 * 1024 * 1024,
    RUN_AGAIN_MAX_MS = 1000
};

struct admin {
    struct MHD_Daemon *daemon;
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer timer;
    struct keeper *keeper;
};

static void admin_run(struct admin *admin) {
    MHD_run(admin->daemon);
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (MHD_get_timeout(admin->daemon, &timeout_ms) != MHD_YES || timeout_ms > RUN_AGAIN_MAX_MS) {
        timeout_ms = RUN_AGAIN_MAX_MS;
    }
    loop_timer_set(admin->loop, &admin->timer, timeout_ms);
}

static void on_admin_event(struct loop_watch *watch, uint32_t epoll_events) {
    (void)epoll_events;
    admin_run(watch->owner);
}

static void on_admin_timer(struct loop_timer *timer) {
    admin_run(timer->owner);
}

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status,
                             const char *content_type, struct buf *page) {
    static char nothing[1];
    struct MHD_Response *response = MHD_create_response_from_buffer(
        page->len, page->ptr ? page->ptr : nothing, MHD_RESPMEM_MUST_COPY);
    buf_done(page);
    if (!response) {
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET");
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result reply_text(struct MHD_Connection *connection, unsigned status,
                                  const char *text) {
    struct buf page;
    buf_init(&page, 256);
    buf_append_str(&page, text);
    return reply(connection, status, "text/plain; charset=utf-8", &page);
}

/* A page and how to make it; `write` returns the HTTP status. */
static const struct admin_page {
    const char *path;
    const char *content_type;
    unsigned (*write)(const struct keeper *keeper, struct buf *page);
} pages[] = {
    {"/healthz", "text/plain; charset=utf-8", admin_write_healthz},
    {"/readyz", "application/json", admin_write_readyz},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", admin_write_metrics},
    {"/api/status", "application/json", admin_write_status_json},
    {"/", "text/html; charset=utf-8", admin_write_status_page},
};

static enum MHD_Result on_request(void *owner, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload_data,
                                  size_t *upload_size, void **request_state) {
    (void)version;
    (void)upload_data;
    (void)upload_size;
    static int seen;
    struct admin *admin = owner;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0) {
        return reply_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
    }
    if (*request_state == NULL) {
        *request_state = &seen; /* an answer in the first call would close the connection */
        return MHD_YES;
    }
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (strcmp(url, pages[i].path) != 0) {
            continue;
        }
        struct buf page;
        buf_init(&page, PAGE_BYTES_MAX);
        unsigned status = pages[i].write(admin->keeper, &page);
        if (buf_ok(&page)) {
            return reply(connection, status, pages[i].content_type, &page);
        }
        buf_done(&page);
        return reply_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
    }
    return reply_text(connection, MHD_HTTP_NOT_FOUND, "not found\n");
}

/* What libmicrohttpd has to say names URLs of callers: it stays unsaid. */
static void drop_message(void *owner, const char *format, va_list arguments) {
    (void)owner;
    (void)format;
    (void)arguments;
}

struct admin *admin_new(struct loop *loop, struct keeper *keeper, int listen_fd,
                        struct error *err) {
    struct admin *admin = calloc(1, sizeof *admin);
    if (!admin) {
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    admin->loop = loop;
    admin->keeper = keeper;
    loop_timer_init(&admin->timer, on_admin_timer, admin);
    admin->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
                                     admin, MHD_OPTION_EXTERNAL_LOGGER, drop_message, NULL,
                                     MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listen_fd,
                                     MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_SEC,
                                     MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        admin->daemon ? MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info || loop_watch_start(loop, &admin->watch, info->epoll_fd, EPOLLIN, on_admin_event,
                                  admin) != STATUS_OK) {
        error_set(err, STATUS_IO, "cannot start the admin listener");
        admin_free(admin);
        return NULL;
    }
    admin_run(admin);
    return admin;
}

/* MHD_stop_daemon() would shut the socket down, for the other process too. */
void admin_stop_listening(struct admin *admin) {
    MHD_socket fd = MHD_quiesce_daemon(admin->daemon);
    if (fd != MHD_INVALID_SOCKET) {
        close(fd);
    }
}

void admin_free(struct admin *admin) {
    if (!admin) {
        return;
    }
    if (admin->watch.is_watched) {
        loop_watch_stop(admin->loop, &admin->watch);
    }
    loop_timer_cancel(admin->loop, &admin->timer);
    if (admin->daemon) {
        MHD_stop_daemon(admin->daemon);
    }
    free(admin);
}
