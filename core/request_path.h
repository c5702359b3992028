/* The one canonical path: what the route matches, the rule judges, the log shows and the upstream
 * receives.
 *
 * Percent-encoded unreserved bytes are decoded (RFC 3986 6.2.2.2), other escapes keep their bytes
 * with upper-case digits (except %2F, which stays as it came), literal dot segments are resolved
 * (RFC 3986 5.2.4). Everything that two readers could take for different paths is refused: encoded
 * dot segments, "..", above the root, empty segments, backslashes, controls, NUL, invalid or
 * overlong UTF-8, look-alikes of "/", "\", "." and "%", path parameters (";"), raw bytes outside
 * pchar. Between encoded slashes the same holds, except that empty pieces are fine: "%2F" and
 * "%2Fname" are names of things behind routes that take encoded slashes (RabbitMQ's default vhost
 * is "/"). */
#ifndef BARKEEP_CORE_REQUEST_PATH_H
#define BARKEEP_CORE_REQUEST_PATH_H

#include "core/slice.h"
#include "core/status.h"

enum path_verdict {
    PATH_OK,
    PATH_MALFORMED, /* not a path at all: 400 bad_request */
    PATH_AMBIGUOUS, /* 400 path_ambiguous */
};

struct request_path {
    struct slice text;      /* begins with '/' */
    bool has_encoded_slash; /* came with %2F, even if a ".." took it back: only routes with
                               encoded_slashes: pass take it */
};

/* `raw` is the path part of the request target, without query. Writes at most raw.len bytes to
 * `out_bytes`. */
enum path_verdict request_path_canonical(struct slice raw, char *out_bytes,
                                         struct request_path *out_path);

/* Splits an origin-form target at the first '?'. `out_query` has no '?'; out_has_query tells ""
 * from none. */
void request_target_split(struct slice target, struct slice *out_path, struct slice *out_query,
                          bool *out_has_query);

/* True when `path` is below `prefix` by whole segments: "/a" holds "/a" and "/a/b", not "/ab".
 * `prefix` is canonical, without trailing slash except "/" itself. out_below is the part judged by
 * rules and always starts with '/'. */
bool request_path_below(struct slice path, struct slice prefix, struct slice *out_below);

#endif
