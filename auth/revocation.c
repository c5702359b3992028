/* The list's text, and a table of it by hash. What a line means is said by one row of `forms`; a
 * list with any line that means nothing is no list, because its writer meant more than was
 * understood. */
#include "auth/revocation.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/rfc3339.h"
#include "config/config.h"

enum { MAX_WORDS = 6, MAX_UTI_BYTES = 63, MAX_SID_BYTES = 128 };

/* 9999-12-31T23:59:59Z: beyond it stand milliseconds that were taken for seconds. */
#define MAX_TIME_SEC INT64_C(253402300799)

enum kind { KIND_OID, KIND_TENANT_OID, KIND_SID, KIND_UTI, KIND_COUNT };

struct entry {
    enum kind kind;
    struct slice tenant; /* KIND_TENANT_OID */
    struct slice value;
    struct revocation revocation;
};

struct revocation_list {
    _Atomic uint32_t refs;
    char *text; /* what the entries point into */
    struct entry *entries;
    size_t count;
    uint32_t *slots; /* index of an entry plus one; 0 is free */
    size_t slot_mask;
    bool has_kind[KIND_COUNT];
};

/* A line being read. */
struct line {
    size_t number;
    struct slice words[MAX_WORDS];
    size_t count;
    bool has_more;
};

static uint64_t hash_bytes(uint64_t hash, struct slice bytes) {
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ (unsigned char)bytes.ptr[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return hash;
}

static size_t hash_of(enum kind kind, struct slice tenant, struct slice value) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)kind;
    hash = hash_bytes(hash_bytes(hash, tenant), value);
    return (size_t)(hash ^ (hash >> 32));
}

/* The slot that holds the entry, or the free one where it would be. */
static uint32_t *find_slot(const struct revocation_list *list, enum kind kind, struct slice tenant,
                           struct slice value) {
    size_t at = hash_of(kind, tenant, value) & list->slot_mask;
    for (;; at = (at + 1) & list->slot_mask) {
        uint32_t *slot = &list->slots[at];
        if (*slot == 0)
            return slot;
        const struct entry *entry = &list->entries[*slot - 1];
        if (entry->kind == kind && slice_eq(entry->value, value) && slice_eq(entry->tenant, tenant))
            return slot;
    }
}

static struct revocation stricter(struct revocation one, struct revocation other) {
    if (!one.has_not_before || !other.has_not_before)
        return (struct revocation){0};
    return one.not_before_sec > other.not_before_sec ? one : other;
}

static void add_entry(struct revocation_list *list, const struct entry *entry) {
    uint32_t *slot = find_slot(list, entry->kind, entry->tenant, entry->value);
    if (*slot) {
        struct entry *known = &list->entries[*slot - 1];
        known->revocation = stricter(known->revocation, entry->revocation);
        return;
    }
    list->entries[list->count] = *entry;
    *slot = (uint32_t)++list->count;
    list->has_kind[entry->kind] = true;
}

/* A word made fit for a message. */
struct shown {
    char text[41];
};

static struct shown show(struct slice word) {
    struct shown shown = {{0}};
    for (size_t i = 0; i < word.len && i < sizeof shown.text - 1; i++)
        shown.text[i] = word.ptr[i] > ' ' && word.ptr[i] < 0x7f ? word.ptr[i] : '?';
    return shown;
}

static enum status refuse(const struct line *line, struct error *err, const char *what,
                          struct slice word) {
    return error_set(err, STATUS_INVALID, "line %zu: %s%s%s", line->number, what,
                     word.len ? ", got " : "", show(word).text);
}

