/* libcurl driven by the loop; besides, http_destination.c alone knows libcurl.
 *
 * libcurl's callbacks only store: a watch, a deadline, received bytes. Users are called afterwards,
 * from deliver_finished(), when no libcurl function is on the stack; so an on_done may start and
 * cancel calls and even free the client. A call owns copies of all it was given; bodies and headers
 * are wiped on release, libcurl's own copies by its allocator (wiping_memory.h), and what OpenSSL
 * deciphers in its record buffers as soon as it has been handed over.
 *
 * Idle connections are reused. libcurl 7.88 does not notice unread bytes on them and repeats a
 * request when a reused connection turns out dead; towards the identity provider and the vault,
 * authenticated by TLS and asked only what may be repeated, both are tolerable. Client traffic
 * never comes here. */
#include "core/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/http_answer.h"
#include "core/http_destination.h"
#include "core/wiping_memory.h"

#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_MAX_BODY_BYTES (1024 * 1024)
#define IDLE_CONNECTIONS 8L
#define IDLE_CONNECTION_SEC 60L
#define DNS_CACHE_SEC 60L
#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

struct http_client {
    struct loop *loop;
    CURLM *multi; /* NULL once freed from inside a callback */
    char *ca_file;
    struct loop_timer timer;
    struct http_call *running;
    struct http_call *delivering; /* the call whose on_done is on the stack */
};

struct http_call {
    struct http_client *client;
    struct http_call *next;
    struct http_call **link; /* what points to this call in the list of running ones */
    http_client_on_done *on_done;
    void *owner;

    CURL *easy;
    struct curl_slist *headers;
    char *host; /* for error texts */
    struct buf request_body;

    struct http_answer answer;
    char curl_text[CURL_ERROR_SIZE];
};

/* One descriptor that libcurl wants watched. Lives from its first wish to CURL_POLL_REMOVE. */
struct socket_watch {
    struct loop_watch watch;
    struct http_client *client;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready = CURLE_FAILED_INIT;
static bool has_openssl; /* libcurl comes with other TLS libraries, too */

static void init_curl(void) {
    curl_ready = curl_global_init_mem(CURL_GLOBAL_DEFAULT, wiping_malloc, wiping_free,
                                      wiping_realloc, wiping_strdup, wiping_calloc);
    const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;
    has_openssl = tls && strncmp(tls, "OpenSSL/", sizeof "OpenSSL/" - 1) == 0;
}

static void release_call(struct http_call *call) {
    if (call->easy)
        curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    free(call->host);
    buf_wipe(&call->request_body);
    http_answer_wipe(&call->answer);
    free(call);
}

static void unlink_call(struct http_call *call) {
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
}

static void link_call(struct http_client *client, struct http_call *call) {
    call->link = &client->running;
    call->next = client->running;
    if (call->next)
        call->next->link = &call->next;
    client->running = call;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *owner) {
    struct http_call *call = owner;
    struct slice piece = slice_of(bytes, size * count);
    return http_answer_add_body(&call->answer, piece) ? piece.len : CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *owner) {
    struct http_call *call = owner;
    struct slice line = slice_of(bytes, size * count);
    return http_answer_add_header(&call->answer, line) ? line.len : CURL_WRITEFUNC_ERROR;
}

static enum status status_of(const struct http_call *call, CURLcode outcome) {
    if (outcome == CURLE_OK)
        return STATUS_OK;
    if (call->answer.status != STATUS_OK)
        return call->answer.status;
    if (outcome == CURLE_FILESIZE_EXCEEDED)
        return STATUS_LIMIT;
    return outcome == CURLE_OPERATION_TIMEDOUT ? STATUS_TIMEOUT : STATUS_IO;
}

static void describe_failure(const struct http_call *call, CURLcode outcome, enum status status,
                             struct error *err) {
    const char *text = call->curl_text[0] ? call->curl_text : curl_easy_strerror(outcome);
    if (status == STATUS_LIMIT)
        text = "the answer is larger than allowed";
    else if (status == STATUS_NO_MEMORY)
        text = "no memory for the answer";
    error_set(err, status, "%s: %s", call->host, text);
}

/* Takes a call that has ended out of libcurl. NULL when there is none. */
static struct http_call *take_finished(struct http_client *client,
                                       struct http_client_response *response) {
    int queued;
    CURLMsg *message = client->multi ? curl_multi_info_read(client->multi, &queued) : NULL;
    if (!message)
        return NULL;
    assert(message->msg == CURLMSG_DONE);
    CURLcode outcome = message->data.result;
    struct http_call *call = NULL;
    long http_status = 0;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
    curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &http_status);
    *response = (struct http_client_response){
        .status = status_of(call, outcome),
        .http_status = (int)http_status,
        .retry_after_sec = call->answer.retry_after_sec,
        .body = buf_slice(&call->answer.body),
        .content_type = buf_slice(&call->answer.content_type),
        .www_authenticate = buf_slice(&call->answer.www_authenticate),
    };
    if (response->status != STATUS_OK)
        describe_failure(call, outcome, response->status, &response->error);
    curl_multi_remove_handle(client->multi, call->easy);
    unlink_call(call);
    return call;
}

