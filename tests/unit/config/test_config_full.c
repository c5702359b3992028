/* Every field of a full configuration. */
#include "config_case.h"

static const char FULL[] =
    "listen:\n"
    "  - 0.0.0.0:8080\n"
    "  - \"[::1]:8081\"\n"
    "  - {address: \"unix:/run/barkeep.sock\"}\n"
    "  - :8082\n"
    "  - address: 0.0.0.0:8443\n"
    "    tls:\n"
    "      certificates:\n"
    "        - {certificate: gw.pem, key: /keys/gw.key}\n"
    "        - {certificate: other.pem}\n"
    "      client_ca: callers.pem\n"
    "      client_auth: optional\n"
    "  - {address: 127.0.0.1:8444, tls: {certificate: gw.pem, key: gw.key, client_ca: "
    "callers.pem}}\n"
    "admin: localhost:9191\n"
    "workers: 4\n"
    "entra:\n"
    "  tenant: [3F2B8C1A-6D4E-4B7F-9A21-5C0DE1F2A3B4, " CLIENT "]\n"
    "  audience: [api://orders-gw, " CLIENT "]\n"
    "  cloud: usgov\n"
    "  authority: https://login.example:8443/\n"
    "  token_versions: [2]\n"
    "  clock_skew: 90s\n"
    "  keys: {refresh: 30m, max_stale: 12h}\n"
    "  groups: {overage: refuse, form: name}\n"
    "  max_token_lifetime: 36h\n"
    "  metadata_appid: 8D1E6F20-1B2C-4D3E-8F90-A1B2C3D4E5F6\n"
    "  issuers:\n"
    "    - name: customers\n"
    "      metadata: https://c.b2clogin.com/c/flow/v2.0/.well-known/openid-configuration\n"
    "      issuer: https://c.b2clogin.com/" TENANT "/v2.0/\n"
    "      audience: [shop, " CLIENT "]\n"
    "      tenant: 3F2B8C1A-6D4E-4B7F-9A21-5C0DE1F2A3B4\n"
    "identity:\n"
    "  client: {id: 8D1E6F20-1B2C-4D3E-8F90-A1B2C3D4E5F6, certificate_file: "
    "client.pem}\n"
    "  tenant: " CLIENT "\n"
    "  authority: https://login.other.example\n"
    "  endpoint: http://127.0.0.1:4141/\n"
    "vaults:\n"
    "  prod: {url: \"https://contoso.vault.usgovcloudapi.net/\", api_version: 7.6-preview.2}\n"
    "  local: file:secrets/\n"
    "credentials:\n"
    "  admin: {basic: {username: root, password: prod/Db-Admin}}\n"
    "  named: {basic: {username: {secret: local/user.txt}, password: prod/db-admin}}\n"
    "  token: {bearer: prod/api/0123456789ABCDEF0123456789abcdef}\n"
    "  keyed:\n"
    "    headers:\n"
    "      X-Api-Key: \"{local/key}\"\n"
    "      X-Both: \"a{{{local/key}b}}c}{prod/db-admin}\"\n"
    "      X-Plain: plain\n"
    "  asked: {query: {\"api key\": \"{local/key}\", \"a&b\": \"v1 {local/key}\"}}\n"
    "  baked: {cookie: {__Host-session: \"v1.{local/key}\"}}\n"
    "  own: {entra_token: {scope: https://storage.azure.com/.default}}\n"
    "  theirs: {on_behalf_of: {scope: api://orders/Read api://orders/Write}}\n"
    "  shown: {client_certificate: prod/gateway-tls}\n"
    "secrets:\n"
    "  prod/DB-ADMIN: {refresh: 1m, max_stale: 2h}\n"
    "roles:\n"
    "  Queue Operator: {actions: [\"* /**\"], not_actions: [\"DELETE,M-SEARCH /api/%75sers/**\"]}\n"
    "routes:\n"
    "  - name: db\n"
    "    host: DB.example\n"
    "    path: /db/\n"
    "    upstream: [\"http://10.0.0.7:8086/base/\", \"http://[::1]\", \"unix:/run/db.sock\"]\n"
    "    balance: least_connections\n"
    "    health: {failures: 3, pause: 2s, max_pause: 30s}\n"
    "    upstream_networks: [10.0.0.0/8, \"2001:db8::/32\"]\n"
    "    encoded_slashes: pass\n"
    "    credential: keyed\n"
    "    access:\n"
    "      - role: Queue Operator\n"
    "        to: {group: [Admins, Domain Users], tenant: " CLIENT "}\n"
    "        credential: admin\n"
    "      - actions: [\"GET /a*\"]\n"
    "        to: [{app_role: Read}, {app: " GROUP ", scope: [a.b, c]}, {user: " TENANT "}]\n"
    "    deny:\n"
    "      - to: {user: " GROUP "}\n"
    "      - {to: {everyone: true}, actions: [\"* /private/**\"]}\n"
    "    timeouts: {connect: 250ms, head: 2m, idle: 1h}\n"
    "    limits: {body: 64KiB, requests: 200}\n"
    "    token_header: X-Barkeep-Authorization\n"
    "    identity_headers: both\n"
    "    preserve_host: true\n"
    "    websocket: true\n"
    "    retry: off\n"
    "    allow_plaintext_credential: true\n"
    "    rate: {per: client, requests: 100, window: 10s, burst: 20}\n"
    "    shadow: true\n"
    "  - name: rest\n"
    "    upstream: [https://rest.example, \"https://[2001:db8::1]:443/v1\", "
    "https://10.0.0.9:8443]\n"
    "    scrub: false\n"
    "    tls: {ca: ca.pem, verify: false, server_name: Rest.Internal, certificate: shown}\n"
    "access:\n"
    "  - {role: Reader, to: {everyone: true}, credential: token}\n"
    "  - {role: Contributor, to: {app_role: Ops}, when: {client: 10.0.0.0/8, acrs: [c1, c99], "
    "mfa: true}, "
    "credential: named}\n"
    "deny:\n"
    "  - {to: {app: " GROUP "}, actions: [\"DELETE /**\"], when: {acrs: c2}}\n"
    "log: {audit: audit.jsonl, level: debug, on_full: drop}\n"
    "limits: {connections: 5, header_bytes: 16KiB, headers: 50, token_bytes: 8KiB, head_timeout: "
    "5s,\n"
    "         idle_timeout: 30s, connections_per_client: 3, buffer_memory: 64MiB}\n"
    "trusted_proxies: [127.0.0.1]\n"
    "drain: 10s\n"
    "state: state\n"
    "expose_reasons: false\n"
    "assertion: {key: prod/signing-key, issuer: \"https://gw.example\"}\n"
    "revoked: revoked.list\n";

