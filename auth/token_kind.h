/* Is it an access token, and whose: azure.md A.5, A.9, A.13. Issuer, signature and times are judged
 * before. */
#ifndef BARKEEP_AUTH_TOKEN_KIND_H
#define BARKEEP_AUTH_TOKEN_KIND_H

#include "auth/identity.h"
#include "auth/token_claims.h"
#include "config/config.h"

#define TOKEN_KIND_DETAIL_SIZE 200
#define TOKEN_KIND_SCOPE_SIZE 100

/* What to compare with. */
struct token_form {
    int version;       /* 1, 2; 0 for a static issuer: azp or appid, oid or sub */
    const char *scope; /* what callers should ask for instead */
};

struct token_kind {
    enum principal_type principal;
    struct slice id;  /* oid, or sub of a static issuer's token without it */
    struct slice app; /* the client */
};

/* The scope to advise callers to ask for: of an api:// audience when there is one. */
void token_kind_scope(const struct config_strings *audiences,
                      char out_scope[TOKEN_KIND_SCOPE_SIZE]);

/* False when it is of another kind; `out_detail` then says which, and what to ask for. */
bool token_kind_read(const struct token_claims *claims, const struct token_form *form,
                     struct token_kind *out_kind, char out_detail[TOKEN_KIND_DETAIL_SIZE]);

/* The name of the service of Microsoft's own that an audience stands for: "Microsoft Graph". NULL
 * when it is none of those that callers take for ours. */
const char *token_kind_service(struct slice audience);

#endif