static void deliver_finished(struct http_client *client) {
    struct http_client_response response;
    struct http_call *call;
    while ((call = take_finished(client, &response)) != NULL) {
        client->delivering = call;
        call->on_done(call->owner, &response);
        client->delivering = NULL;
        release_call(call);
    }
    if (!client->multi)
        free(client);
}

static void on_socket_ready(struct loop_watch *watch, uint32_t epoll_events) {
    struct socket_watch *socket = watch->owner;
    struct http_client *client = socket->client;
    int ready = 0;
    int running;
    if (epoll_events & EPOLLIN)
        ready |= CURL_CSELECT_IN;
    if (epoll_events & EPOLLOUT)
        ready |= CURL_CSELECT_OUT;
    if (epoll_events & (EPOLLERR | EPOLLHUP))
        ready |= CURL_CSELECT_IN | CURL_CSELECT_ERR;
    curl_multi_socket_action(client->multi, watch->fd, ready, &running);
    deliver_finished(client);
}

static void on_deadline(struct loop_timer *timer) {
    struct http_client *client = timer->owner;
    int running;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    deliver_finished(client);
}

static int on_timer_wish(CURLM *multi, long timeout_ms, void *owner) {
    (void)multi;
    struct http_client *client = owner;
    if (timeout_ms < 0) {
        loop_timer_cancel(client->loop, &client->timer);
        return 0;
    }
    enum status status = loop_timer_set(client->loop, &client->timer, (uint64_t)timeout_ms);
    return status == STATUS_OK ? 0 : -1;
}

static uint32_t wanted_events(int what) {
    uint32_t events = 0;
    if (what & CURL_POLL_IN)
        events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        events |= EPOLLOUT;
    return events;
}

static struct socket_watch *socket_watch_new(struct http_client *client, curl_socket_t fd,
                                             uint32_t events) {
    struct socket_watch *socket = calloc(1, sizeof *socket);
    if (!socket)
        return NULL;
    socket->client = client;
    if (loop_watch_start(client->loop, &socket->watch, fd, events, on_socket_ready, socket) !=
        STATUS_OK) {
        free(socket);
        return NULL;
    }
    curl_multi_assign(client->multi, fd, socket);
    return socket;
}

static void socket_watch_free(struct socket_watch *socket) {
    if (!socket)
        return;
    loop_watch_stop(socket->client->loop, &socket->watch);
    free(socket);
}

static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *owner, void *watch) {
    (void)easy;
    struct http_client *client = owner;
    struct socket_watch *socket = watch;
    if (what == CURL_POLL_REMOVE) {
        socket_watch_free(socket);
        return 0;
    }
    if (socket)
        return loop_watch_change(client->loop, &socket->watch, wanted_events(what)) == STATUS_OK
                   ? 0
                   : -1;
    return socket_watch_new(client, fd, wanted_events(what)) ? 0 : -1;
}

