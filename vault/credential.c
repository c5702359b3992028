/* Renders credentials. Every byte that a secret went into is born in secret memory of its final
 * size; there is no intermediate copy to wipe. What holds control bytes is not rendered at all. */
#include "vault/credential.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/arena.h"
#include "vault/secret_value.h"

/* Names and versions of one credential; the secrets are in secret memory. */
#define MAX_ARENA_BYTES (256 * 1024)

struct rendering {
    atomic_size_t refs;
    struct arena arena;
    struct rendering *previous;
    struct rendered_credential credential;
};

struct index_set {
    size_t *items;
    size_t count;
};

/* A value as a run of literals and secrets. */
struct value {
    const struct config_template *text;
    const struct secret_view *views;
};

static void add_index(struct index_set *set, size_t index) {
    if (index == CONFIG_NONE)
        return;
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i] == index)
            return;
    set->items[set->count++] = index;
}

static void add_template(struct index_set *set, const struct config_template *text) {
    for (size_t i = 0; i < text->count; i++)
        add_index(set, text->parts[i].secret);
}

static void add_all(struct index_set *set, const struct config_credential *credential) {
    switch (credential->kind) {
    case CREDENTIAL_BASIC:
        add_template(set, &credential->username);
        add_index(set, credential->password);
        break;
    case CREDENTIAL_BEARER:
        add_index(set, credential->bearer);
        break;
    case CREDENTIAL_HEADERS:
    case CREDENTIAL_QUERY:
    case CREDENTIAL_COOKIE:
        for (size_t i = 0; i < credential->field_count; i++)
            add_template(set, &credential->fields[i].value);
        break;
    case CREDENTIAL_CLIENT_CERTIFICATE:
        add_index(set, credential->certificate);
        break;
    case CREDENTIAL_ENTRA_TOKEN:
    case CREDENTIAL_ON_BEHALF_OF:
        break;
    }
}

static size_t max_uses(const struct config_credential *credential) {
    size_t uses = 1;
    if (credential->kind == CREDENTIAL_BASIC)
        uses += credential->username.count;
    for (size_t i = 0; i < credential->field_count; i++)
        uses += credential->fields[i].value.count;
    return uses;
}

static struct slice part_bytes(const struct value *value, size_t part) {
    const struct config_template_part *found = &value->text->parts[part];
    return found->secret == CONFIG_NONE ? found->literal
                                        : secret_bytes(value->views[found->secret].value);
}

static size_t value_len(const struct value *value) {
    size_t len = 0;
    for (size_t i = 0; i < value->text->count; i++)
        len += part_bytes(value, i).len;
    return len;
}

static char *put(char *at, struct slice bytes) {
    if (bytes.len > 0)
        memcpy(at, bytes.ptr, bytes.len);
    return at + bytes.len;
}

static char *put_value(char *at, const struct value *value) {
    for (size_t i = 0; i < value->text->count; i++)
        at = put(at, part_bytes(value, i));
    return at;
}

static enum status no_memory(struct error *err) {
    return error_set(err, STATUS_NO_MEMORY, "no secret memory left");
}

/* "NAME: PREFIX VALUE CRLF"; refuses a value that would end the line early. */
static enum status render_line(const char *name, struct slice prefix, const struct value *value,
                               struct secret **out_line, struct error *err) {
    const struct slice title = slice_of_str(name);
    const size_t len = value_len(value);
    struct secret *line = secret_new_blank(title.len + 2 + prefix.len + len + 2);
    if (!line)
        return no_memory(err);
    char *at = put(secret_writable(line), title);
    at = put(at, SLICE(": "));
    at = put(at, prefix);
    const struct slice written = slice_of(at, len);
    at = put_value(at, value);
    put(at, SLICE("\r\n"));
    if (secret_value_has_control_bytes(written)) {
        secret_unref(line);
        return error_set(err, STATUS_INVALID, "the value of %s holds control bytes", name);
    }
    *out_line = line;
    return STATUS_OK;
}

/* RFC 7617 2: a colon would move the border between user and password. */
static enum status join_user_password(const struct value *username, struct slice password,
                                      struct secret **out_joined, struct error *err) {
    const size_t name_len = value_len(username);
    struct secret *joined = secret_new_blank(name_len + 1 + password.len);
    if (!joined)
        return no_memory(err);
    char *at = put_value(secret_writable(joined), username);
    at = put(at, SLICE(":"));
    put(at, password);
    if (slice_index(secret_bytes(joined), ':') != name_len) {
        secret_unref(joined);
        return error_set(err, STATUS_INVALID, "the username holds a colon");
    }
    if (secret_has_control_bytes(joined)) {
        secret_unref(joined);
        return error_set(err, STATUS_INVALID, "the username or password holds control bytes");
    }
    *out_joined = joined;
    return STATUS_OK;
}

