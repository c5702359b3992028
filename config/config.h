/* barkeep.yaml as one immutable, validated tree. Everything hangs in one arena and lives as long as
 * the last reference. contract section 2 gives every key its meaning and default. */
#ifndef BARKEEP_CONFIG_CONFIG_H
#define BARKEEP_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/log.h"
#include "core/slice.h"
#include "core/status.h"

/* "not given", for indexes into the arrays of struct config */
#define CONFIG_NONE SIZE_MAX

struct config_strings {
    const char **items;
    size_t count;
};

/* Where a thing stands in the file: 1-based. */
struct config_position {
    uint32_t line;
    uint32_t column;
};

/* PEM: a certificate with those above it, and its private key. */
struct config_listen_certificate {
    const char *file;
    const char *key_file; /* NULL: in the same file */
    struct config_position position;
};

struct config_listen_tls {
    struct config_listen_certificate *certificates; /* at least one; the first is the default */
    size_t certificate_count;
    struct config_listen_certificate single; /* where a lone one lies */
    const char *client_ca_file;              /* PEM; NULL: callers need no certificate */
    struct config_position client_ca_position;
    bool client_is_optional; /* may come without one, but not with a wrong one */
};

struct config_address {
    bool is_unix;
    const char *text; /* as written, for messages */
    const char *host; /* numeric or name; "" and "*" become the any-address; without brackets */
    uint16_t port;
    const char *unix_path;
    const struct config_listen_tls *tls; /* NULL: plain */
};

enum config_cloud { CLOUD_PUBLIC, CLOUD_USGOV, CLOUD_CHINA };

/* An issuer beside the tenants whose tokens are judged by what is written here: External ID, Azure
 * AD B2C (azure.md A.13). */
struct config_issuer {
    const char *name;
    const char *metadata; /* address of its metadata */
    const char *issuer;   /* exactly what its tokens state as iss */
    struct config_strings audiences;
    const char *tenant; /* lower-case GUID: the tenant of its principals */
};

struct config_entra {
    bool is_present;
    struct config_strings tenants;   /* lower-case GUIDs */
    struct config_strings audiences; /* as written */
    enum config_cloud cloud;
    const char
        *authority; /* without trailing slash: the login host of the cloud, or the override */
    bool authority_is_override; /* then the issuers are those the metadata states */
    bool accepts_v1;
    bool accepts_v2;
    uint32_t clock_skew_sec;
    uint32_t keys_refresh_sec;
    uint32_t keys_max_stale_sec;
    bool groups_by_name;   /* groups: {form: name} */
    bool overage_refused;  /* groups: {overage: refuse}, or nobody could ask Graph */
    const char *graph_url; /* the cloud's Microsoft Graph, without trailing slash; also the resource
                              of its tokens */
    uint32_t max_token_lifetime_sec;
    const char *metadata_appid; /* lower-case GUID: keys of that application; NULL: the tenant's */
    struct config_issuer *issuers;
    size_t issuer_count;
};

enum config_identity_kind {
    IDENTITY_NONE,
    IDENTITY_MANAGED,
    IDENTITY_WORKLOAD, /* a federated token from a file, read anew for every exchange */
    IDENTITY_CLIENT_SECRET,
    IDENTITY_CLIENT_CERTIFICATE,
};

struct config_identity {
    enum config_identity_kind kind;
    const char *managed_client_id; /* NULL: system-assigned */
    const char *client_id;         /* workload and client */
    const char *token_file;        /* workload */
    const char *client_secret_file;
    const char *client_certificate_file;  /* PEM: private key and certificate */
    struct config_position file_position; /* of whichever is given, else of `workload` */
    const char *tenant;                   /* default: the first entra tenant */
    const char *authority;                /* default: entra's */
    const char *endpoint; /* IMDS base URL without trailing slash; NULL: where the platform says,
                             else http://169.254.169.254 */
};

enum config_vault_kind { VAULT_KEY_VAULT, VAULT_FILE };

struct config_vault {
    const char *name;
    enum config_vault_kind kind;
    const char *url;         /* https://x.vault.azure.net without trailing slash */
    const char *api_version; /* of Key Vault's data plane */
    const char *directory;   /* of file: vaults */
    struct config_position position;
    const char
        *resource; /* token audience for this vault, from the cloud: https://vault.azure.net */
};

/* One row per distinct VAULT/NAME[/VERSION] that any credential uses. */
struct config_secret {
    size_t vault; /* index into vaults */
    const char *name;
    const char *version; /* NULL: latest */
    uint32_t refresh_sec;
    uint32_t max_stale_sec;
    struct config_position position; /* of the first mention */
    const char *key;                 /* of it, as problems name it: "credentials.c.bearer" */
};

/* A header value: literal text and secrets in turn. A plain literal is one part without a secret.
 */