static bool add_header(struct http_call *call, const char *header) {
    struct curl_slist *longer = curl_slist_append(call->headers, header);
    if (longer)
        call->headers = longer;
    return longer != NULL;
}

static bool has_control_bytes(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            return true;
    return false;
}

static enum status copy_headers(struct http_call *call, const struct http_client_request *request,
                                struct error *err) {
    for (const char *const *header = request->headers; header && *header; header++) {
        /* libcurl sends line breaks as they are, which would begin another header. */
        if (has_control_bytes(*header) || !strchr(*header, ':'))
            return error_set(err, STATUS_INVALID, "a request header is malformed");
        if (!add_header(call, *header))
            return error_set(err, STATUS_NO_MEMORY, "no memory for request headers");
    }
    /* Without it bodies over 1 MiB wait a second for "100 Continue". */
    if (!add_header(call, "Expect:"))
        return error_set(err, STATUS_NO_MEMORY, "no memory for request headers");
    return STATUS_OK;
}

static enum status copy_body(struct http_call *call, struct slice body, struct error *err) {
    buf_init(&call->request_body, body.len);
    if (!buf_reserve(&call->request_body, body.len))
        return error_set(err, STATUS_NO_MEMORY, "no memory for a request body");
    buf_append_slice(&call->request_body, body);
    return STATUS_OK;
}

/* Without it an answer's secrets stay in the record buffer until the next record, and in the heap
 * once the buffer is given back. */
static CURLcode on_tls_context(CURL *easy, void *ssl_ctx, void *owner) {
    (void)easy, (void)owner;
    SSL_CTX_set_options(ssl_ctx, SSL_OP_CLEANSE_PLAINTEXT);
    return CURLE_OK;
}

/* The first failure sticks. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl_easy_setopt(easy, (option), (value));                                      \
    } while (0)

/* What is the same for every call: where it may go and whom it trusts. Proxies are switched off
 * twice, because an unset option would let the environment decide. */
static CURLcode set_fixed_options(CURL *easy, const struct http_client *client) {
    CURLcode code = CURLE_OK;
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_USERAGENT, "barkeep/" BARKEEP_VERSION);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_CAPATH, NULL);
    if (client->ca_file)
        SET(CURLOPT_CAINFO, client->ca_file);
    if (has_openssl)
        SET(CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a cancelled call does not wait for the resolver's thread */
    SET(CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_SEC);
    SET(CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_SEC);
    return code;
}

static CURLcode set_callbacks(CURL *easy, struct http_call *call) {
    CURLcode code = CURLE_OK;
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_ERRORBUFFER, call->curl_text);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, call);
    return code;
}

