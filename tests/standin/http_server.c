/* The two listeners. libmicrohttpd runs a thread per connection, so a handler (or a delay asked for
 * by a test) may block without holding up anyone else. Its own decoding of the URL is not used: the
 * raw target comes from the log callback. */
#include "http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "must.h"

#define MAX_CONNECTIONS 256
#define IDLE_TIMEOUT_SEC 60
#define CONNECTION_MEMORY_BYTES ((size_t)128 << 10)
#define DELAY_SLICE_MS 20
/* A body over the limit is read and forgotten up to here, so that the client sees the 413. */
#define MAX_DISCARD_BYTES ((size_t)16 << 20)

struct http_server {
    struct MHD_Daemon *daemon;
    http_handler *handler;
    void *owner;
    char fallback_host[32];
    bool is_tls;
    atomic_bool is_stopping;
};

/* One request between libmicrohttpd's calls. */
struct exchange {
    char *target;
    char *body;
    size_t body_len;
    size_t received;
    bool has_started;
};

/* One connection. It owns the exchange because libmicrohttpd 0.9.75 does not report a request as
 * completed when it gives up on it between request line and handler (arguments too large). */
struct channel {
    struct exchange *current;
};

enum status http_listen(unsigned port, int *out_fd, unsigned *out_port, struct error *err) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 128) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        *out_fd = fd;
        *out_port = ntohs(address.sin_port);
        return STATUS_OK;
    }
    int saved_errno = errno;
    if (fd >= 0)
        close(fd);
    if (saved_errno == EADDRINUSE)
        return error_set(err, STATUS_IO,
                         "127.0.0.1:%u is taken; stop what listens there or choose another port",
                         port);
    return error_set(err, STATUS_IO, "127.0.0.1:%u: %s", port, strerror(saved_errno));
}

const char *request_header(const struct request *request, const char *name) {
    return MHD_lookup_connection_value((struct MHD_Connection *)request->connection,
                                       MHD_HEADER_KIND, name);
}

static void exchange_free(struct exchange *exchange) {
    if (!exchange)
        return;
    free(exchange->target);
    free(exchange->body);
    free(exchange);
}

static struct channel *channel_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *found =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return must(found ? found->socket_context : NULL);
}

static void on_connection(void *owner, struct MHD_Connection *connection, void **place,
                          enum MHD_ConnectionNotificationCode what) {
    (void)owner;
    (void)connection;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *place = must_array(1, sizeof(struct channel));
        return;
    }
    struct channel *channel = *place;
    exchange_free(channel->current);
    free(channel);
    *place = NULL;
}

static void *on_target(void *owner, const char *target, struct MHD_Connection *connection) {
    (void)owner;
    struct channel *channel = channel_of(connection);
    exchange_free(channel->current);
    channel->current = must_array(1, sizeof(*channel->current));
    channel->current->target = must_strdup(target);
    return channel->current;
}

static void on_completed(void *owner, struct MHD_Connection *connection, void **request_place,
                         enum MHD_RequestTerminationCode how) {
    (void)owner;
    (void)how;
    struct channel *channel = channel_of(connection);
    exchange_free(channel->current);
    channel->current = NULL;
    *request_place = NULL;
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct reply *reply) {
    const char *body = reply->body ? reply->body : "";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(body), (void *)body, MHD_RESPMEM_MUST_COPY);
    must(response);
    for (size_t i = 0; i < reply->header_count; i++)
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static void wait_out(const struct http_server *server, int64_t delay_ms) {
    for (; delay_ms > 0 && !atomic_load(&server->is_stopping); delay_ms -= DELAY_SLICE_MS) {
        int64_t now_ms = delay_ms < DELAY_SLICE_MS ? delay_ms : DELAY_SLICE_MS;
        nanosleep(&(struct timespec){.tv_nsec = now_ms * 1000000}, NULL);
    }
}

static enum MHD_Result answer(struct http_server *server, struct MHD_Connection *connection,
                              const char *method, const struct exchange *exchange) {
    struct request request = {
        .method = method,
        .is_tls = server->is_tls,
        .body = slice_of(exchange->body ? exchange->body : "", exchange->body_len),
        .connection = connection,
    };
    struct reply reply = {0};
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    if (!request_parse(&request, exchange->target, host, server->fallback_host))
        reply_error(&reply, 400, "bad_request", "the request target or Host is malformed");
    else if (exchange->received > REQUEST_MAX_BODY_BYTES)
        reply_error(&reply, 413, "too_large", "a request body is at most 1 MiB");
    else
        server->handler(server->owner, &request, &reply);
    wait_out(server, reply.delay_ms);
    enum MHD_Result result = reply.is_cut ? MHD_NO : send_reply(connection, &reply);
    reply_done(&reply);
    request_done(&request);
    return result;
}

static enum MHD_Result take_body(struct exchange *exchange, const char *bytes, size_t *len) {
    exchange->received += *len;
    if (exchange->received > MAX_DISCARD_BYTES)
        return MHD_NO;
    if (exchange->received <= REQUEST_MAX_BODY_BYTES) {
        exchange->body = must(realloc(exchange->body, exchange->body_len + *len));
        memcpy(exchange->body + exchange->body_len, bytes, *len);
        exchange->body_len += *len;
    }
    *len = 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *owner, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **request_place) {
    (void)url;
    (void)version;
    struct exchange *exchange = *request_place;
    if (!exchange)
        return MHD_NO;
    if (!exchange->has_started) { /* an answer in the first call would end the connection */
        exchange->has_started = true;
        return MHD_YES;
    }
    if (*upload_len > 0)
        return take_body(exchange, upload, upload_len);
    return answer(owner, connection, method, exchange);
}

struct http_server *http_server_start(int fd, unsigned port, const char *key_pem,
                                      const char *chain_pem, http_handler *handler, void *owner,
                                      struct error *err) {
    struct http_server *server = must_array(1, sizeof(*server));
    server->handler = handler;
    server->owner = owner;
    server->is_tls = key_pem != NULL;
    snprintf(server->fallback_host, sizeof(server->fallback_host), "127.0.0.1:%u", port);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key_pem},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)chain_pem},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem nothing[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                     MHD_USE_POLL | (server->is_tls ? (unsigned)MHD_USE_TLS : 0);
    server->daemon = MHD_start_daemon(
        flags, (uint16_t)port, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_MEMORY_BYTES, MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_SEC, MHD_OPTION_ARRAY,
        server->is_tls ? tls : nothing, MHD_OPTION_END);
    if (server->daemon)
        return server;
    close(fd);
    free(server);
    error_set(err, STATUS_IO, "127.0.0.1:%u: libmicrohttpd could not start", port);
    return NULL;
}

void http_server_stop(struct http_server *server) {
    if (!server)
        return;
    atomic_store(&server->is_stopping, true);
    MHD_stop_daemon(server->daemon);
    free(server);
}