/* The encoder ends with a NUL of its own, which the line end then takes the place of. */
static enum status encode_basic(const struct secret *joined, struct secret **out_line,
                                struct error *err) {
    const struct slice prefix = SLICE("Authorization: Basic ");
    const struct slice bytes = secret_bytes(joined);
    const size_t encoded_len = (bytes.len + 2) / 3 * 4;
    struct secret *line = secret_new_blank(prefix.len + encoded_len + 2);
    if (!line)
        return no_memory(err);
    char *at = put(secret_writable(line), prefix);
    EVP_EncodeBlock((unsigned char *)at, (const unsigned char *)bytes.ptr, (int)bytes.len);
    put(at + encoded_len, SLICE("\r\n"));
    *out_line = line;
    return STATUS_OK;
}

static enum status render_basic(const struct config_credential *credential,
                                const struct secret_view *views, struct secret **out_line,
                                struct error *err) {
    const struct value username = {&credential->username, views};
    struct secret *joined = NULL;
    enum status status = join_user_password(
        &username, secret_bytes(views[credential->password].value), &joined, err);
    if (status == STATUS_OK)
        status = encode_basic(joined, out_line, err);
    secret_unref(joined);
    return status;
}

static enum status render_bearer(const struct config_credential *credential,
                                 const struct secret_view *views, struct secret **out_line,
                                 struct error *err) {
    struct config_template_part part = {.secret = credential->bearer};
    const struct config_template text = {&part, 1};
    const struct value value = {&text, views};
    return render_line("Authorization", SLICE("Bearer "), &value, out_line, err);
}

static enum status add_header(struct rendering *rendering, const char *name, struct secret *line,
                              struct error *err) {
    struct rendered_credential *credential = &rendering->credential;
    const char *kept = arena_strdup(&rendering->arena, name);
    if (!kept) {
        secret_unref(line);
        return no_memory(err);
    }
    credential->headers[credential->header_count++] = (struct rendered_header){kept, line};
    return STATUS_OK;
}