static struct config *full;

static int load_full(void **state) {
    (void)state;
    struct problem_list problems;
    full = case_parse_whole(FULL, &problems);
    if (!full)
        case_print(FULL, &problems);
    problem_list_done(&problems);
    return full ? 0 : -1;
}

static int drop_full(void **state) {
    (void)state;
    config_unref(full);
    return 0;
}

static void assert_strings(const struct config_strings *strings, const char *first,
                           const char *second) {
    assert_int_equal(strings->count, (first ? 1 : 0) + (second ? 1 : 0));
    if (first)
        assert_string_equal(strings->items[0], first);
    if (second)
        assert_string_equal(strings->items[1], second);
}

static void reads_listeners(void **state) {
    (void)state;
    assert_string_equal(full->path, "/etc/barkeep/case.yaml");
    assert_int_equal(full->listen_count, 6);
    assert_string_equal(full->listen[0].text, "0.0.0.0:8080");
    assert_string_equal(full->listen[0].host, "0.0.0.0");
    assert_int_equal(full->listen[0].port, 8080);
    assert_string_equal(full->listen[1].host, "::1");
    assert_true(full->listen[2].is_unix);
    assert_string_equal(full->listen[2].unix_path, "/run/barkeep.sock");
    assert_string_equal(full->listen[3].text, ":8082");
    assert_string_equal(full->listen[3].host, "0.0.0.0");
    assert_true(full->admin_is_on);
    assert_string_equal(full->admin.host, "localhost");
    assert_int_equal(full->admin.port, 9191);
    assert_int_equal(full->workers, 4);
}

static void reads_certificates_of_listeners(void **state) {
    (void)state;
    assert_null(full->listen[3].tls);
    const struct config_listen_tls *several = full->listen[4].tls;
    assert_non_null(several);
    assert_int_equal(several->certificate_count, 2);
    assert_string_equal(several->certificates[0].file, "/etc/barkeep/gw.pem");
    assert_string_equal(several->certificates[0].key_file, "/keys/gw.key");
    assert_string_equal(several->certificates[1].file, "/etc/barkeep/other.pem");
    assert_null(several->certificates[1].key_file);
    assert_string_equal(several->client_ca_file, "/etc/barkeep/callers.pem");
    assert_true(several->client_is_optional);
    const struct config_listen_tls *single = full->listen[5].tls;
    assert_non_null(single);
    assert_int_equal(single->certificate_count, 1);
    assert_string_equal(single->certificates[0].file, "/etc/barkeep/gw.pem");
    assert_string_equal(single->certificates[0].key_file, "/etc/barkeep/gw.key");
    assert_string_equal(single->client_ca_file, "/etc/barkeep/callers.pem");
    assert_false(single->client_is_optional);
}

