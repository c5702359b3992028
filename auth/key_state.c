/* Files are small and rewritten whole, on the keeper's loop, without waiting for the disk: one that
 * a power cut left torn is no strict JSON and counts as none. */
#define _GNU_SOURCE /* O_NOFOLLOW, fchmodat and friends */
#include "auth/key_state.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/metadata.h"
#include "auth/strict_json.h"
#include "core/json_out.h"

#define FORMAT 1
#define NAME_SIZE 128
/* A fetch time that far ahead is a clock that was set back, not a file from the future. */
#define CLOCK_TOLERANCE_SEC 300

struct key_state {
    const struct config *config;
    int directory;
};

static void file_name(const struct key_state *state, size_t slot, const char *suffix,
                      char out_name[NAME_SIZE]) {
    const struct config_entra *entra = &state->config->entra;
    struct key_slot at = key_slot_at(entra, slot);
    if (at.issuer == CONFIG_NONE)
        (void)snprintf(out_name, NAME_SIZE, "keys-%s-v%d.json%s", key_slot_tenant(entra, slot),
                       at.version, suffix);
    else
        (void)snprintf(out_name, NAME_SIZE, "keys-issuer-%s.json%s", entra->issuers[at.issuer].name,
                       suffix);
}

static bool is_ours_alone(const struct stat *stat) {
    bool is_trusted_owner = stat->st_uid == geteuid() || stat->st_uid == 0;
    return is_trusted_owner && (stat->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

struct key_state *key_state_open(const struct config *config, struct error *err) {
    struct stat stat;
    if (mkdir(config->state, 0700) != 0 && errno != EEXIST) {
        error_set(err, STATUS_IO, "state: %s cannot be made: %s", config->state, strerror(errno));
        return NULL;
    }
    int fd = open(config->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0) {
        error_set(err, STATUS_IO, "state: %s cannot be opened: %s", config->state, strerror(errno));
    } else if (!is_ours_alone(&stat)) {
        error_set(err, STATUS_INVALID,
                  "state: %s must belong to the user barkeep runs as, and nobody else may write to "
                  "it: whoever could would choose the keys",
                  config->state);
    } else {
        struct key_state *state = calloc(1, sizeof *state);
        if (state) {
            *state = (struct key_state){.config = config, .directory = fd};
            return state;
        }
        error_set(err, STATUS_NO_MEMORY, "no memory for the state folder");
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

void key_state_free(struct key_state *state) {
    if (!state)
        return;
    close(state->directory);
    free(state);
}

/* The bytes of a file of ours. The caller frees them. */
static enum status read_file(const struct key_state *state, const char *name, char **out_bytes,
                             size_t *out_len, struct error *err) {
    enum status status = STATUS_INVALID;
    struct stat stat;
    char *bytes = NULL;
    int fd = openat(state->directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(err, STATUS_NOT_FOUND, "%s is not there", name);
    if (fd < 0 || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) || !is_ours_alone(&stat)) {
        error_set(err, status, "%s is not a file that only barkeep's user can write", name);
        goto out;
    }
    if (stat.st_size > KEY_SET_MAX_DOCUMENT_BYTES) {
        error_set(err, status, "%s is too large", name);
        goto out;
    }
    size_t len = 0, size = (size_t)stat.st_size;
    bytes = malloc(size + 1);
    ssize_t got = bytes ? 1 : 0;
    while (got > 0 && len < size) {
        got = read(fd, bytes + len, size - len);
        if (got > 0)
            len += (size_t)got;
    }
    if (!bytes || len < size) {
        error_set(err, status, "%s cannot be read", name);
        goto out;
    }
    *out_bytes = bytes;
    *out_len = len;
    bytes = NULL;
    status = STATUS_OK;
out:
    free(bytes);
    if (fd >= 0)
        close(fd);
    return status;
}

/* The set must be the one that would be asked for now. */
static enum status check_origin(const struct key_state *state, size_t slot, const json_t *document,
                                int64_t now_wall_sec, struct key_state_entry *entry,
                                struct error *err) {
    const struct config_entra *entra = &state->config->entra;
    const json_t *format = json_object_get(document, "format");
    const json_t *fetched = json_object_get(document, "fetched");
    char url[METADATA_URL_SIZE];
    if (!json_is_integer(format) || json_integer_value(format) != FORMAT)
        return error_set(err, STATUS_INVALID, "is of another format");
    if (!metadata_url(entra, slot, url) ||
        !slice_eq_str(strict_json_text(document, "metadata"), url))
        return error_set(err, STATUS_INVALID, "comes from another address");
    entry->fetched_wall_sec = json_is_integer(fetched) ? json_integer_value(fetched) : -1;
    if (entry->fetched_wall_sec <= 0 ||
        entry->fetched_wall_sec > now_wall_sec + CLOCK_TOLERANCE_SEC)
        return error_set(err, STATUS_INVALID, "has no usable time");
    if (now_wall_sec - entry->fetched_wall_sec >= entra->keys_max_stale_sec)
        return error_set(err, STATUS_INVALID, "is older than max_stale");
    return metadata_check_issuer(strict_json_text(document, "issuer"), entra, slot, entry->issuer,
                                 err);
}

enum status key_state_load(const struct key_state *state, size_t slot, int64_t now_wall_sec,
                           struct key_state_entry *out_entry, struct error *err) {
    struct key_state_entry entry = {0};
    struct key_refusals refusals;
    struct json_t *document = NULL;
    char name[NAME_SIZE];
    char *bytes = NULL;
    size_t len = 0;
    file_name(state, slot, "", name);
    enum status status = read_file(state, name, &bytes, &len, err);
    if (status != STATUS_OK)
        return status;
    struct slice text = slice_of(bytes, len);
    if (strict_json_parse(text, STRICT_JSON_REFUSE_NUL, &document) != STATUS_OK)
        status = error_set(err, STATUS_INVALID, "is not one strict JSON object");
    else
        status = check_origin(state, slot, document, now_wall_sec, &entry, err);
    if (status == STATUS_OK) {
        entry.keys = key_set_parse_of_cloud(text, NULL, &refusals, err);
        if (!entry.keys || key_set_count(entry.keys) == 0) {
            key_set_unref(entry.keys);
            status = error_set(err, STATUS_INVALID, "has no usable key");
        }
    }
    if (status == STATUS_OK)
        *out_entry = entry;
    strict_json_free(document);
    free(bytes);
    return status;
}

static void write_number(struct json_out *out, const char *member, EVP_PKEY *key,
                         const char *param) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[1024 + 3] = {0};
    char text[4 * 342 + 1];
    size_t len = 0, text_len = 0;
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(key, param, &number) == 1 && BN_num_bytes(number) <= 1024)
        len = (size_t)BN_bn2bin(number, bytes);
    BN_free(number);
    for (size_t i = 0; i < len; i += 3) {
        unsigned group = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | bytes[i + 2];
        for (unsigned shift = 24; shift > 0; shift -= 6)
            text[text_len++] = alphabet[group >> (shift - 6) & 63];
    }
    json_out_str(out, member, slice_of(text, (len * 4 + 2) / 3)); /* no padding */
}

static void write_keys(struct json_out *out, const struct key_set *keys) {
    json_out_array_begin(out, "keys");
    for (size_t i = 0; i < key_set_count(keys); i++) {
        const struct verification_key *key = key_set_at(keys, i);
        json_out_object_begin(out, NULL);
        json_out_cstr(out, "kty", "RSA");
        json_out_str(out, "kid", key->kid);
        write_number(out, "n", key->key, OSSL_PKEY_PARAM_RSA_N);
        write_number(out, "e", key->key, OSSL_PKEY_PARAM_RSA_E);
        if (key->issuer.ptr)
            json_out_str(out, "issuer", key->issuer);
        json_out_object_end(out);
    }
    json_out_array_end(out);
}

static bool write_document(const struct key_state *state, size_t slot,
                           const struct key_state_entry *entry, struct buf *out_text) {
    char url[METADATA_URL_SIZE];
    struct json_out out;
    if (!metadata_url(&state->config->entra, slot, url))
        return false;
    json_out_init(&out, out_text);
    json_out_object_begin(&out, NULL);
    json_out_i64(&out, "format", FORMAT);
    json_out_cstr(&out, "metadata", url);
    json_out_cstr(&out, "issuer", entry->issuer);
    json_out_i64(&out, "fetched", entry->fetched_wall_sec);
    write_keys(&out, entry->keys);
    json_out_object_end(&out);
    buf_append_char(out_text, '\n');
    return buf_ok(out_text);
}

static bool write_all(int fd, struct slice text) {
    while (text.len > 0) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text = slice_skip(text, (size_t)written);
    }
    return true;
}

/* The old file stays as it is unless the new one is complete. */
static bool replace_file(const struct key_state *state, const char *name, const char *new_name,
                         struct slice text) {
    (void)unlinkat(state->directory, new_name, 0); /* left behind by an end in the middle */
    int fd = openat(state->directory, new_name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool is_written = write_all(fd, text);
    is_written &= close(fd) == 0;
    if (is_written && renameat(state->directory, new_name, state->directory, name) == 0)
        return true;
    (void)unlinkat(state->directory, new_name, 0);
    return false;
}

enum status key_state_save(const struct key_state *state, size_t slot,
                           const struct key_state_entry *entry, struct error *err) {
    enum status status = STATUS_OK;
    char name[NAME_SIZE], new_name[NAME_SIZE];
    struct buf text;
    file_name(state, slot, "", name);
    file_name(state, slot, ".new", new_name);
    buf_init(&text, KEY_SET_MAX_DOCUMENT_BYTES);
    if (!write_document(state, slot, entry, &text)) {
        status = error_set(err, STATUS_LIMIT, "%s does not fit", name);
    } else if (!replace_file(state, name, new_name, buf_slice(&text))) {
        status = error_set(err, STATUS_IO, "%s cannot be written: %s", name, strerror(errno));
    }
    if (status != STATUS_OK)
        (void)unlinkat(state->directory, name, 0);
    buf_done(&text);
    return status;
}