static struct slice word_at(const struct line *line, size_t index) {
    return index < line->count ? line->words[index] : slice_of(NULL, 0);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static void split_line(struct slice text, struct line *line) {
    line->count = 0;
    line->has_more = false;
    for (size_t i = 0;;) {
        while (i < text.len && is_blank(text.ptr[i]))
            i++;
        if (i == text.len || text.ptr[i] == '#')
            return;
        size_t start = i;
        while (i < text.len && !is_blank(text.ptr[i]))
            i++;
        if (line->count == MAX_WORDS) {
            line->has_more = true;
            return;
        }
        line->words[line->count++] = slice_of(text.ptr + start, i - start);
    }
}

/* The words are in the list's own text, which may be changed until the list is published. */
static enum status take_guid(const struct line *line, size_t index, struct slice *out_guid,
                             struct error *err) {
    struct slice word = word_at(line, index);
    if (!config_is_guid(word))
        return refuse(line, err, "a GUID must follow, like 3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4",
                      word);
    for (size_t i = 0; i < word.len; i++)
        ((char *)word.ptr)[i] = (char)tolower((unsigned char)word.ptr[i]);
    *out_guid = word;
    return STATUS_OK;
}

static enum status take_value(const struct line *line, size_t max_bytes, struct slice *out_value,
                              struct error *err) {
    struct slice word = word_at(line, 1);
    bool is_good = word.len > 0 && word.len <= max_bytes;
    for (size_t i = 0; is_good && i < word.len; i++)
        is_good = word.ptr[i] > ' ' && word.ptr[i] < 0x7f;
    if (!is_good)
        return refuse(line, err, "the claim's value must follow, in printable characters", word);
    *out_value = word;
    return STATUS_OK;
}

static enum status take_time(const struct line *line, size_t index, struct revocation *out,
                             struct error *err) {
    struct slice word = word_at(line, index);
    uint64_t sec = 0;
    int64_t time_sec;
    if (slice_parse_u64(word, (uint64_t)MAX_TIME_SEC, &sec) && sec > 0)
        time_sec = (int64_t)sec;
    else if (!rfc3339_parse(word, &time_sec) || time_sec <= 0)
        return refuse(line, err,
                      "not-before needs a time such as 2026-11-23T09:00:00Z, or seconds since 1970",
                      word);
    *out = (struct revocation){.has_not_before = true, .not_before_sec = time_sec};
    return STATUS_OK;
}

/* What follows the entry's own words: nothing, or `not-before TIME`. */
static enum status take_rest(const struct line *line, size_t index, bool may_have_time,
                             struct revocation *out, struct error *err) {
    struct slice word = word_at(line, index);
    if (word.len == 0)
        return STATUS_OK;
    if (!slice_eq_str(word, "not-before"))
        return refuse(line, err, "nothing more is expected", word);
    if (!may_have_time)
        return refuse(line, err,
                      "not-before goes with oid only: a session or token is revoked whole",
                      slice_of(NULL, 0));
    if (line->count > index + 2 || line->has_more)
        return refuse(line, err, "nothing more is expected", word_at(line, index + 2));
    return take_time(line, index + 1, out, err);
}

static enum status read_oid(const struct line *line, struct entry *entry, struct error *err) {
    enum status status = take_guid(line, 1, &entry->value, err);
    return status != STATUS_OK ? status : take_rest(line, 2, true, &entry->revocation, err);
}

static enum status read_tenant_oid(const struct line *line, struct entry *entry,
                                   struct error *err) {
    enum status status = take_guid(line, 1, &entry->tenant, err);
    if (status != STATUS_OK)
        return status;
    if (!slice_eq_str(word_at(line, 2), "oid"))
        return refuse(line, err, "after the tenant, `oid GUID` must follow", word_at(line, 2));
    status = take_guid(line, 3, &entry->value, err);
    return status != STATUS_OK ? status : take_rest(line, 4, true, &entry->revocation, err);
}

static enum status read_sid(const struct line *line, struct entry *entry, struct error *err) {
    enum status status = take_value(line, MAX_SID_BYTES, &entry->value, err);
    return status != STATUS_OK ? status : take_rest(line, 2, false, &entry->revocation, err);
}

static enum status read_uti(const struct line *line, struct entry *entry, struct error *err) {
    enum status status = take_value(line, MAX_UTI_BYTES, &entry->value, err);
    return status != STATUS_OK ? status : take_rest(line, 2, false, &entry->revocation, err);
}

static const struct form {
    const char *word;
    enum kind kind;
    enum status (*read)(const struct line *line, struct entry *entry, struct error *err);
} forms[] = {
    {"oid", KIND_OID, read_oid},
    {"tenant", KIND_TENANT_OID, read_tenant_oid},
    {"sid", KIND_SID, read_sid},
    {"uti", KIND_UTI, read_uti},
};

static enum status read_line(const struct line *line, struct entry *out_entry, struct error *err) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (!slice_eq_str(line->words[0], forms[i].word))
            continue;
        *out_entry = (struct entry){.kind = forms[i].kind};
        return forms[i].read(line, out_entry, err);
    }
    return refuse(line, err, "must begin with oid, tenant, sid or uti", line->words[0]);
}