static void reads_entra(void **state) {
    (void)state;
    const struct config_entra *entra = &full->entra;
    assert_true(entra->is_present);
    assert_strings(&entra->tenants, TENANT, CLIENT);
    assert_strings(&entra->audiences, "api://orders-gw", CLIENT);
    assert_int_equal(entra->cloud, CLOUD_USGOV);
    assert_string_equal(entra->authority, "https://login.example:8443");
    assert_true(entra->authority_is_override);
    assert_false(entra->accepts_v1);
    assert_true(entra->accepts_v2);
    assert_int_equal(entra->clock_skew_sec, 90);
    assert_int_equal(entra->keys_refresh_sec, 1800);
    assert_int_equal(entra->keys_max_stale_sec, 43200);
    assert_true(entra->groups_by_name);
    assert_true(entra->overage_refused);
    assert_string_equal(entra->graph_url, "https://graph.microsoft.us");
    assert_int_equal(entra->max_token_lifetime_sec, 36 * 3600);
    assert_string_equal(entra->metadata_appid, "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6");
}

static void reads_static_issuers(void **state) {
    (void)state;
    assert_int_equal(full->entra.issuer_count, 1);
    const struct config_issuer *issuer = &full->entra.issuers[0];
    assert_string_equal(issuer->name, "customers");
    assert_string_equal(issuer->metadata,
                        "https://c.b2clogin.com/c/flow/v2.0/.well-known/openid-configuration");
    assert_string_equal(issuer->issuer, "https://c.b2clogin.com/" TENANT "/v2.0/");
    assert_strings(&issuer->audiences, "shop", CLIENT);
    assert_string_equal(issuer->tenant, TENANT);
}

static void reads_identity_and_vaults(void **state) {
    (void)state;
    const struct config_identity *identity = &full->identity;
    assert_int_equal(identity->kind, IDENTITY_CLIENT_CERTIFICATE);
    assert_null(identity->managed_client_id);
    assert_string_equal(identity->client_id, CLIENT);
    assert_null(identity->client_secret_file);
    assert_string_equal(identity->client_certificate_file, "/etc/barkeep/client.pem");
    assert_string_equal(identity->tenant, CLIENT);
    assert_string_equal(identity->authority, "https://login.other.example");
    assert_string_equal(identity->endpoint, "http://127.0.0.1:4141");
    assert_int_equal(full->vault_count, 2);
    assert_string_equal(full->vaults[0].name, "prod");
    assert_int_equal(full->vaults[0].kind, VAULT_KEY_VAULT);
    assert_string_equal(full->vaults[0].url, "https://contoso.vault.usgovcloudapi.net");
    assert_string_equal(full->vaults[0].api_version, "7.6-preview.2");
    assert_string_equal(full->vaults[0].resource, "https://vault.usgovcloudapi.net");
    assert_string_equal(full->vaults[1].name, "local");
    assert_int_equal(full->vaults[1].kind, VAULT_FILE);
    assert_string_equal(full->vaults[1].directory, "/etc/barkeep/secrets");
}

static void assert_secret(size_t index, size_t vault, const char *name, const char *version,
                          uint32_t refresh_sec, uint32_t max_stale_sec) {
    assert_true(index < full->secret_count);
    const struct config_secret *secret = &full->secrets[index];
    assert_int_equal(secret->vault, vault);
    assert_string_equal(secret->name, name);
    if (version)
        assert_string_equal(secret->version, version);
    else
        assert_null(secret->version);
    assert_int_equal(secret->refresh_sec, refresh_sec);
    assert_int_equal(secret->max_stale_sec, max_stale_sec);
}

