/* Why a TLS connection failed, in words for operators that quote nothing of the peer's. */
#ifndef BARKEEP_PROXY_TLS_PROBLEM_H
#define BARKEEP_PROXY_TLS_PROBLEM_H

#include <stdbool.h>

/* `queued` is an error of OpenSSL's, one of TLS's own, or 0 when the socket failed; `verify_result`
 * what the verification of the peer's certificate ended with. Lives for ever. */
const char *tls_problem_text(unsigned long queued, long verify_result);
/* The peer sent a fatal alert. */
bool tls_problem_is_alert(unsigned long queued);
/* The peer sent a plain HTTP request where its first record belongs. */
bool tls_problem_is_http(unsigned long queued);

#endif
