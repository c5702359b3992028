/* Which header fields are the message's own or barkeep's, and so nobody else's. */
#include "config/header_name.h"

#define NAME_MAX_BYTES 256

static const char *const reserved_names[] = {
    "Connection",
    "Content-Length",
    "Expect",
    "Forwarded",
    "Host",
    "HTTP2-Settings",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Via",
    "X-Barkeep-Assertion",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-MS-CLIENT-PRINCIPAL",
    "X-MS-CLIENT-PRINCIPAL-ID",
    "X-MS-CLIENT-PRINCIPAL-IDP",
    "X-MS-CLIENT-PRINCIPAL-NAME",
    "X-Request-Id",
    "traceparent",
};

bool header_name_is_valid(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return name.len > 0 && name.len <= NAME_MAX_BYTES;
}

bool header_name_is_reserved(struct slice name) {
    for (size_t i = 0; i < sizeof reserved_names / sizeof *reserved_names; i++) {
        if (slice_eq_nocase(name, slice_of_str(reserved_names[i])))
            return true;
    }
    return false;
}
