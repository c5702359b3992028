/* Keys and certificates made to order. The value of a certificate's secret is what Key Vault
 * exports: a PFX in base64 or PEM, with the private key unless the order says that it must stay. */
#include "vault_certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json_shape.h"
#include "must.h"
#include "pfx.h"

#define TYPE_PFX "application/x-pkcs12"
#define TYPE_PEM "application/x-pem-file"
#define PATH_SIZE 240

static const struct json_member certificate_members[] = {
    {"subject", MEMBER_STRING, 0}, {"dns", MEMBER_STRING, 0},  {"contentType", MEMBER_STRING, 0},
    {"issuer", MEMBER_STRING, 0},  {"kty", MEMBER_STRING, 0},  {"key_size", MEMBER_INTEGER, 0},
    {"crv", MEMBER_STRING, 0},     {"nbf", MEMBER_INTEGER, 0}, {"exp", MEMBER_INTEGER, 0},
    {"enabled", MEMBER_BOOL, 0},   {"tags", MEMBER_OBJECT, 0}, {"exportable", MEMBER_BOOL, 0},
    {"pfx", MEMBER_STRING, 0},     {NULL, MEMBER_ANY, 0},
};

static const struct json_member key_members[] = {
    {"kty", MEMBER_STRING, 0},  {"key_size", MEMBER_INTEGER, 0}, {"crv", MEMBER_STRING, 0},
    {"nbf", MEMBER_INTEGER, 0}, {"exp", MEMBER_INTEGER, 0},      {"enabled", MEMBER_BOOL, 0},
    {"tags", MEMBER_OBJECT, 0}, {NULL, MEMBER_ANY, 0},
};

static const char *text_of(const json_t *document, const char *member, const char *fallback) {
    const char *text = json_string_value(json_object_get(document, member));
    return text ? text : fallback;
}

static struct key_order key_order_of(const json_t *document) {
    return (struct key_order){
        .type = text_of(document, "kty", NULL),
        .bits = json_integer_value(json_object_get(document, "key_size")),
        .curve = text_of(document, "crv", NULL),
    };
}

static enum status check_one_of(const json_t *document, const char *member, const char *one,
                                const char *other, const char *path, struct error *err) {
    const char *text = text_of(document, member, one);
    if (strcmp(text, one) == 0 || strcmp(text, other) == 0)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "%s.%s must be %s or %s", path, member, one, other);
}

static enum status check_common(const json_t *document, const char *path, struct error *err) {
    const json_t *tags = json_object_get(document, "tags");
    struct key_order order = key_order_of(document);
    struct attributes trial = attributes_fresh();
    struct error reason = {0};
    enum status status = key_order_check(&order, &reason);
    if (status == STATUS_OK)
        status = attributes_update(&trial, document, &reason);
    if (status == STATUS_OK && tags)
        status = tags_check(tags, &reason);
    return status == STATUS_OK ? status : error_set(err, status, "%s: %s", path, reason.text);
}

enum status certificate_order_check(const json_t *document, const char *path, struct error *err) {
    enum status status = json_shape_check(document, path, certificate_members, err);
    if (status == STATUS_OK)
        status = check_one_of(document, "contentType", TYPE_PFX, TYPE_PEM, path, err);
    if (status == STATUS_OK)
        status = check_one_of(document, "issuer", "ca", "self", path, err);
    if (status == STATUS_OK)
        status = check_one_of(document, "pfx", "modern", "legacy", path, err);
    if (status == STATUS_OK && !strchr(text_of(document, "subject", "CN="), '='))
        status = error_set(err, STATUS_INVALID, "%s.subject must be like CN=name,O=name", path);
    return status == STATUS_OK ? check_common(document, path, err) : status;
}

enum status key_document_check(const json_t *document, const char *path, struct error *err) {
    enum status status = json_shape_check(document, path, key_members, err);
    return status == STATUS_OK ? check_common(document, path, err) : status;
}

/* The document was checked, so that this cannot fail. */
static void dress(struct vault_version *version, const json_t *document) {
    json_t *tags = json_object_get(document, "tags");
    must_hold(attributes_update(&version->attributes, document, NULL) == STATUS_OK);
    version->tags = tags ? must(json_deep_copy(tags)) : NULL;
}

enum status vault_key_add(struct vault *vault, const char *name, const json_t *document,
                          struct vault_version **out_version, struct error *err) {
    struct key_order order = key_order_of(document);
    enum status status = key_document_check(document, "key", err);
    if (status != STATUS_OK)
        return status;
    struct key_pair *key = key_pair_make(&order, err);
    if (!key)
        return STATUS_INVALID;
    status = vault_add(vault, COLLECTION_KEYS, name, NULL, out_version, err);
    if (status != STATUS_OK) {
        key_pair_free(key);
        return status;
    }
    (*out_version)->key = key;
    dress(*out_version, document);
    return STATUS_OK;
}