static enum status read_lines(struct revocation_list *list, struct slice text, struct error *err) {
    struct line line = {0};
    size_t read = 0;
    while (text.len > 0) {
        size_t end = slice_index(text, '\n');
        line.number++;
        split_line(slice_of(text.ptr, end), &line);
        text = slice_skip(text, end + 1);
        if (line.count == 0)
            continue;
        if (read++ == REVOCATION_MAX_ENTRIES)
            return error_set(err, STATUS_LIMIT, "line %zu: more than %d entries", line.number,
                             REVOCATION_MAX_ENTRIES);
        struct entry entry;
        enum status status = read_line(&line, &entry, err);
        if (status != STATUS_OK)
            return status;
        add_entry(list, &entry);
    }
    return STATUS_OK;
}

/* No more entries than lines, and no more than are allowed. */
static size_t most_entries(struct slice text) {
    size_t lines = 1;
    for (size_t i = 0; i < text.len && lines < REVOCATION_MAX_ENTRIES; i++)
        lines += text.ptr[i] == '\n' ? 1 : 0;
    return lines;
}

static struct revocation_list *list_new(struct slice text) {
    size_t most = most_entries(text), slot_count = 16;
    while (slot_count < 2 * most)
        slot_count *= 2;
    struct revocation_list *list = calloc(1, sizeof *list);
    if (!list)
        return NULL;
    atomic_init(&list->refs, 1);
    list->slot_mask = slot_count - 1;
    list->text = slice_strdup(text);
    list->entries = calloc(most, sizeof *list->entries);
    list->slots = calloc(slot_count, sizeof *list->slots);
    if (list->text && list->entries && list->slots)
        return list;
    revocation_list_unref(list);
    return NULL;
}

enum status revocation_list_parse(struct slice text, struct revocation_list **out_list,
                                  struct error *err) {
    if (text.len > REVOCATION_MAX_BYTES)
        return error_set(err, STATUS_LIMIT, "is larger than %zu MiB", REVOCATION_MAX_BYTES >> 20);
    struct revocation_list *list = list_new(text);
    if (!list)
        return error_set(err, STATUS_NO_MEMORY, "not enough memory to hold the list");
    enum status status = read_lines(list, slice_of(list->text, text.len), err);
    if (status == STATUS_OK)
        *out_list = list;
    else
        revocation_list_unref(list);
    return status;
}

struct revocation_list *revocation_list_ref(struct revocation_list *list) {
    atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed);
    return list;
}

void revocation_list_unref(struct revocation_list *list) {
    if (!list || atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(list->text);
    free(list->entries);
    free(list->slots);
    free(list);
}

size_t revocation_list_count(const struct revocation_list *list) {
    return list->count;
}

/* A caller before the list. */
struct search {
    const struct revocation_list *list;
    const struct identity *identity;
    bool is_found;
    struct revocation revocation;
};

static void look_up(struct search *search, enum kind kind, struct slice tenant,
                    struct slice value) {
    if (!search->list->has_kind[kind] || value.len == 0)
        return;
    uint32_t slot = *find_slot(search->list, kind, tenant, value);
    if (slot == 0)
        return;
    struct revocation found = search->list->entries[slot - 1].revocation;
    if (found.has_not_before && search->identity->issued_sec >= found.not_before_sec)
        return;
    search->revocation = search->is_found ? stricter(search->revocation, found) : found;
    search->is_found = true;
}

bool revocation_list_find(const struct revocation_list *list, const struct identity *identity,
                          struct revocation *out_revocation) {
    static const struct slice none = {NULL, 0};
    struct search search = {.list = list, .identity = identity};
    look_up(&search, KIND_OID, none, identity->oid);
    look_up(&search, KIND_TENANT_OID, identity->tenant, identity->oid);
    look_up(&search, KIND_SID, none, identity->sid);
    look_up(&search, KIND_UTI, none, identity->uti);
    if (search.is_found)
        *out_revocation = search.revocation;
    return search.is_found;
}