static enum status render_headers(struct rendering *rendering,
                                  const struct config_credential *credential,
                                  const struct secret_view *views, struct error *err) {
    for (size_t i = 0; i < credential->field_count; i++) {
        const struct config_credential_field *header = &credential->fields[i];
        const struct value value = {&header->value, views};
        struct secret *line = NULL;
        enum status status = render_line(header->name, SLICE(""), &value, &line, err);
        if (status == STATUS_OK)
            status = add_header(rendering, header->name, line, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status render(struct rendering *rendering, const struct config_credential *credential,
                          const struct secret_view *views, struct error *err) {
    struct secret *line = NULL;
    enum status status = STATUS_OK;
    switch (credential->kind) {
    case CREDENTIAL_BASIC:
        status = render_basic(credential, views, &line, err);
        break;
    case CREDENTIAL_BEARER:
        status = render_bearer(credential, views, &line, err);
        break;
    case CREDENTIAL_HEADERS:
        return render_headers(rendering, credential, views, err);
    case CREDENTIAL_QUERY:
    case CREDENTIAL_COOKIE:
    case CREDENTIAL_CLIENT_CERTIFICATE:
        return error_set(err, STATUS_INVALID, "credentials of this kind are not rendered yet");
    case CREDENTIAL_ENTRA_TOKEN:
    case CREDENTIAL_ON_BEHALF_OF:
        return error_set(err, STATUS_NOT_FOUND, "there is no token yet");
    }
    return status == STATUS_OK ? add_header(rendering, "Authorization", line, err) : status;
}

static void drop_headers(struct rendering *rendering) {
    struct rendered_credential *credential = &rendering->credential;
    for (size_t i = 0; i < credential->header_count; i++)
        secret_unref(credential->headers[i].line);
    credential->header_count = 0;
}

static bool has_all(const struct index_set *needed, const struct secret_view *views,
                    struct error *err) {
    for (size_t i = 0; i < needed->count; i++) {
        const struct secret_view *view = &views[needed->items[i]];
        if (view->value)
            continue;
        error_set(err, STATUS_NOT_FOUND, "secret %s/%s is not there", view->vault, view->name);
        return false;
    }
    return true;
}

static bool copy_used(struct rendering *rendering, const struct index_set *needed,
                      const struct secret_view *views) {
    struct arena *arena = &rendering->arena;
    struct secret_used *used = arena_array(arena, needed->count, sizeof *used);
    if (!used)
        return false;
    for (size_t i = 0; i < needed->count; i++) {
        const struct secret_view *view = &views[needed->items[i]];
        used[i].vault = arena_strdup(arena, view->vault);
        used[i].name = arena_strdup(arena, view->name);
        if (!used[i].vault || !used[i].name)
            return false;
        strncpy(used[i].version, view->version, sizeof used[i].version - 1);
    }
    rendering->credential.used = used;
    rendering->credential.used_count = needed->count;
    return true;
}

/* Leaves the rendering unavailable, with nothing of it kept, when anything is missing or wrong. */
static enum status fill(struct rendering *rendering, const struct config_credential *credential,
                        const struct index_set *needed, const struct secret_view *views,
                        struct error *err) {
    if (!has_all(needed, views, err))
        return STATUS_NOT_FOUND;
    const size_t max_headers = credential->kind == CREDENTIAL_HEADERS ? credential->field_count : 1;
    rendering->credential.headers =
        arena_array(&rendering->arena, max_headers, sizeof *rendering->credential.headers);
    if (!rendering->credential.headers || !copy_used(rendering, needed, views))
        return no_memory(err);
    const enum status status = render(rendering, credential, views, err);
    if (status != STATUS_OK)
        drop_headers(rendering);
    return status;
}

bool credential_secrets(const struct config_credential *credential, size_t **out_indexes,
                        size_t *out_count) {
    struct index_set set = {.items = calloc(max_uses(credential), sizeof *set.items)};
    if (!set.items)
        return false;
    add_all(&set, credential);
    *out_indexes = set.items;
    *out_count = set.count;
    return true;
}

/* 0 stands for "none was refused", so counting begins at 1. */
static uint64_t next_generation(void) {
    static atomic_uint_least64_t last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

static struct rendering *rendering_alloc(void) {
    struct rendering *rendering = calloc(1, sizeof *rendering);
    if (!rendering)
        return NULL;
    atomic_init(&rendering->refs, 1);
    arena_init(&rendering->arena, MAX_ARENA_BYTES);
    rendering->credential.generation = next_generation();
    return rendering;
}

struct rendering *rendering_new(const struct config_credential *credential,
                                const struct secret_view *views, struct error *err) {
    struct index_set needed = {0};
    struct rendering *rendering = rendering_alloc();
    if (!rendering || !credential_secrets(credential, &needed.items, &needed.count)) {
        rendering_unref(rendering);
        return NULL;
    }
    rendering->credential.is_available =
        fill(rendering, credential, &needed, views, err) == STATUS_OK;
    free(needed.items);
    return rendering;
}

static enum status fill_token(struct rendering *rendering, struct secret *token,
                              struct error *err) {
    const struct secret_view view = {.value = token};
    const struct config_credential bearer = {.kind = CREDENTIAL_BEARER, .bearer = 0};
    if (!token)
        return error_set(err, STATUS_NOT_FOUND, "there is no token");
    rendering->credential.headers =
        arena_array(&rendering->arena, 1, sizeof *rendering->credential.headers);
    return rendering->credential.headers ? render(rendering, &bearer, &view, err) : no_memory(err);
}

struct rendering *rendering_of_token(struct secret *token, struct error *err) {
    struct rendering *rendering = rendering_alloc();
    if (rendering)
        rendering->credential.is_available = fill_token(rendering, token, err) == STATUS_OK;
    return rendering;
}

void rendering_set_previous(struct rendering *rendering, struct rendering *previous) {
    assert(atomic_load(&rendering->refs) == 1);
    rendering_unref(rendering->previous);
    rendering->previous = previous ? rendering_ref(previous) : NULL;
    rendering->credential.previous = previous ? &previous->credential : NULL;
}

struct rendering *rendering_ref(struct rendering *rendering) {
    atomic_fetch_add_explicit(&rendering->refs, 1, memory_order_relaxed);
    return rendering;
}

void rendering_unref(struct rendering *rendering) {
    if (!rendering || atomic_fetch_sub_explicit(&rendering->refs, 1, memory_order_acq_rel) != 1)
        return;
    drop_headers(rendering);
    rendering_unref(rendering->previous);
    arena_done(&rendering->arena);
    free(rendering);
}

const struct rendered_credential *rendering_credential(const struct rendering *rendering) {
    return &rendering->credential;
}
