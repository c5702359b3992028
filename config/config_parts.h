/* The parts of the configuration, a file each: their tables, and the readers that need each other.
 */
#ifndef BARKEEP_CONFIG_PARTS_H
#define BARKEEP_CONFIG_PARTS_H

#include "config/schema.h"

#define OFFSET_IN(type, member) .offset = offsetof(struct type, member)

/* config_listen.c */
extern const struct schema LISTEN_SCHEMA;
schema_read_value config_read_listen;  /* into struct config */
schema_read_value config_read_admin;   /* into struct config */
schema_read_value config_read_workers; /* into uint32_t */

/* config_listen_tls.c */
extern const struct schema LISTEN_TLS_SCHEMA;
extern const struct schema LISTEN_CERTIFICATE_SCHEMA;
schema_read_value config_read_listen_tls; /* into const struct config_listen_tls * */

/* config_entra.c */
extern const struct schema ENTRA_SCHEMA;
schema_read_value config_read_entra; /* into struct config_entra */
/* The cloud's own names. */
const char *config_cloud_login_host(enum config_cloud cloud);   /* login.microsoftonline.com */
const char *config_cloud_vault_suffix(enum config_cloud cloud); /* .vault.azure.net */
const char *config_cloud_vault_resource(enum config_cloud cloud);

/* config_issuers.c */
extern const struct schema ISSUER_SCHEMA;
schema_read_value config_read_issuers; /* into struct config_entra */
/* `node` is the mapping `entra`. */
void config_check_issuers(struct loader *loader, const struct node *node,
                          const struct config_entra *entra);

/* config_identity.c */
extern const struct schema IDENTITY_SCHEMA;
schema_read_value config_read_identity; /* into struct config_identity */

/* config_workload.c */
extern const struct schema WORKLOAD_SCHEMA; /* into struct config_identity */
/* Takes from the environment what `workload` and the mapping around it leave out. */
void config_settle_workload(struct loader *loader, const struct node *workload,
                            struct config_identity *identity);

/* config_vaults.c */
extern const struct schema VAULT_SCHEMA; /* into struct config_vault */
schema_read_value config_read_vaults;    /* into struct config */

/* config_secrets.c */
extern const struct schema SECRET_SCHEMA;
schema_read_value config_read_secrets; /* into struct config; after credentials */
/* The index of the secret that VAULT/NAME[/VERSION] names, adding it when it is new. CONFIG_NONE
 * after a problem at `node`. What is written is never repeated in a message: it may be a password
 * put where its name belongs. */
size_t config_secret_refer(struct loader *loader, const struct node *node, struct slice reference);
/* Moves the rows to the configuration. */
void config_secrets_finish(struct loader *loader);

/* config_template.c: text with {SECRET} in it, `{{` and `}}` for braces. False after a problem. */
bool config_read_template(struct loader *loader, const struct node *node,
                          struct config_template *out_template);
/* One literal part. */
bool config_template_literal(struct loader *loader, struct slice text,
                             struct config_template *out_template);

/* config_credentials.c */
extern const struct schema CREDENTIAL_SCHEMA;
schema_read_value config_read_credentials;     /* into struct config */
schema_read_value config_read_credential_name; /* into size_t, an index; marks it used */

/* config_fields.c: what goes into the request by name, into struct config_credential */
schema_read_value config_read_headers;
schema_read_value config_read_query;
schema_read_value config_read_cookie;

/* config_scopes.c: tokens that barkeep asks Entra for, into struct config_credential */
extern const struct schema ENTRA_TOKEN_SCHEMA;
extern const struct schema ON_BEHALF_OF_SCHEMA;
/* Whether barkeep's identity can ask for what `credential` wants. `node` is the credential. */
void config_check_scope(struct loader *loader, const struct node *node,
                        const struct config_credential *credential);

/* config_assertion.c */
extern const struct schema ASSERTION_SCHEMA; /* into struct config; before secrets */

/* config_roles.c */
extern const struct schema ROLE_SCHEMA;
schema_read_value config_read_roles;     /* into struct config; also adds the built-in ones */
schema_read_value config_read_role_name; /* into size_t, an index; marks it used */

