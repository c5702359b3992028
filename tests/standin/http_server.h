/* The two listeners, on 127.0.0.1 only. libmicrohttpd stays behind this header. */
#ifndef BARKEEP_STANDIN_HTTP_SERVER_H
#define BARKEEP_STANDIN_HTTP_SERVER_H

#include "core/status.h"
#include "reply.h"
#include "request.h"

/* Called from many threads at once. */
typedef void http_handler(void *owner, const struct request *request, struct reply *reply);

/* A listening socket; port 0 picks one. STATUS_IO with one clear line when the port is taken. */
enum status http_listen(unsigned port, int *out_fd, unsigned *out_port, struct error *err);

struct http_server;

/* Serves `fd` (taken, also on failure) with a thread per connection. `key_pem` and `chain_pem`
 * NULL: plain http. They must outlive the server. */
struct http_server *http_server_start(int fd, unsigned port, const char *key_pem,
                                      const char *chain_pem, http_handler *handler, void *owner,
                                      struct error *err);
/* Ends delays, closes every connection, waits for the threads. NULL is fine. */
void http_server_stop(struct http_server *server);

#endif