static void reads_credentials_and_their_secrets(void **state) {
    (void)state;
    const struct config_credential *credentials = full->credentials;
    assert_int_equal(full->credential_count, 9);
    assert_int_equal(full->secret_count, 6);

    assert_string_equal(credentials[0].name, "admin");
    assert_int_equal(credentials[0].kind, CREDENTIAL_BASIC);
    assert_int_equal(credentials[0].position.line, 42);
    assert_int_equal(credentials[0].position.column, 3);
    assert_int_equal(credentials[0].username.count, 1);
    assert_int_equal(credentials[0].username.parts[0].secret, CONFIG_NONE);
    assert_true(slice_eq_str(credentials[0].username.parts[0].literal, "root"));
    assert_secret(credentials[0].password, 0, "Db-Admin", NULL, 60, 7200);

    assert_int_equal(credentials[1].username.count, 1);
    assert_secret(credentials[1].username.parts[0].secret, 1, "user.txt", NULL, 300, 86400);
    assert_int_equal(credentials[1].password, credentials[0].password);

    assert_int_equal(credentials[2].kind, CREDENTIAL_BEARER);
    assert_secret(credentials[2].bearer, 0, "api", "0123456789abcdef0123456789abcdef", 300, 86400);

    assert_true(full->assertion.has_key && config_uses_assertions(full));
    assert_secret(full->assertion.key, 0, "signing-key", NULL, 300, 86400);
    assert_string_equal(full->assertion.issuer, "https://gw.example");
}

static void reads_header_templates(void **state) {
    (void)state;
    const struct config_credential *keyed = &full->credentials[3];
    assert_int_equal(keyed->kind, CREDENTIAL_HEADERS);
    assert_int_equal(keyed->field_count, 3);

    assert_string_equal(keyed->fields[0].name, "X-Api-Key");
    assert_int_equal(keyed->fields[0].value.count, 1);
    assert_secret(keyed->fields[0].value.parts[0].secret, 1, "key", NULL, 300, 86400);

    const struct config_template *both = &keyed->fields[1].value;
    assert_int_equal(both->count, 4);
    assert_true(slice_eq_str(both->parts[0].literal, "a{"));
    assert_int_equal(both->parts[1].secret, keyed->fields[0].value.parts[0].secret);
    assert_true(slice_eq_str(both->parts[2].literal, "b}c}"));
    assert_int_equal(both->parts[3].secret, full->credentials[0].password);

    assert_int_equal(keyed->fields[2].value.count, 1);
    assert_int_equal(keyed->fields[2].value.parts[0].secret, CONFIG_NONE);
    assert_true(slice_eq_str(keyed->fields[2].value.parts[0].literal, "plain"));
}

static void reads_query_parameters_and_cookies(void **state) {
    (void)state;
    const struct config_credential *asked = &full->credentials[4];
    size_t key = full->credentials[3].fields[0].value.parts[0].secret;
    assert_int_equal(asked->kind, CREDENTIAL_QUERY);
    assert_int_equal(asked->field_count, 2);
    assert_string_equal(asked->fields[0].name, "api key");
    assert_int_equal(asked->fields[0].value.parts[0].secret, key);
    assert_string_equal(asked->fields[1].name, "a&b");
    assert_int_equal(asked->fields[1].value.count, 2);
    assert_true(slice_eq_str(asked->fields[1].value.parts[0].literal, "v1 "));

    const struct config_credential *baked = &full->credentials[5];
    assert_int_equal(baked->kind, CREDENTIAL_COOKIE);
    assert_int_equal(baked->field_count, 1);
    assert_string_equal(baked->fields[0].name, "__Host-session");
    assert_int_equal(baked->fields[0].value.parts[1].secret, key);
}

static void reads_tokens_and_client_certificates(void **state) {
    (void)state;
    const struct config_credential *own = &full->credentials[6];
    assert_int_equal(own->kind, CREDENTIAL_ENTRA_TOKEN);
    assert_string_equal(own->scope, "https://storage.azure.com/.default");
    assert_int_equal(own->certificate, CONFIG_NONE);
    assert_int_equal(full->credentials[7].kind, CREDENTIAL_ON_BEHALF_OF);
    assert_string_equal(full->credentials[7].scope, "api://orders/Read api://orders/Write");
    assert_int_equal(full->credentials[8].kind, CREDENTIAL_CLIENT_CERTIFICATE);
    assert_secret(full->credentials[8].certificate, 0, "gateway-tls", NULL, 300, 86400);
}

