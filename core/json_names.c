/* Few names without escapes, which is nearly every object there is, are held against each other by
 * their length and a few of their bytes: somebody who makes those alike has at most FEW names
 * compared with each other. More names, and names that can be spelled in several ways, go through a
 * table by a hash whose key nobody knows. */
#include "core/json_names.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/json_string.h"

enum { FEW = 16, SLOTS_ON_STACK = 128 };

/* `name` is 0 when free: the value 0 is the whole text and never a name. */
struct slot {
    uint32_t hash_high;
    uint32_t name;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t key[2];
static bool has_key;

static void make_key(void) {
    has_key = getrandom(key, sizeof key, 0) == (ssize_t)sizeof key;
}

static uint64_t load(const char *at, size_t len) {
    uint64_t word = 0;
    memcpy(&word, at, len);
    return word;
}

/* Differs only for names that differ. */
static uint64_t likeness(struct slice name) {
    if (name.len >= 8)
        return load(name.ptr, 8) ^ load(name.ptr + name.len - 8, 8) << 7 ^ name.len << 56;
    if (name.len >= 4)
        return load(name.ptr, 4) ^ load(name.ptr + name.len - 4, 4) << 24 ^ name.len << 60;
    uint64_t bytes = name.len;
    for (size_t i = 0; i < name.len; i++)
        bytes = bytes << 8 | (unsigned char)name.ptr[i];
    return bytes;
}

static uint32_t next_name(const struct json_text *json, uint32_t name) {
    return json->values[name + 1].next;
}

static bool has_escapes(const struct json_text *json, uint32_t object) {
    uint32_t end = json->values[object].next;
    for (uint32_t name = object + 1; name < end; name = next_name(json, name)) {
        if (json->values[name].has_escapes)
            return true;
    }
    return false;
}

static enum status few_differ(const struct json_text *json, uint32_t object,
                              uint32_t *out_duplicate) {
    uint64_t likes[FEW];
    uint32_t names[FEW], count = 0, end = json->values[object].next;
    for (uint32_t name = object + 1; name < end; name = next_name(json, name)) {
        struct slice inside = json_string_inside(json, name);
        uint64_t like = likeness(inside);
        for (uint32_t i = 0; i < count; i++) {
            if (like == likes[i] && slice_eq(inside, json_string_inside(json, names[i]))) {
                *out_duplicate = name;
                return STATUS_INVALID;
            }
        }
        likes[count] = like;
        names[count++] = name;
    }
    return STATUS_OK;
}

static uint64_t hash_of(struct slice inside) {
    struct siphash hash;
    siphash_begin(&hash, key);
    json_string_hash(&hash, inside);
    return siphash_end(&hash);
}

/* False when the table has a name that reads the same. */
static bool put(const struct json_text *json, struct slot *slots, size_t mask, uint32_t name) {
    struct slice inside = json_string_inside(json, name);
    uint64_t hash = hash_of(inside);
    uint32_t hash_high = (uint32_t)(hash >> 32);
    size_t at = hash & mask;
    for (; slots[at].name != 0; at = (at + 1) & mask) {
        if (slots[at].hash_high == hash_high &&
            json_string_equal(inside, json_string_inside(json, slots[at].name)))
            return false;
    }
    slots[at] = (struct slot){hash_high, name};
    return true;
}

static enum status all_differ(const struct json_text *json, uint32_t object, struct slot *slots,
                              size_t slot_count, uint32_t *out_duplicate) {
    uint32_t end = json->values[object].next;
    for (uint32_t name = object + 1; name < end; name = next_name(json, name)) {
        if (!put(json, slots, slot_count - 1, name)) {
            *out_duplicate = name;
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

static enum status many_differ(const struct json_text *json, uint32_t object,
                               uint32_t *out_duplicate) {
    pthread_once(&once, make_key);
    if (!has_key)
        return STATUS_NO_MEMORY;
    size_t slot_count = 8;
    while (slot_count < 2 * (size_t)json->values[object].count)
        slot_count *= 2;
    if (slot_count <= SLOTS_ON_STACK) {
        struct slot few[SLOTS_ON_STACK] = {0};
        return all_differ(json, object, few, slot_count, out_duplicate);
    }
    struct slot *slots = calloc(slot_count, sizeof *slots);
    if (!slots)
        return STATUS_NO_MEMORY;
    enum status status = all_differ(json, object, slots, slot_count, out_duplicate);
    free(slots);
    return status;
}

enum status json_names_differ(const struct json_text *json, uint32_t object,
                              uint32_t *out_duplicate) {
    uint32_t count = json->values[object].count;
    if (count < 2)
        return STATUS_OK;
    if (count <= FEW && !has_escapes(json, object))
        return few_differ(json, object, out_duplicate);
    return many_differ(json, object, out_duplicate);
}
