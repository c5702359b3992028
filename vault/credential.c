/* Renders credentials: asks which secrets there are, has the part for its kind write what goes into
 * the request, and notes which versions it was made of and where they may go. A rendering is whole
 * or holds nothing. */
#include "vault/credential.h"

#include <assert.h>
#include <stdlib.h>

#include "vault/rendering_parts.h"
#include "vault/secret_hosts.h"

/* Names, versions and hosts of one credential. */
#define MAX_ARENA_BYTES (256 * 1024)

static void add_index(struct secret_set *set, size_t index) {
    if (index == CONFIG_NONE)
        return;
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i] == index)
            return;
    set->items[set->count++] = index;
}

static void add_template(struct secret_set *set, const struct config_template *text) {
    for (size_t i = 0; i < text->count; i++)
        add_index(set, text->parts[i].secret);
}

static void add_all(struct secret_set *set, const struct config_credential *credential) {
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
    size_t uses = 1 + credential->username.count;
    for (size_t i = 0; i < credential->field_count; i++)
        uses += credential->fields[i].value.count;
    return uses;
}

static bool has_all(const struct secret_set *needed, const struct secret_view *views,
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

static bool copy_used(struct rendering *rendering, const struct secret_set *needed,
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

static bool copy_values(struct rendering *rendering, const struct secret_set *needed,
                        const struct secret_view *views) {
    struct arena *arena = &rendering->arena;
    rendering->values = arena_array(arena, needed->count, sizeof *rendering->values);
    if (!rendering->values)
        return false;
    for (size_t i = 0; i < needed->count; i++) {
        const struct secret_view *view = &views[needed->items[i]];
        const char *hosts = view->hosts ? arena_strdup(arena, view->hosts) : NULL;
        if (view->hosts && !hosts)
            return false;
        rendering->values[rendering->value_count++] =
            (struct rendered_value){needed->items[i], secret_ref(view->value), hosts};
    }
    return true;
}

static bool copy_bounds(struct rendering *rendering, const struct secret_set *needed,
                        const struct secret_view *views) {
    struct rendered_hosts *bounds = arena_array(&rendering->arena, needed->count, sizeof *bounds);
    size_t count = 0;
    if (!bounds)
        return false;
    for (size_t i = 0; i < needed->count; i++) {
        const char *tag = views[needed->items[i]].hosts;
        if (tag && !secret_hosts_read(tag, &rendering->arena, &bounds[count++]))
            return false;
    }
    rendering->credential.bounds = bounds;
    rendering->credential.bound_count = count;
    return true;
}

static enum status render_certificate(struct rendering *rendering, const struct secret_view *secret,
                                      struct error *err) {
    struct error why = {""};
    const enum status status =
        client_certificate_read(secret_bytes(secret->value), &rendering->certificate, &why);
    if (status != STATUS_OK)
        return error_set(err, status, "secret %s/%s: %s", secret->vault, secret->name, why.text);
    rendering->credential.certificate = rendering->certificate;
    return STATUS_OK;
}

static enum status render(struct rendering *rendering, const struct config_credential *credential,
                          const struct secret_view *views, struct error *err) {
    switch (credential->kind) {
    case CREDENTIAL_CLIENT_CERTIFICATE:
        return render_certificate(rendering, &views[credential->certificate], err);
    case CREDENTIAL_ENTRA_TOKEN:
    case CREDENTIAL_ON_BEHALF_OF:
        return error_set(err, STATUS_NOT_FOUND, "there is no token yet");
    case CREDENTIAL_QUERY:
    case CREDENTIAL_COOKIE:
        return render_pairs(rendering, credential, views, err);
    default:
        return render_headers(rendering, credential, views, err);
    }
}

static void drop_pairs(const struct rendered_pair *pairs, size_t *count) {
    for (size_t i = 0; i < *count; i++)
        secret_unref(pairs[i].text);
    *count = 0;
}

/* What goes into a request. */
static void drop_rendered(struct rendering *rendering) {
    struct rendered_credential *credential = &rendering->credential;
    for (size_t i = 0; i < credential->header_count; i++)
        secret_unref(credential->headers[i].line);
    credential->header_count = 0;
    drop_pairs(credential->query, &credential->query_count);
    drop_pairs(credential->cookies, &credential->cookie_count);
    for (size_t i = 0; i < rendering->value_count; i++)
        secret_unref(rendering->values[i].value);
    rendering->value_count = 0;
    client_certificate_free(rendering->certificate);
    leak_set_unref(rendering->leaks);
    rendering->certificate = NULL;
    rendering->leaks = NULL;
    credential->certificate = NULL;
    credential->leaks = NULL;
}

/* Leaves the rendering unavailable, with nothing of it kept, when anything is missing or wrong. */
static void fill(struct rendering *rendering, const struct config_credential *credential,
                 const struct secret_set *needed, const struct secret_view *views,
                 struct error *err) {
    if (!has_all(needed, views, err))
        return;
    enum status status = STATUS_NO_MEMORY;
    if (copy_used(rendering, needed, views) && copy_values(rendering, needed, views) &&
        copy_bounds(rendering, needed, views))
        status = render(rendering, credential, views, err);
    else
        render_no_memory(err);
    rendering->credential.is_available = status == STATUS_OK;
    rendering->lacks_memory = status == STATUS_NO_MEMORY;
    if (!rendering->credential.is_available)
        drop_rendered(rendering);
}

static enum status render_token(struct rendering *rendering, struct secret *token,
                                struct error *err) {
    const struct secret_view view = {.value = token};
    const struct config_credential bearer = {.kind = CREDENTIAL_BEARER, .bearer = 0};
    const struct leak_source source = {secret_bytes(token), LEAK_TOKEN};
    const enum status status = render_headers(rendering, &bearer, &view, err);
    if (status != STATUS_OK)
        return status;
    if (!leak_set_new(&source, 1, &rendering->leaks))
        return render_no_memory(err);
    rendering->credential.leaks = rendering->leaks;
    return STATUS_OK;
}

static void fill_token(struct rendering *rendering, struct secret *token, struct error *err) {
    if (!token) {
        error_set(err, STATUS_NOT_FOUND, "there is no token");
        return;
    }
    if (secret_has_control_bytes(token)) {
        error_set(err, STATUS_INVALID, "the token holds control bytes");
        return;
    }
    const enum status status = render_token(rendering, token, err);
    rendering->credential.is_available = status == STATUS_OK;
    rendering->lacks_memory = status == STATUS_NO_MEMORY;
    if (!rendering->credential.is_available)
        drop_rendered(rendering);
}

bool credential_secrets(const struct config_credential *credential, size_t **out_indexes,
                        size_t *out_count) {
    struct secret_set set = {.items = calloc(max_uses(credential), sizeof *set.items)};
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
    struct secret_set needed = {0};
    struct rendering *rendering = rendering_alloc();
    if (!rendering || !credential_secrets(credential, &needed.items, &needed.count)) {
        rendering_unref(rendering);
        return NULL;
    }
    fill(rendering, credential, &needed, views, err);
    free(needed.items);
    return rendering;
}

struct rendering *rendering_of_token(struct secret *token, struct error *err) {
    struct rendering *rendering = rendering_alloc();
    if (rendering)
        fill_token(rendering, token, err);
    return rendering;
}

void rendering_set_previous(struct rendering *rendering, struct rendering *previous) {
    assert(atomic_load(&rendering->refs) == 1 && (!previous || !previous->previous));
    rendering_unref(rendering->previous);
    rendering->previous = previous ? rendering_ref(previous) : NULL;
    rendering->credential.previous = previous ? &previous->credential : NULL;
}

void rendering_set_generation(struct rendering *rendering, const struct rendering *same) {
    assert(atomic_load(&rendering->refs) == 1);
    rendering->credential.generation = same->credential.generation;
}

bool rendering_lacks_memory(const struct rendering *rendering) {
    return rendering->lacks_memory;
}

static bool is_of(const struct rendered_value *rendered, const struct secret_view *view) {
    if (!view->value || !secret_eq(rendered->value, view->value))
        return false;
    if (!rendered->hosts || !view->hosts)
        return !rendered->hosts && !view->hosts;
    return strcmp(rendered->hosts, view->hosts) == 0;
}

bool rendering_holds(const struct rendering *rendering, const struct secret_view *current,
                     const struct secret_view *previous) {
    for (size_t i = 0; i < rendering->value_count; i++) {
        const struct rendered_value *value = &rendering->values[i];
        if (!is_of(value, &current[value->secret]) && !is_of(value, &previous[value->secret]))
            return false;
    }
    return rendering->credential.is_available && rendering->value_count > 0;
}

struct rendering *rendering_previous(const struct rendering *rendering) {
    return rendering->previous;
}

struct rendering *rendering_without_previous(struct rendering *rendering) {
    struct rendering *alone = calloc(1, sizeof *alone);
    if (!alone)
        return NULL;
    atomic_init(&alone->refs, 1);
    alone->credential = rendering->credential;
    alone->credential.previous = NULL;
    alone->values = rendering->values;
    alone->value_count = rendering->value_count;
    alone->whole = rendering_ref(rendering);
    return alone;
}

struct rendering *rendering_ref(struct rendering *rendering) {
    atomic_fetch_add_explicit(&rendering->refs, 1, memory_order_relaxed);
    return rendering;
}

void rendering_unref(struct rendering *rendering) {
    if (!rendering || atomic_fetch_sub_explicit(&rendering->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (!rendering->whole)
        drop_rendered(rendering);
    rendering_unref(rendering->whole);
    rendering_unref(rendering->previous);
    arena_done(&rendering->arena);
    free(rendering);
}

const struct rendered_credential *rendering_credential(const struct rendering *rendering) {
    return &rendering->credential;
}