static bool is_exportable(const json_t *document) {
    return !json_is_false(json_object_get(document, "exportable"));
}

static json_t *policy_of(const char *name, const json_t *document, const struct key_pair *key) {
    char *subject = must_printf("CN=%s", name);
    const char *dns = text_of(document, "dns", NULL);
    json_t *key_props =
        must(json_pack("{s:b, s:b}", "exportable", is_exportable(document), "reuse_key", 0));
    const json_t *bits = json_object_get(document, "key_size");
    json_object_set_new(key_props, "kty", must(json_string(key_pair_is_rsa(key) ? "RSA" : "EC")));
    if (key_pair_is_rsa(key))
        json_object_set_new(key_props, "key_size",
                            must(json_integer(bits ? json_integer_value(bits) : 2048)));
    else
        json_object_set_new(key_props, "crv", must(json_string(text_of(document, "crv", "P-256"))));
    json_t *policy = must(
        json_pack("{s:o, s:{s:s}, s:{s:s, s:[s], s:[s, s], s:i, s:{s:b}}, "
                  "s:[{s:{s:i}, s:{s:s}}], s:{s:s}}",
                  "key_props", key_props, "secret_props", "contentType",
                  text_of(document, "contentType", TYPE_PFX), "x509_props", "subject",
                  text_of(document, "subject", subject), "ekus", "1.3.6.1.5.5.7.3.2", "key_usage",
                  "digitalSignature", "keyEncipherment", "validity_months", 12, "basic_constraints",
                  "ca", 0, "lifetime_actions", "trigger", "lifetime_percentage", 80, "action",
                  "action_type", "AutoRenew", "issuer", "name",
                  strcmp(text_of(document, "issuer", "ca"), "self") == 0 ? "Self" : "Unknown"));
    if (dns)
        json_object_set_new(json_object_get(policy, "x509_props"), "sans",
                            must(json_pack("{s:[s]}", "dns_names", dns)));
    free(subject);
    return policy;
}

/* What the certificate's secret says. NULL when OpenSSL cannot. */
static char *export_value(const json_t *document, const char *key_pem, const char *chain_pem) {
    const char *exported_key = is_exportable(document) ? key_pem : NULL;
    if (strcmp(text_of(document, "contentType", TYPE_PFX), TYPE_PFX) == 0)
        return pfx_encode(exported_key, chain_pem,
                          strcmp(text_of(document, "pfx", "modern"), "legacy") == 0);
    return must_printf("%s%s", exported_key ? exported_key : "", chain_pem);
}

/* What one version is made of; everything is taken over by put_version(). */
struct ingredients {
    struct key_pair *key;
    char *chain_pem;
    char *value;
};

static enum status make_ingredients(const char *name, const json_t *document,
                                    const struct client_ca *ca, struct ingredients *out_made,
                                    struct error *err) {
    struct key_order order = key_order_of(document);
    struct ingredients made = {.key = key_pair_make(&order, err)};
    if (!made.key)
        return STATUS_INVALID;
    char *key_pem = key_pair_pem(made.key);
    char *subject = must_printf("CN=%s", name);
    bool is_self_signed = strcmp(text_of(document, "issuer", "ca"), "self") == 0;
    enum status status = client_certificate_make(
        &(struct client_certificate_order){
            .subject = text_of(document, "subject", subject),
            .dns_name = text_of(document, "dns", NULL),
            .key_pem = key_pem,
            .ca = is_self_signed ? NULL : ca,
            .not_before = json_integer_value(json_object_get(document, "nbf")),
            .expires = json_integer_value(json_object_get(document, "exp")),
        },
        &made.chain_pem, err);
    if (status == STATUS_OK) {
        made.value = export_value(document, key_pem, made.chain_pem);
        if (!made.value)
            status = error_set(err, STATUS_INVALID, "OpenSSL makes no such PFX");
    }
    free(subject);
    free(key_pem);
    if (status == STATUS_OK) {
        *out_made = made;
        return status;
    }
    free(made.chain_pem);
    key_pair_free(made.key);
    return status;
}

/* One of the three objects; the others have the same id and times. */
static enum status put_version(struct vault *vault, enum collection collection, const char *name,
                               const char *id, const json_t *document,
                               const struct certificate_facts *facts,
                               struct vault_version **out_version, struct error *err) {
    enum status status = vault_add(vault, collection, name, id, out_version, err);
    if (status != STATUS_OK)
        return status;
    struct vault_version *version = *out_version;
    dress(version, document);
    version->attributes.not_before = facts->not_before;
    version->attributes.expires = facts->expires;
    version->is_managed = collection != COLLECTION_CERTIFICATES;
    if (collection != COLLECTION_KEYS)
        version->content_type = must_strdup(text_of(document, "contentType", TYPE_PFX));
    return STATUS_OK;
}