/* config_actions.c */
struct config_action_list {
    struct config_action *items;
    size_t count;
};
void config_read_actions(struct loader *loader, const struct node *node,
                         struct config_action_list *out_list);

/* config_mcp_actions.c */
extern const struct schema ACTION_SCHEMA;
/* "mcp:METHOD[:NAME]". False after a problem. */
bool config_read_mcp_action(struct loader *loader, const struct node *node, struct slice text,
                            struct config_action *out_action);
/* {action, when}. False after a problem. */
bool config_read_conditional_action(struct loader *loader, const struct node *node,
                                    struct config_action *out_action);
/* Whether a method and name of such an action can occur; only of a file without errors. `node` is
 * the action. */
void config_check_mcp_action(struct loader *loader, const struct node *node,
                             const struct config_mcp_action *action);

/* config_principals.c */
extern const struct schema PRINCIPAL_SCHEMA;
schema_read_value config_read_principals; /* into struct config_entry */

/* config_conditions.c */
extern const struct schema CONDITION_SCHEMA;
schema_read_value config_read_condition; /* into struct config_condition */

/* config_networks.c */
schema_read_value config_read_clients; /* into struct config_networks */
schema_read_value config_read_proxies; /* into struct config_networks */

/* config_rates.c */
extern const struct schema RATE_SCHEMA;
schema_read_value config_read_rate; /* into struct config_rate */

/* config_entries.c */
extern const struct schema ACCESS_SCHEMA;
extern const struct schema DENY_SCHEMA;
/* `scope` is what labels begin with: "" or "routes.NAME.". */
void config_read_entries(struct loader *loader, const struct node *node,
                         const struct schema *schema, const char *scope,
                         struct config_entries *out_entries);

/* config_upstreams.c */
schema_read_value config_read_upstreams; /* into struct config_route */

/* config_upstream_tls.c */
extern const struct schema HEALTH_SCHEMA;       /* into struct config_health */
extern const struct schema UPSTREAM_TLS_SCHEMA; /* into struct config_upstream_tls */

/* config_mcp.c */
extern const struct schema MCP_SCHEMA;
schema_read_value config_read_mcp; /* into struct config_mcp * */
/* What `mcp` and the rest of a route must be to each other. `node` is the route. */
void config_check_mcp(struct loader *loader, const struct node *node,
                      const struct config_route *route);
/* What has no effect, or nobody can use; only of a file without errors. */
void config_check_mcp_use(struct loader *loader);

/* config_mcp_sign_in.c */
/* What clients would meet when they sign in; only of a file without errors. */
void config_check_mcp_sign_in(struct loader *loader);

/* config_routes.c */
extern const struct schema ROUTE_SCHEMA;
schema_read_value config_read_routes; /* into struct config */

/* config_paths.c */
/* The canonical form of a path (of a pattern, if stars are welcome), or NULL after a problem. */
const char *config_read_path(struct loader *loader, const struct node *node, struct slice path,
                             bool is_pattern);
/* Whether a route at `prefix` takes requests for `path`: it, and whole segments below it. */
bool config_path_is_at_or_below(struct slice path, struct slice prefix);

/* config_route_checks.c: what concerns a route's upstreams and the credentials that reach them. */
void config_check_routes(struct loader *loader);

/* config_rule_checks.c: rules that can never match, or change nothing. */
void config_check_rules(struct loader *loader);

/* config_reach_checks.c: what cannot come in as the file expects. */
void config_check_reach(struct loader *loader);

/* config_literals.c: secrets written out. */
void config_check_literals(struct loader *loader);

/* config_file_checks.c: who else can read and write the files that are named. */
void config_check_files(struct loader *loader);

/* config_sharing.c: credentials that go to several backends. */
void config_check_sharing(struct loader *loader);

/* config_digest.c: what a reload names changes by; only of a file without errors. */
void config_digest_parts(struct loader *loader);

/* config_checks.c: what concerns several parts at once. */
void config_check(struct loader *loader);

#endif