static CURLcode set_request(CURL *easy, struct http_call *call,
                            const struct http_client_request *request) {
    CURLcode code = CURLE_OK;
    bool is_post = strcmp(request->method, "POST") == 0;
    uint32_t timeout_ms = request->timeout_ms ? request->timeout_ms : DEFAULT_TIMEOUT_MS;
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_HTTPHEADER, call->headers);
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->answer.body.limit);
    if (is_post || request->body.len || strcmp(request->method, "PUT") == 0) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->request_body.len);
        SET(CURLOPT_POSTFIELDS, call->request_body.len ? call->request_body.ptr : "");
    }
    if (strcmp(request->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    else if (!is_post)
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    return code;
}

static enum status prepare_call(struct http_call *call, const struct http_client_request *request,
                                struct error *err) {
    enum status status = http_destination_check(request, &call->host, err);
    if (status == STATUS_OK)
        status = copy_headers(call, request, err);
    if (status == STATUS_OK)
        status = copy_body(call, request->body, err);
    if (status != STATUS_OK)
        return status;
    call->easy = curl_easy_init();
    if (!call->easy)
        return error_set(err, STATUS_NO_MEMORY, "no memory for an HTTP call");
    CURLcode code = set_fixed_options(call->easy, call->client);
    if (code == CURLE_OK)
        code = set_callbacks(call->easy, call);
    if (code == CURLE_OK)
        code = set_request(call->easy, call, request);
    if (code != CURLE_OK)
        return error_set(err, STATUS_IO, "libcurl: %s", curl_easy_strerror(code));
    return STATUS_OK;
}

static struct http_call *call_new(struct http_client *client, size_t max_body_bytes) {
    struct http_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->client = client;
    http_answer_init(&call->answer, max_body_bytes ? max_body_bytes : DEFAULT_MAX_BODY_BYTES);
    return call;
}

static enum status choose_ca_file(struct http_client *client, const char *ca_file,
                                  struct error *err) {
    if (ca_file && access(ca_file, R_OK) != 0)
        return error_set(err, STATUS_IO, "%s: %s", ca_file, strerror(errno));
    if (!ca_file && access(SYSTEM_CA_FILE, R_OK) != 0)
        return STATUS_OK; /* not Debian: libcurl knows where its system keeps them */
    client->ca_file = strdup(ca_file ? ca_file : SYSTEM_CA_FILE);
    if (!client->ca_file)
        return error_set(err, STATUS_NO_MEMORY, "no memory for an HTTP client");
    return STATUS_OK;
}

static enum status start_multi(struct http_client *client, struct error *err) {
    client->multi = curl_multi_init();
    if (!client->multi)
        return error_set(err, STATUS_NO_MEMORY, "no memory for an HTTP client");
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS);
    return STATUS_OK;
}

struct http_client *http_client_new(struct loop *loop, const char *ca_file, struct error *err) {
    pthread_once(&curl_once, init_curl);
    if (curl_ready != CURLE_OK) {
        error_set(err, STATUS_IO, "libcurl: %s", curl_easy_strerror(curl_ready));
        return NULL;
    }
    struct http_client *client = calloc(1, sizeof *client);
    if (!client) {
        error_set(err, STATUS_NO_MEMORY, "no memory for an HTTP client");
        return NULL;
    }
    client->loop = loop;
    loop_timer_init(&client->timer, on_deadline, client);
    enum status status = choose_ca_file(client, ca_file, err);
    if (status == STATUS_OK)
        status = start_multi(client, err);
    if (status == STATUS_OK)
        return client;
    free(client->ca_file);
    free(client);
    return NULL;
}

void http_client_free(struct http_client *client) {
    if (!client)
        return;
    while (client->running)
        http_call_cancel(client->running);
    curl_multi_cleanup(client->multi);
    client->multi = NULL;
    loop_timer_cancel(client->loop, &client->timer);
    free(client->ca_file);
    client->ca_file = NULL;
    if (!client->delivering)
        free(client); /* else deliver_finished() does */
}

struct http_call *http_client_send(struct http_client *client,
                                   const struct http_client_request *request,
                                   http_client_on_done *on_done, void *owner, struct error *err) {
    struct http_call *call = call_new(client, request->max_body_bytes);
    if (!call) {
        error_set(err, STATUS_NO_MEMORY, "no memory for an HTTP call");
        return NULL;
    }
    call->on_done = on_done;
    call->owner = owner;
    if (prepare_call(call, request, err) != STATUS_OK) {
        release_call(call);
        return NULL;
    }
    CURLMcode added = curl_multi_add_handle(client->multi, call->easy);
    if (added != CURLM_OK) {
        error_set(err, STATUS_IO, "libcurl: %s", curl_multi_strerror(added));
        release_call(call);
        return NULL;
    }
    link_call(client, call);
    return call;
}

void http_call_cancel(struct http_call *call) {
    if (!call || call == call->client->delivering)
        return;
    curl_multi_remove_handle(call->client->multi, call->easy);
    unlink_call(call);
    release_call(call);
}