struct config_template_part {
    struct slice literal;
    size_t secret; /* index into secrets, or CONFIG_NONE when this part is the literal */
};

struct config_template {
    struct config_template_part *parts;
    size_t count;
};

enum config_credential_kind {
    CREDENTIAL_BASIC,
    CREDENTIAL_BEARER,
    CREDENTIAL_HEADERS,
    CREDENTIAL_QUERY,
    CREDENTIAL_COOKIE,
    CREDENTIAL_ENTRA_TOKEN,
    CREDENTIAL_ON_BEHALF_OF,
    CREDENTIAL_CLIENT_CERTIFICATE,
};

/* A header, a query parameter or a cookie. */
struct config_credential_field {
    const char *name; /* of a query parameter: decoded */
    struct config_template value;
};

struct config_credential {
    const char *name;
    enum config_credential_kind kind;
    struct config_template username;        /* basic; literal or {secret: ...} */
    size_t password;                        /* basic: index into secrets */
    size_t bearer;                          /* bearer: index into secrets */
    struct config_credential_field *fields; /* headers, query, cookie */
    size_t field_count;
    const char *scope;  /* entra_token: RESOURCE/.default; on_behalf_of: as written */
    size_t certificate; /* client_certificate: index into secrets */
    struct config_position position;
};

/* What a condition of an mcp: action asks of one argument. */
enum config_test {
    TEST_EQUALS,
    TEST_ONE_OF,
    TEST_MATCHES,
    TEST_MAX,
    TEST_MIN,
    TEST_MAX_LENGTH, /* in characters */
    TEST_ABSENT,
    TEST_COUNT
};

struct config_argument_test {
    const char *pointer; /* RFC 6901, into params.arguments */
    enum config_test test;
    struct config_strings values; /* TEST_EQUALS, TEST_ONE_OF: JSON texts */
    const char *text;             /* TEST_MATCHES: see core/text_pattern.h; TEST_MAX, TEST_MIN: a
                                     number as JSON has it */
    uint32_t length;              /* TEST_MAX_LENGTH */
};

/* "mcp:METHOD[:NAME]": '*' stands for any run of bytes. */
struct config_mcp_action {
    const char *method;
    const char *name;                   /* NULL: any, and where there is none */
    struct config_argument_test *tests; /* all must hold */
    size_t test_count;
};

/* "METHOD[,METHOD...] PATH": validated here, compiled by auth/policy. */
struct config_action {
    struct config_strings methods; /* upper case; empty means any ("*") */
    const char
        *pattern; /* canonical path pattern beginning with '/', segments may hold '*', or be '**' */
    const char *text;                    /* as written; conditions in words */
    const struct config_mcp_action *mcp; /* then there are neither methods nor pattern */
};

struct config_role {
    const char *name;
    struct config_action *actions;
    size_t action_count;
    struct config_action *not_actions;
    size_t not_action_count;
};

/* Keys of one principal are "and", values of one key are "or" (contract 3). Empty lists do not
 * constrain. GUIDs are lower-case. A principal without any constraint and without everyone does not
 * occur. */
struct config_principal {
    struct config_strings users, groups, apps, app_roles, scopes, tenants;
    bool everyone;
};

/* A network: IPv4 as ::ffff:a.b.c.d, its prefix length counted from there. */
struct config_network {
    unsigned char address[16];
    uint8_t prefix_bits;
};

struct config_networks {
    struct config_network *items;
    size_t count;
};

/* All must hold. An empty list does not constrain. */
struct config_condition {
    struct config_networks clients;
    struct config_strings acrs; /* any of them: "c1" to "c99" */
    bool mfa;
};

/* `burst` requests at once, and `requests` more with every window that passes. */
struct config_rate {
    bool is_present;
    bool is_per_client; /* by client address; else by the caller's identity */
    uint32_t requests;
    uint32_t window_ms;
    uint32_t burst; /* default: requests */
};

struct config_entry {
    const char *label; /* "routes.rabbitmq.access[0]", "deny[2]": the rule's name in audit and
                          explanations */
    size_t role; /* index into roles; CONFIG_NONE when actions are given inline, or in a deny of
                    everything */
    struct config_action *actions;
    size_t action_count;
    struct config_principal *to;
    size_t to_count;
    struct config_condition when;
    size_t credential;       /* access entries; CONFIG_NONE: the route's */
    bool is_shadow;          /* says what it would have done, and does not decide */
    struct config_rate rate; /* access entries */
    struct config_position position;
};

struct config_entries {
    struct config_entry *items;
    size_t count;
};

