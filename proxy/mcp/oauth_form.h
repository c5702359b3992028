/* Parameters of OAuth, as a query or as a form (RFC 6749 appendix B): decoded once, each name at
 * most once. */
#ifndef BARKEEP_PROXY_MCP_OAUTH_FORM_H
#define BARKEEP_PROXY_MCP_OAUTH_FORM_H

#include "core/buf.h"

enum { OAUTH_FIELDS_MAX = 32, OAUTH_FORM_BYTES_MAX = 16384 };

struct oauth_field {
    struct slice name;
    struct slice value;
};

struct oauth_form {
    struct oauth_field fields[OAUTH_FIELDS_MAX];
    size_t count;
    char *bytes; /* what they point into */
    size_t len;
};

/* NULL, or what is wrong: a fixed text. oauth_form_done() in any case. */
const char *oauth_form_read(struct oauth_form *form, struct slice text);
/* Wipes: codes and tokens were in it. */
void oauth_form_done(struct oauth_form *form);

/* Empty when it did not come. */
struct slice oauth_form_value(const struct oauth_form *form, const char *name);
bool oauth_form_has(const struct oauth_form *form, const char *name);
/* All but `left_out`, encoded anew. The buffer is reserved in full first. */
void oauth_form_write(const struct oauth_form *form, const char *left_out, struct buf *out);

#endif
