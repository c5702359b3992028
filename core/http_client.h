/* The HTTP client for calls to Azure: libcurl's multi interface on a loop (design: client traffic
 * never goes through here). Redirects, netrc, proxies, CA settings from the environment and
 * protocols other than http and https are off; every answer is bounded in size and time; every copy
 * of body and headers we own is wiped when the call ends. */
#ifndef BARKEEP_CORE_HTTP_CLIENT_H
#define BARKEEP_CORE_HTTP_CLIENT_H

#include <stdint.h>

#include "core/loop.h"
#include "core/slice.h"

struct http_client;
struct http_call;

struct http_client_request {
    const char *method;         /* GET, POST, PUT */
    const char *url;            /* absolute; plain http only to loopback (checked here again) */
    const char *const *headers; /* NULL-terminated "Name: value" strings, or NULL; copied */
    struct slice body;          /* copied; empty for none */
    uint32_t timeout_ms;        /* whole call; 0 means 10000 */
    size_t max_body_bytes;      /* 0 means 1 MiB */
    /* Plain http may also go to exactly 169.254.169.254, where Azure's instance metadata service
     * lives (no other link-local address, no other scheme or spelling is opened by this). */
    bool allow_link_local;
    /* Plain http may also go to any address of 169.254.0.0/16, written as four plain decimal
     * numbers: App Service keeps its token endpoint there (http://169.254.129.2:8081/msi/token). */
    bool allow_any_link_local;
};

/* Valid only during the callback. */
struct http_client_response {
    enum status status; /* STATUS_OK: an HTTP answer came, whatever its code. Else STATUS_IO,
                           _TIMEOUT, _LIMIT, _NO_MEMORY */
    struct error error; /* when not STATUS_OK */
    int http_status;
    struct slice body;
    int64_t retry_after_sec; /* from Retry-After (seconds or date); -1 when absent */
    struct slice content_type;
    struct slice www_authenticate;
};

/* Called exactly once per call unless cancelled, never from inside http_client_send(). It may start
 * and cancel calls (cancelling its own has no effect) and free the client. */
typedef void http_client_on_done(void *owner, const struct http_client_response *response);

/* `ca_file` NULL means the system's store. NULL on failure. */
struct http_client *http_client_new(struct loop *loop, const char *ca_file, struct error *err);
/* Cancels what is running. */
void http_client_free(struct http_client *client);

/* Starts a call. A body without a Content-Type header of the caller's goes out as
 * application/x-www-form-urlencoded. On NULL (no memory, bad URL; err says) no callback follows. */
struct http_call *http_client_send(struct http_client *client,
                                   const struct http_client_request *request,
                                   http_client_on_done *on_done, void *owner, struct error *err);
/* No callback follows. */
void http_call_cancel(struct http_call *call);

/* Appends `text` percent-encoded for application/x-www-form-urlencoded (RFC 3986 unreserved bytes
 * stay). */
struct buf;
void http_form_encode(struct buf *buf, struct slice text);
/* How many bytes that appends. */
size_t http_form_size(struct slice text);
/* True for 127.0.0.0/8, ::1 and "localhost": hosts that plain http may go to. `host` without port;
 * brackets allowed. */
bool http_host_is_loopback(struct slice host);

#endif