struct config_upstream {
    const char *text; /* the URL as written */
    bool is_tls;
    bool is_unix; /* http+unix is written unix:/path */
    const char *unix_path;
    const char *host; /* name or numeric address, no brackets */
    uint16_t port;
    const char *host_header; /* host[:port] as sent in Host */
    const char *base_path;   /* "" or "/base", canonical, no trailing slash */
    bool is_loopback;        /* loopback address, "localhost" or unix */
};

/* Whether upstreams are told who calls: contract section 6. */
enum config_identity_headers {
    IDENTITY_HEADERS_NONE,
    IDENTITY_HEADERS_EASYAUTH,
    IDENTITY_HEADERS_ASSERTION,
    IDENTITY_HEADERS_BOTH,
};

/* What signs X-Barkeep-Assertion. */
struct config_assertion {
    bool has_key; /* else one is made at start */
    size_t key;   /* index into secrets */
    const char *issuer;
};

enum { CONFIG_UPSTREAMS_MAX = 64 }; /* of a route */

/* Which of a route's upstreams is next. */
enum config_balance { BALANCE_ROUND_ROBIN, BALANCE_LEAST_CONNECTIONS };

/* When an upstream is left alone. */
struct config_health {
    uint32_t failures; /* on end, until it is ejected; UINT32_MAX: never */
    uint32_t pause_ms; /* doubles up to max_pause_ms while it keeps failing */
    uint32_t max_pause_ms;
};

/* How a route speaks to its https upstreams. */
struct config_upstream_tls {
    const char *ca_file; /* PEM; NULL: the system's */
    struct config_position ca_position;
    bool verify;
    const char *server_name; /* for SNI and verification; NULL: the upstream's host */
    size_t certificate;      /* index into credentials, of kind client_certificate; CONFIG_NONE */
};

/* How a request is refused that an MCP client makes and the rules do not grant. */
enum config_mcp_denial {
    MCP_DENIAL_EXPLAIN,
    MCP_DENIAL_HIDE,
    MCP_DENIAL_TOOL_ERROR,
    MCP_DENIAL_CHALLENGE
};
enum config_mcp_pinning { MCP_PINNING_OFF, MCP_PINNING_WARN, MCP_PINNING_BLOCK };
enum config_mcp_revision {
    MCP_REVISION_2025_03_26 = 1 << 0,
    MCP_REVISION_2025_06_18 = 1 << 1,
    MCP_REVISION_2025_11_25 = 1 << 2,
    MCP_REVISION_2026_07_28 = 1 << 3,
    MCP_REVISIONS_LEGACY =
        MCP_REVISION_2025_03_26 | MCP_REVISION_2025_06_18 | MCP_REVISION_2025_11_25,
    MCP_REVISIONS_ALL = MCP_REVISIONS_LEGACY | MCP_REVISION_2026_07_28,
};
enum { MCP_REVISION_COUNT = 4 };
/* What the protocol calls 1 << index, a date; oldest first. */
extern const char *const CONFIG_MCP_REVISIONS[MCP_REVISION_COUNT];
/* Of enum config_mcp_revision; 0 when it is not known. */
unsigned config_mcp_revision_of(struct slice text);

/* Sign-in for clients that Entra ID does not understand: barkeep stands for the authorization
 * server. */
struct config_mcp_facade {
    const char *client_id;               /* registered in the tenant beforehand */
    struct config_strings redirect_uris; /* the only ones that are let through; none: those on
                                            loopback addresses, whatever their port */
};

/* A route that gates a server of the Model Context Protocol. */
struct config_mcp {
    const char *resource; /* its URL for clients; NULL: no metadata is served */
    enum config_mcp_denial denial;
    unsigned revisions;
    uint32_t max_body_bytes;   /* of a message to the server */
    uint32_t max_result_bytes; /* of a message from the server */
    struct config_strings allowed_origins;
    bool passes_server_requests;
    const char *pins_file; /* NULL: none */
    struct config_position pins_position;
    enum config_mcp_pinning pinning;
    struct config_mcp_facade *facade; /* NULL: off */
    uint32_t calls_per_session;       /* tools/call of one session; 0: no limit */
    struct config_position position;
};

struct config_route {
    struct config_mcp *mcp; /* NULL: plain HTTP */
    const char *name;
    const char *host; /* lower-case exact host, "*.suffix", or NULL for any */
    const char *path; /* canonical prefix without trailing slash, or "/" */
    struct config_upstream *upstreams;
    size_t upstream_count;
    enum config_balance balance;
    struct config_health health;
    struct config_networks upstream_networks; /* where names may lead; none: see the resolver */
    uint32_t requests_limit; /* of each upstream, by all workers together; UINT32_MAX: none */
    bool pass_encoded_slashes;
    struct config_entries access;
    struct config_entries deny;
    size_t credential; /* default for its access entries */
    uint32_t connect_timeout_ms;
    uint32_t head_timeout_ms;
    uint32_t idle_timeout_ms;
    uint64_t body_limit_bytes; /* UINT64_MAX: none */
    bool preserve_host;
    bool websocket; /* connections may become WebSockets */
    bool retry_safe;
    bool scrub; /* injected secrets are taken out of answers */
    struct config_upstream_tls tls;
    bool is_shadow; /* its rules say what they would have done: whoever has a valid token passes */
    struct config_rate rate;
    bool allow_plaintext_credential;
    const char *token_header; /* as written; NULL: Authorization */
    enum config_identity_headers identity_headers;
    struct config_position position;
};