static void reads_roles_after_the_built_in_ones(void **state) {
    (void)state;
    assert_int_equal(full->role_count, 3);
    assert_string_equal(full->roles[0].name, "Reader");
    assert_int_equal(full->roles[0].actions[0].methods.count, 3);
    assert_string_equal(full->roles[0].actions[0].methods.items[2], "OPTIONS");
    assert_string_equal(full->roles[0].actions[0].pattern, "/**");
    assert_string_equal(full->roles[1].name, "Contributor");
    assert_int_equal(full->roles[1].actions[0].methods.count, 0);
    assert_string_equal(full->roles[2].name, "Queue Operator");
    assert_int_equal(full->roles[2].action_count, 1);
    assert_int_equal(full->roles[2].actions[0].methods.count, 0);
    assert_int_equal(full->roles[2].not_action_count, 1);
    const struct config_action *not_action = &full->roles[2].not_actions[0];
    assert_strings(&not_action->methods, "DELETE", "M-SEARCH");
    assert_string_equal(not_action->pattern, "/api/users/**");
    assert_string_equal(not_action->text, "DELETE,M-SEARCH /api/%75sers/**");
}

static void reads_routes_and_upstreams(void **state) {
    (void)state;
    assert_int_equal(full->route_count, 2);
    const struct config_route *db = &full->routes[0];
    assert_string_equal(db->name, "db");
    assert_string_equal(db->host, "db.example");
    assert_string_equal(db->path, "/db");
    assert_int_equal(db->position.line, 60);
    assert_int_equal(db->position.column, 5);
    assert_true(db->pass_encoded_slashes);
    assert_int_equal(db->credential, 3);
    assert_int_equal(db->connect_timeout_ms, 250);
    assert_int_equal(db->head_timeout_ms, 120000);
    assert_int_equal(db->idle_timeout_ms, 3600000);
    assert_int_equal(db->body_limit_bytes, 65536);
    assert_string_equal(db->token_header, "X-Barkeep-Authorization");
    assert_int_equal(db->identity_headers, IDENTITY_HEADERS_BOTH);
    assert_true(config_sends_easyauth(db) && config_sends_assertion(db));
    assert_true(db->preserve_host);
    assert_int_equal(db->balance, BALANCE_LEAST_CONNECTIONS);
    assert_int_equal(db->health.failures, 3);
    assert_int_equal(db->health.pause_ms, 2000);
    assert_int_equal(db->health.max_pause_ms, 30000);
    assert_int_equal(db->upstream_networks.count, 2);
    assert_int_equal(db->requests_limit, 200);
    assert_true(db->websocket);
    assert_false(db->retry_safe);
    assert_true(db->allow_plaintext_credential);

    assert_int_equal(db->upstream_count, 3);
    const struct config_upstream *upstreams = db->upstreams;
    assert_string_equal(upstreams[0].text, "http://10.0.0.7:8086/base/");
    assert_string_equal(upstreams[0].host, "10.0.0.7");
    assert_int_equal(upstreams[0].port, 8086);
    assert_string_equal(upstreams[0].host_header, "10.0.0.7:8086");
    assert_string_equal(upstreams[0].base_path, "/base");
    assert_false(upstreams[0].is_loopback);
    assert_string_equal(upstreams[1].host, "::1");
    assert_int_equal(upstreams[1].port, 80);
    assert_string_equal(upstreams[1].host_header, "[::1]");
    assert_string_equal(upstreams[1].base_path, "");
    assert_true(upstreams[1].is_loopback);
    assert_true(upstreams[2].is_unix);
    assert_true(upstreams[2].is_loopback);
    assert_string_equal(upstreams[2].unix_path, "/run/db.sock");
}

static void reads_https_upstreams(void **state) {
    (void)state;
    const struct config_route *rest = &full->routes[1];
    const struct config_upstream *upstreams = rest->upstreams;
    assert_int_equal(rest->upstream_count, 3);
    assert_true(upstreams[0].is_tls && upstreams[1].is_tls && upstreams[2].is_tls);
    assert_int_equal(upstreams[0].port, 443);
    assert_string_equal(upstreams[0].host_header, "rest.example");
    assert_int_equal(upstreams[1].port, 443);
    assert_string_equal(upstreams[1].host, "2001:db8::1");
    assert_string_equal(upstreams[1].host_header, "[2001:db8::1]");
    assert_string_equal(upstreams[1].base_path, "/v1");
    assert_int_equal(upstreams[2].port, 8443);
    assert_string_equal(upstreams[2].host_header, "10.0.0.9:8443");
    assert_false(full->routes[0].upstreams[0].is_tls);

    assert_false(rest->scrub);
    assert_string_equal(rest->tls.ca_file, "/etc/barkeep/ca.pem");
    assert_false(rest->tls.verify);
    assert_string_equal(rest->tls.server_name, "rest.internal");
    assert_int_equal(rest->tls.certificate, 8);
}

