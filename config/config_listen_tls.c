/* `tls` of a listener: who barkeep is to callers, and whether it asks who they are. */
#include "config/config_parts.h"

static void read_file(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    if (loader_read_text(loader, node, "the path of a PEM file", &text))
        *(const char **)target = loader_copy_path(loader, text);
}

static void read_client_ca(struct loader *loader, const struct node *node, void *target) {
    struct config_listen_tls *tls = target;
    read_file(loader, node, &tls->client_ca_file);
    tls->client_ca_position = node->position;
}

static const struct schema_row CERTIFICATE_ROWS[] = {
    {.key = "certificate",
     .type = SCHEMA_OTHER,
     .read = read_file,
     OFFSET_IN(config_listen_certificate, file),
     .is_required = true,
     .summary = "the path of a PEM file: the certificate, then those above it"},
    {.key = "key",
     .type = SCHEMA_OTHER,
     .read = read_file,
     OFFSET_IN(config_listen_certificate, key_file),
     .summary = "the path of its private key in PEM; default: in the certificate's file"},
    {0},
};

const struct schema LISTEN_CERTIFICATE_SCHEMA = {"a listener's certificate", CERTIFICATE_ROWS};

static void add_certificate(struct loader *loader, const struct node *node,
                            struct config_listen_tls *tls) {
    struct config_listen_certificate *certificate = &tls->certificates[tls->certificate_count];
    const struct node *file = node_find(node, SLICE("certificate"));
    schema_read(loader, &LISTEN_CERTIFICATE_SCHEMA, node, certificate);
    certificate->position = file ? file->position : node->position;
    tls->certificate_count++;
}

static void read_certificates(struct loader *loader, const struct node *node, void *target) {
    struct config_listen_tls *tls = target;
    if (node->kind != NODE_LIST || node->count == 0) {
        loader_error(loader, node, "must be a list of {certificate: FILE, key: FILE}");
        return;
    }
    tls->certificates = loader_array(loader, node->count, sizeof *tls->certificates);
    for (const struct node *item = node->first; tls->certificates && item; item = item->next)
        add_certificate(loader, item, tls);
}

static const struct schema_row LISTEN_TLS_ROWS[] = {
    {.key = "certificate",
     .type = SCHEMA_OTHER,
     .read = read_file,
     OFFSET_IN(config_listen_tls, single.file),
     .summary = "the path of a PEM file: the certificate, then those above it"},
    {.key = "key",
     .type = SCHEMA_OTHER,
     .read = read_file,
     OFFSET_IN(config_listen_tls, single.key_file),
     .summary = "the path of its private key in PEM; default: in the certificate's file"},
    {.key = "certificates",
     .type = SCHEMA_OTHER,
     .read = read_certificates,
     .shape = SHAPE_LIST,
     .is_required = false,
     .child = &LISTEN_CERTIFICATE_SCHEMA,
     .summary = "several, in place of `certificate`: the one that names the host asked for is "
                "shown, else the first"},
    {.key = "client_ca",
     .type = SCHEMA_OTHER,
     .read = read_client_ca,
     .summary = "the path of a PEM file with the authorities of callers' certificates; default: "
                "none is asked for"},
    {.key = "client_auth",
     .type = SCHEMA_SWITCH,
     OFFSET_IN(config_listen_tls, client_is_optional),
     .choices = "required|optional",
     .fallback = "required",
     .summary = "whether callers need a certificate of `client_ca` or may come without one"},
    {0},
};

const struct schema LISTEN_TLS_SCHEMA = {"a listener's tls", LISTEN_TLS_ROWS};

/* One pair is a list of one. */
static void settle_single(struct loader *loader, const struct node *node,
                          struct config_listen_tls *tls) {
    const struct node *file = node_find(node, SLICE("certificate"));
    const struct node *key = node_find(node, SLICE("key"));
    const struct node *several = node_find(node, SLICE("certificates"));
    if (several && (file || key)) {
        loader_key_error(loader, file ? file : key,
                         "stands beside `certificates`; put it there as an entry");
        return;
    }
    if (several)
        return;
    if (!file) {
        loader_missing(loader, node, "certificate", "the path of a PEM file");
        return;
    }
    tls->single.position = file->position;
    tls->certificates = &tls->single;
    tls->certificate_count = 1;
}

void config_read_listen_tls(struct loader *loader, const struct node *node, void *target) {
    struct config_listen_tls *tls = loader_array(loader, 1, sizeof *tls);
    if (!tls || !schema_read(loader, &LISTEN_TLS_SCHEMA, node, tls))
        return;
    settle_single(loader, node, tls);
    const struct node *client_auth = node_find(node, SLICE("client_auth"));
    if (client_auth && !node_find(node, SLICE("client_ca")))
        loader_key_error(loader, client_auth,
                         "needs `client_ca`: the authorities of callers' certificates");
    *(const struct config_listen_tls **)target = tls;
}
