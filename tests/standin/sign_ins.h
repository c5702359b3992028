/* What came of people's sign-ins: authorization codes and refresh tokens that are out, and what was
 * asked of the endpoints. Zero is a good start. */
#ifndef BARKEEP_STANDIN_SIGN_INS_H
#define BARKEEP_STANDIN_SIGN_INS_H

#include "directory.h"
#include "form.h"

enum grant_kind { GRANT_CODE, GRANT_REFRESH };

/* Strings are the grant's own; application and user are the directory's. */
struct grant {
    enum grant_kind kind;
    const struct app *app;
    const struct user *user;
    bool is_public; /* the client has to do without a secret */
    char *text;
    char *scope;          /* as it was asked for */
    char *redirect_uri;   /* codes only, as all that follows */
    char *code_challenge; /* NULL: none */
    bool is_plain;        /* the challenge is the verifier itself */
    char *nonce;          /* NULL: none */
    bool is_redeemed;
    int64_t expires;
};

struct sign_ins {
    struct grant *grants; /* in a ring: the oldest make room */
    size_t count;
    size_t next;
    json_t *asked;           /* NULL: nothing yet */
    const struct user *user; /* who signs in; NULL: the tenant's first */
    bool has_stale_codes;    /* codes are expired from the start */
};

void sign_ins_done(struct sign_ins *sign_ins);
/* Takes the strings of `grant` but `text`, which it makes; valid until the next one. */
const struct grant *sign_ins_add(struct sign_ins *sign_ins, const struct grant *grant);
/* NULL when there is none of that kind. */
struct grant *sign_ins_find(struct sign_ins *sign_ins, enum grant_kind kind, const char *text);
/* Notes the parameters' names, and the scope. */
void sign_ins_note(struct sign_ins *sign_ins, const char *endpoint, const struct form *form);
/* New reference: the last of what was noted, oldest first. */
json_t *sign_ins_asked(const struct sign_ins *sign_ins);
void sign_ins_forget_asked(struct sign_ins *sign_ins);

#endif