static void reads_rules(void **state) {
    (void)state;
    const struct config_route *db = &full->routes[0];
    assert_int_equal(db->access.count, 2);
    const struct config_entry *first = &db->access.items[0];
    assert_string_equal(first->label, "routes.db.access[0]");
    assert_int_equal(first->role, 2);
    assert_int_equal(first->action_count, 0);
    assert_int_equal(first->credential, 0);
    assert_int_equal(first->position.line, 70);
    assert_int_equal(first->to_count, 1);
    assert_strings(&first->to[0].groups, "Admins", "Domain Users");
    assert_strings(&first->to[0].tenants, CLIENT, NULL);

    const struct config_entry *second = &db->access.items[1];
    assert_int_equal(second->role, CONFIG_NONE);
    assert_int_equal(second->action_count, 1);
    assert_string_equal(second->actions[0].pattern, "/a*");
    assert_int_equal(second->credential, CONFIG_NONE);
    assert_int_equal(second->to_count, 3);
    assert_strings(&second->to[0].app_roles, "Read", NULL);
    assert_strings(&second->to[1].apps, GROUP, NULL);
    assert_strings(&second->to[1].scopes, "a.b", "c");
    assert_strings(&second->to[2].users, TENANT, NULL);
    assert_false(second->to[2].everyone);

    assert_int_equal(db->deny.count, 2);
    assert_string_equal(db->deny.items[0].label, "routes.db.deny[0]");
    assert_int_equal(db->deny.items[0].role, CONFIG_NONE);
    assert_int_equal(db->deny.items[0].action_count, 0);
    assert_true(db->deny.items[1].to[0].everyone);

    assert_int_equal(full->access.count, 2);
    assert_string_equal(full->access.items[0].label, "access[0]");
    assert_int_equal(full->access.items[0].role, 0);
    assert_int_equal(full->access.items[0].credential, 2);
    assert_int_equal(full->deny.count, 1);
    assert_string_equal(full->deny.items[0].label, "deny[0]");
}

static void reads_conditions(void **state) {
    (void)state;
    assert_strings(&full->access.items[0].when.acrs, NULL, NULL);
    assert_false(full->access.items[0].when.mfa);
    assert_strings(&full->access.items[1].when.acrs, "c1", "c99");
    assert_true(full->access.items[1].when.mfa);
    assert_strings(&full->deny.items[0].when.acrs, "c2", NULL);
    assert_false(full->deny.items[0].when.mfa);
}

static void reads_settings(void **state) {
    (void)state;
    assert_string_equal(full->audit_file, "/etc/barkeep/audit.jsonl");
    assert_int_equal(full->log_level, LOG_DEBUG);
    assert_true(full->audit_full_drops);
    assert_int_equal(full->limits.connections, 5);
    assert_int_equal(full->limits.connections_per_client, 3);
    assert_true(full->limits.buffer_bytes == UINT64_C(64) << 20);
    assert_int_equal(full->limits.header_bytes, 16384);
    assert_int_equal(full->limits.headers, 50);
    assert_int_equal(full->limits.token_bytes, 8192);
    assert_int_equal(full->limits.head_timeout_ms, 5000);
    assert_int_equal(full->limits.idle_timeout_ms, 30000);
    assert_int_equal(full->drain_ms, 10000);
    assert_non_null(strstr(full->state, "/state"));
    assert_false(full->expose_reasons);
    assert_string_equal(full->revoked_file, "/etc/barkeep/revoked.list");
    assert_int_equal(full->revoked_position.column, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_listeners),
        cmocka_unit_test(reads_certificates_of_listeners),
        cmocka_unit_test(reads_entra),
        cmocka_unit_test(reads_static_issuers),
        cmocka_unit_test(reads_identity_and_vaults),
        cmocka_unit_test(reads_credentials_and_their_secrets),
        cmocka_unit_test(reads_header_templates),
        cmocka_unit_test(reads_query_parameters_and_cookies),
        cmocka_unit_test(reads_tokens_and_client_certificates),
        cmocka_unit_test(reads_roles_after_the_built_in_ones),
        cmocka_unit_test(reads_routes_and_upstreams),
        cmocka_unit_test(reads_https_upstreams),
        cmocka_unit_test(reads_rules),
        cmocka_unit_test(reads_conditions),
        cmocka_unit_test(reads_settings),
    };
    return cmocka_run_group_tests(tests, load_full, drop_full);
}
