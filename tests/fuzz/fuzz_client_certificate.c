/* Any bytes as a client certificate, as the PFX behind its base64, and as a tag that names hosts:
 * bounded, and what is taken is fit for use. */
#include <openssl/rand.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/secret.h"
#include "fuzz_target.h"
#include "vault/certificate_parts.h"
#include "vault/client_certificate.h"
#include "vault/secret_hosts.h"

/* The random generators are made first: within the secure heap, where leak detection does not look,
 * what they hold would pass for lost. */
static void start(void) {
    static bool is_started;
    unsigned char byte = 0;
    bool is_locked = false;
    if (is_started)
        return;
    if (RAND_bytes(&byte, 1) != 1 || RAND_priv_bytes(&byte, 1) != 1 ||
        secret_memory_init(4 * 1024 * 1024, &is_locked, NULL) != STATUS_OK)
        abort();
    is_started = true;
}

static void read_value(struct slice value) {
    struct client_certificate *certificate = NULL;
    struct error err = {""};
    const enum status status = client_certificate_read(value, &certificate, &err);
    if ((status == STATUS_OK) != (certificate != NULL) || (status == STATUS_OK) != (!err.text[0]))
        abort();
    client_certificate_free(certificate);
}

static void read_der(struct slice der) {
    struct certificate_parts parts = {0};
    struct error err = {""};
    const enum status status = certificate_parts_read_pfx(&parts, der, &err);
    if (parts.count > CERTIFICATE_PARTS_MAX || (status == STATUS_OK) != (!err.text[0]))
        abort();
    certificate_parts_done(&parts);
}

static void read_hosts(struct slice bytes) {
    struct rendered_hosts hosts = {NULL, 0};
    struct arena arena;
    char *tag = slice_strdup(bytes);
    arena_init(&arena, 1024 * 1024);
    if (!tag || !secret_hosts_read(tag, &arena, &hosts))
        abort();
    for (size_t i = 0; i < hosts.count; i++)
        if (hosts.items[i].len == 0 || slice_index(hosts.items[i], ' ') != hosts.items[i].len)
            abort();
    if (hosts.count > 0 && secret_hosts_hold(&hosts, SLICE("no host"), 443))
        abort();
    arena_done(&arena);
    free(tag);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    const struct slice value = slice_of((const char *)bytes, len);
    start();
    read_value(value);
    read_der(value);
    read_hosts(value);
    return 0;
}