/* The names of a certificate, its key and its secret are one. */
static enum status check_names(const struct vault *vault, const char *name, struct error *err) {
    for (int i = 0; i < COLLECTION_COUNT; i++) {
        const struct vault_object *object = vault_find(vault, (enum collection)i, name);
        bool is_foreign =
            object && i != COLLECTION_CERTIFICATES && !vault_version(object, NULL)->is_managed;
        if (is_foreign || vault_conflict(vault, (enum collection)i, name))
            return error_set(err, STATUS_INVALID, "the name %s is taken in %s", name,
                             collection_name((enum collection)i));
    }
    return object_name_is_valid(name)
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "a name is 1-127 letters, digits, hyphens");
}

enum status vault_certificate_add(struct vault *vault, const char *name, const json_t *document,
                                  const struct client_ca *ca, struct vault_version **out_version,
                                  struct error *err) {
    struct ingredients made;
    enum status status = certificate_order_check(document, "certificate", err);
    if (status == STATUS_OK)
        status = check_names(vault, name, err);
    if (status == STATUS_OK)
        status = make_ingredients(name, document, ca, &made, err);
    if (status != STATUS_OK)
        return status;
    struct certificate_facts facts;
    struct vault_version *certificate;
    struct vault_version *key;
    struct vault_version *secret;
    certificate_describe(made.chain_pem, &facts);
    json_t *policy = policy_of(name, document, made.key);
    status = put_version(vault, COLLECTION_CERTIFICATES, name, NULL, document, &facts, &certificate,
                         err);
    if (status == STATUS_OK) {
        certificate->chain_pem = made.chain_pem;
        certificate->policy = policy;
        must_hold(put_version(vault, COLLECTION_KEYS, name, certificate->id, document, &facts, &key,
                              err) == STATUS_OK);
        must_hold(put_version(vault, COLLECTION_SECRETS, name, certificate->id, document, &facts,
                              &secret, err) == STATUS_OK);
        key->key = made.key;
        secret->value = made.value;
        *out_version = certificate;
    } else {
        free(made.chain_pem);
        free(made.value);
        key_pair_free(made.key);
        json_decref(policy);
    }
    certificate_facts_done(&facts);
    return status;
}

static enum status check_orders(const json_t *orders, enum collection collection, const char *path,
                                struct error *err) {
    const char *name;
    json_t *document;
    json_object_foreach((json_t *)orders, name, document) {
        char where[PATH_SIZE];
        snprintf(where, sizeof(where), "%s.%s.%.130s", path, collection_name(collection), name);
        if (!object_name_is_valid(name))
            return error_set(err, STATUS_INVALID, "%s: a name is 1-127 letters, digits, hyphens",
                             where);
        enum status status = collection == COLLECTION_KEYS
                                 ? key_document_check(document, where, err)
                                 : certificate_order_check(document, where, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status vault_orders_take(struct vault *vault, const json_t *keys, const json_t *certificates,
                              const char *path, struct error *err) {
    enum status status = check_orders(keys, COLLECTION_KEYS, path, err);
    if (status == STATUS_OK)
        status = check_orders(certificates, COLLECTION_CERTIFICATES, path, err);
    if (status == STATUS_OK)
        vault->orders = must(json_pack("{s:o*, s:o*}", "keys", json_deep_copy(keys), "certificates",
                                       json_deep_copy(certificates)));
    return status;
}

static enum status fill(struct vault *vault, enum collection collection, const char *wanted,
                        const struct client_ca *ca, struct error *err) {
    json_t *orders = json_object_get(vault->orders, collection_name(collection));
    const char *name;
    void *next;
    json_t *document;
    json_object_foreach_safe(orders, next, name, document) {
        struct vault_version *version;
        if (wanted && strcasecmp(wanted, name) != 0)
            continue;
        enum status status = collection == COLLECTION_KEYS
                                 ? vault_key_add(vault, name, document, &version, err)
                                 : vault_certificate_add(vault, name, document, ca, &version, err);
        if (status != STATUS_OK)
            return status;
        json_object_del(orders, name);
    }
    return STATUS_OK;
}

enum status vault_orders_fill(struct vault *vault, const char *name, const struct client_ca *ca,
                              struct error *err) {
    enum status status = fill(vault, COLLECTION_KEYS, name, ca, err);
    return status == STATUS_OK ? fill(vault, COLLECTION_CERTIFICATES, name, ca, err) : status;
}
