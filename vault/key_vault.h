/* Key Vault's data plane, the part that reads one secret and lists its versions: URLs, answers,
 * refusals, challenges. azure.md D.1 to D.5. */
#ifndef BARKEEP_VAULT_KEY_VAULT_H
#define BARKEEP_VAULT_KEY_VAULT_H

#include "core/buf.h"
#include "core/secret.h"

#define KEY_VAULT_API_VERSION "7.4" /* unless the configuration names another */
#define KEY_VAULT_VERSION_SIZE 33   /* 32 hexadecimal digits and NUL */
#define KEY_VAULT_HOSTS_SIZE 1025

/* What is asked about. */
struct key_vault_question {
    const char *vault_url;   /* without trailing slash */
    const char *api_version; /* NULL: KEY_VAULT_API_VERSION */
    const char *name;
    const char *version; /* NULL: the latest */
};

struct key_vault_secret {
    struct secret *value; /* the caller unrefs */
    char version[KEY_VAULT_VERSION_SIZE];
    int64_t expires_sec;              /* wall clock; 0 when it does not expire */
    int64_t valid_from_sec;           /* of a version that is not yet valid; else 0 */
    bool has_hosts;                   /* the tag barkeep-hosts is there */
    char hosts[KEY_VAULT_HOSTS_SIZE]; /* as it is; "" when it is nothing that names hosts */
};

/* What the pages of a version list have shown so far. Zero-initialise. */
struct key_vault_version {
    char version[KEY_VAULT_VERSION_SIZE]; /* "": none */
    int64_t created_sec;
};

struct key_vault_versions {
    struct key_vault_version newest; /* of those enabled and valid now */
    struct key_vault_version before; /* the one before that */
    int64_t next_valid_sec;          /* when an enabled version becomes valid next; 0: never */
};

/* 1 to 127 letters, digits and hyphens; 32 hexadecimal digits. */
bool key_vault_is_name(const char *text);
bool key_vault_is_version(const char *text);

/* Append the URL and a NUL. `page` is what key_vault_parse_versions() gave, NULL for the first. */
void key_vault_append_url(struct buf *url, const struct key_vault_question *question);
void key_vault_append_versions_url(struct buf *url, const struct key_vault_question *question,
                                   const char *page);

/* Reads a 200 that should answer `question`; `wall_sec` is now. STATUS_DENIED: an answer in good
 * order about a version that may not be used (disabled, not yet valid, expired): all but value and
 * hosts are set then. STATUS_INVALID, _LIMIT: not an answer we take. err never quotes the value.
 *
 * The id must name the secret and version asked for. Its host is not looked at: the answer came
 * over the connection that the configured URL named, whatever the vault calls itself there. */
enum status key_vault_parse_secret(struct slice body, const struct key_vault_question *question,
                                   int64_t wall_sec, struct key_vault_secret *out_secret,
                                   struct error *err);

/* Reads one page of the list of versions into `versions`. *out_page is the next page's path and
 * query (the caller frees it), NULL after the last. A next page anywhere but in this list of this
 * vault is refused with the whole page: STATUS_INVALID. */
enum status key_vault_parse_versions(struct slice body, const struct key_vault_question *question,
                                     int64_t wall_sec, struct key_vault_versions *versions,
                                     char **out_page, struct error *err);

/* Puts any other answer into words, telling the inner codes of a 403 apart. Peer text is repeated
 * only where it is one of the codes known here. Returns that code, "" for none. */
const char *key_vault_refusal(struct slice body, int http_status, struct error *out_text);
#define KEY_VAULT_SECRET_DISABLED "SecretDisabled"

/* True when a 401 demands claims of the next token (error="insufficient_claims"): *out_claims is
 * their value as it stands in the challenge. Nothing else in a challenge matters. */
bool key_vault_demands_claims(struct slice www_authenticate, struct slice *out_claims);

#endif