struct config_limits {
    uint64_t buffer_bytes; /* UINT64_MAX: no limit */
    uint32_t connections;
    uint32_t connections_per_client; /* UINT32_MAX: no limit */
    uint32_t header_bytes;
    uint32_t headers;
    uint32_t token_bytes;
    uint32_t head_timeout_ms;
    uint32_t idle_timeout_ms;
};

/* A part of the configuration that a change can be named by: "entra", "routes.rabbitmq". */
struct config_part {
    const char *path;
    unsigned char digest[32]; /* of its content, comments and spelling aside */
};

struct config {
    const char *path;          /* the file */
    char hash[65];             /* lower-case hex SHA-256 of the file's bytes */
    struct config_part *parts; /* sorted by path */
    size_t part_count;

    struct config_address *listen;
    size_t listen_count;
    bool admin_is_on;
    struct config_address admin;
    uint32_t workers; /* 0: one per core ("auto") */

    struct config_entra entra;
    struct config_identity identity;
    struct config_vault *vaults;
    size_t vault_count;
    struct config_secret *secrets;
    size_t secret_count;
    struct config_credential *credentials;
    size_t credential_count;
    struct config_role *roles; /* the built-in Reader and Contributor come first */
    size_t role_count;
    struct config_route *routes; /* file order */
    size_t route_count;
    struct config_entries access; /* top level: every route */
    struct config_entries deny;

    struct config_assertion assertion;

    const char *audit_file; /* NULL: stdout */
    enum log_level log_level;
    bool audit_full_drops; /* log.on_full: drop; default refuse */
    struct config_limits limits;
    struct config_networks trusted_proxies; /* whose X-Forwarded-For is believed */
    uint32_t drain_ms;
    const char *state; /* folder of the last good key sets; NULL: none are kept */
    bool expose_reasons;
    const char *revoked_file; /* NULL: none */
    struct config_position revoked_position;
};

enum problem_severity { PROBLEM_ERROR, PROBLEM_WARNING };

/* One line of `barkeep check`: "FILE:LINE:COL: error: PATH: text". */
struct problem {
    enum problem_severity severity;
    struct config_position position; /* line 0: the file as a whole */
    char path[160];                  /* "routes[0].upstream" */
    char text[400];
};

/* Collected while loading: the first 100 are kept, the rest is counted. */
struct problem_list {
    struct problem *items;
    size_t count;
    size_t error_count;
    size_t dropped;
};

void problem_list_done(struct problem_list *list);
/* "FILE:LINE:COL: error|warning: PATH: text" without newline, into `out_text`. */
void problem_format(const char *file, const struct problem *problem, char *out_text, size_t size);

/* Reads and validates `path`; never touches the network. On any error returns NULL; problems say
 * why, warnings included. `out_problems` must be zeroed by the caller and is done with
 * problem_list_done() in every case. */
struct config *config_load(const char *path, struct problem_list *out_problems);
/* What config_load() makes of a file beside what decides requests. Takes half of its time. */
enum config_extra {
    CONFIG_PARTS = 1,    /* config->parts */
    CONFIG_WARNINGS = 2, /* all of them; without it those that come up on the way */
    CONFIG_ALL = CONFIG_PARTS | CONFIG_WARNINGS,
};
/* The same with some of the extras, or none (0). The same files are refused, with the same errors.
 */
struct config *config_load_with(const char *path, unsigned extras,
                                struct problem_list *out_problems);
/* config_load() from memory; `name` stands for the file in messages. */
struct config *config_parse(const char *name, struct slice yaml, struct problem_list *out_problems);

struct config *config_ref(struct config *config); /* thread-safe */
void config_unref(struct config *config);         /* thread-safe; NULL is fine */

bool config_sends_easyauth(const struct config_route *route);
bool config_sends_assertion(const struct config_route *route);
/* True when there is something to sign with: a key is configured, or a route asks for assertions.
 */
bool config_uses_assertions(const struct config *config);
/* True when a credential is the caller's own token exchanged. */
bool config_uses_on_behalf_of(const struct config *config);

bool config_networks_hold(const struct config_networks *networks, const unsigned char address[16]);

/* True for 8-4-4-4-12 hexadecimal digits in either case. */
bool config_is_guid(struct slice text);

#endif
