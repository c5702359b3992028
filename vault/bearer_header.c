#include "vault/bearer_header.h"

struct secret *bearer_header_new(const struct secret *token) {
    static const char prefix[] = "Authorization: Bearer ";
    const struct slice bytes = secret_bytes(token);
    struct secret *header = secret_new_blank(sizeof prefix - 1 + bytes.len + 1);
    if (!header)
        return NULL;
    char *at = secret_writable(header);
    memcpy(at, prefix, sizeof prefix - 1);
    memcpy(at + sizeof prefix - 1, bytes.ptr, bytes.len);
    at[sizeof prefix - 1 + bytes.len] = '\0';
    return header;
}
