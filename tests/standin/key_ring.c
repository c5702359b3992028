/* The key ring. keys.json names the keys, key-ID.pem holds one each; the server changes the ring,
 * the `token` command reads it, and a lock makes sure that two processes never both invent one. */
#include "key_ring.h"

#include <stdlib.h>

#include "certificates.h"
#include "must.h"

#define RING_FILE "keys.json"

struct key_ring {
    struct state *state;
    struct signing_key *published[KEY_RING_MAX];
    size_t count;
    struct signing_key *unpublished;
};

static char *key_file(const char *id) {
    return must_printf("key-%s.pem", id);
}

static struct signing_key *key_make(const struct state *state, struct error *err) {
    char *pem = NULL;
    if (certificate_make_signing(&pem, err) != STATUS_OK)
        return NULL;
    struct signing_key *key = signing_key_parse(pem, err);
    if (key) {
        char *file = key_file(signing_key_id(key));
        if (state_write(state, file, pem, err) != STATUS_OK) {
            signing_key_free(key);
            key = NULL;
        }
        free(file);
    }
    free(pem);
    return key;
}

static struct signing_key *key_load(const struct state *state, const char *id, struct error *err) {
    char *file = key_file(id);
    char *pem = NULL;
    struct signing_key *key = NULL;
    if (state_read(state, file, &pem, err) == STATUS_OK)
        key = signing_key_parse(pem, err);
    free(pem);
    free(file);
    return key;
}

/* Forgets the key and its file. */
static void key_drop(const struct state *state, struct signing_key *key) {
    if (!key)
        return;
    char *file = key_file(signing_key_id(key));
    state_remove(state, file);
    free(file);
    signing_key_free(key);
}

static enum status ring_save(const struct key_ring *ring, struct error *err) {
    json_t *ids = must(json_array());
    for (size_t i = 0; i < ring->count; i++)
        json_array_append_new(ids, must(json_string(signing_key_id(ring->published[i]))));
    json_t *document = must(json_pack("{s:o, s:s}", "published", ids, "unpublished",
                                      signing_key_id(ring->unpublished)));
    char *text = must(json_dumps(document, JSON_INDENT(1)));
    enum status status = state_write(ring->state, RING_FILE, text, err);
    free(text);
    json_decref(document);
    return status;
}

static enum status ring_load(struct key_ring *ring, const char *text, struct error *err) {
    json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    json_t *ids = json_object_get(document, "published");
    const char *unpublished = json_string_value(json_object_get(document, "unpublished"));
    enum status status = STATUS_INVALID;
    if (json_array_size(ids) < KEY_RING_MIN || json_array_size(ids) > KEY_RING_MAX ||
        !unpublished) {
        error_set(err, status, "%s/%s is damaged; remove the directory", ring->state->dir,
                  RING_FILE);
        goto out;
    }
    size_t index;
    json_t *id;
    json_array_foreach(ids, index, id) {
        const char *name = json_string_value(id);
        ring->published[index] = name ? key_load(ring->state, name, err) : NULL;
        if (!ring->published[index])
            goto out;
        ring->count++;
    }
    ring->unpublished = key_load(ring->state, unpublished, err);
    if (ring->unpublished)
        status = STATUS_OK;
out:
    json_decref(document);
    return status;
}

/* Makes what is missing of a complete ring and saves it. */
static enum status ring_fill(struct key_ring *ring, struct error *err) {
    while (ring->count < KEY_RING_MIN) {
        ring->published[ring->count] = key_make(ring->state, err);
        if (!ring->published[ring->count])
            return STATUS_IO;
        ring->count++;
    }
    if (!ring->unpublished)
        ring->unpublished = key_make(ring->state, err);
    return ring->unpublished ? ring_save(ring, err) : STATUS_IO;
}

enum status key_ring_open(struct state *state, struct key_ring **out_ring, struct error *err) {
    struct key_ring *ring = must_array(1, sizeof(*ring));
    ring->state = state;
    enum status status = state_lock(state, err);
    if (status != STATUS_OK)
        goto out;
    char *text = NULL;
    status = state_read(state, RING_FILE, &text, err);
    if (status == STATUS_OK)
        status = ring_load(ring, text, err);
    else if (status == STATUS_NOT_FOUND)
        status = ring_fill(ring, err);
    free(text);
    state_unlock(state);
out:
    if (status == STATUS_OK)
        *out_ring = ring;
    else
        key_ring_free(ring);
    return status;
}

void key_ring_free(struct key_ring *ring) {
    if (!ring)
        return;
    for (size_t i = 0; i < ring->count; i++)
        signing_key_free(ring->published[i]);
    signing_key_free(ring->unpublished);
    free(ring);
}

size_t key_ring_count(const struct key_ring *ring) {
    return ring->count;
}

const struct signing_key *key_ring_at(const struct key_ring *ring, size_t index) {
    return index < ring->count ? ring->published[index] : NULL;
}

const struct signing_key *key_ring_unpublished(const struct key_ring *ring) {
    return ring->unpublished;
}

const struct signing_key *key_ring_find(const struct key_ring *ring, const char *id) {
    for (size_t i = 0; i < ring->count; i++)
        if (strcmp(signing_key_id(ring->published[i]), id) == 0)
            return ring->published[i];
    return NULL;
}

/* Room for one more in front; the keys from `keep` on are dropped. */
static void push_front(struct key_ring *ring, struct signing_key *key, size_t keep) {
    if (keep > KEY_RING_MAX - 1)
        keep = KEY_RING_MAX - 1;
    while (ring->count > keep)
        key_drop(ring->state, ring->published[--ring->count]);
    memmove(ring->published + 1, ring->published, ring->count * sizeof(*ring->published));
    ring->published[0] = key;
    ring->count++;
}

enum status key_ring_roll(struct key_ring *ring, size_t keep, struct error *err) {
    enum status status = state_lock(ring->state, err);
    if (status != STATUS_OK)
        return status;
    struct signing_key *key = key_make(ring->state, err);
    status = STATUS_IO;
    if (key) {
        push_front(ring, key, keep);
        status = ring_fill(ring, err);
    }
    state_unlock(ring->state);
    return status;
}

enum status key_ring_renew_unpublished(struct key_ring *ring, struct error *err) {
    enum status status = state_lock(ring->state, err);
    if (status != STATUS_OK)
        return status;
    struct signing_key *key = key_make(ring->state, err);
    status = STATUS_IO;
    if (key) {
        key_drop(ring->state, ring->unpublished);
        ring->unpublished = key;
        status = ring_save(ring, err);
    }
    state_unlock(ring->state);
    return status;
}

enum status key_ring_publish(struct key_ring *ring, struct error *err) {
    if (ring->count == KEY_RING_MAX)
        return error_set(err, STATUS_LIMIT, "at most %d keys are published; roll first",
                         KEY_RING_MAX);
    enum status status = state_lock(ring->state, err);
    if (status != STATUS_OK)
        return status;
    struct signing_key *key = key_make(ring->state, err);
    status = STATUS_IO;
    if (key) {
        ring->published[ring->count++] = ring->unpublished;
        ring->unpublished = key;
        status = ring_save(ring, err);
    }
    state_unlock(ring->state);
    return status;
}
