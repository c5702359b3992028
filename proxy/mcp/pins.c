/* The approved definitions never change once loaded; beside each stands what the last listing made
 * of it, one byte that any thread writes. A later listing that is as approved lifts the verdict:
 * the server offers again what was approved. */
#include "proxy/mcp/pins.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/json_canonical.h"
#include "proxy/mcp/pin_file.h"

enum { FILE_ARENA_BYTES_MAX = 64 << 20, TOOL_ARENA_BYTES_MAX = 1 << 20 };

struct mcp_pins {
    atomic_uint refs;
    struct arena arena;
    struct mcp_pin_list list;
    atomic_uchar *verdicts; /* beside list.pins: enum mcp_pin_verdict */
};

struct mcp_pins *mcp_pins_load(const char *path, struct error *err) {
    struct mcp_pins *pins = calloc(1, sizeof *pins);
    if (!pins) {
        error_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
        return NULL;
    }
    atomic_init(&pins->refs, 1);
    arena_init(&pins->arena, FILE_ARENA_BYTES_MAX);
    if (mcp_pin_file_read(path, &pins->arena, &pins->list, err) != STATUS_OK) {
        mcp_pins_unref(pins);
        return NULL;
    }
    pins->verdicts = calloc(pins->list.count + 1, sizeof *pins->verdicts);
    if (!pins->verdicts) {
        error_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
        mcp_pins_unref(pins);
        return NULL;
    }
    for (size_t i = 0; i < pins->list.count; i++) {
        atomic_init(&pins->verdicts[i], MCP_PIN_SAME);
    }
    return pins;
}

struct mcp_pins *mcp_pins_ref(struct mcp_pins *pins) {
    atomic_fetch_add_explicit(&pins->refs, 1, memory_order_relaxed);
    return pins;
}

void mcp_pins_unref(struct mcp_pins *pins) {
    if (!pins || atomic_fetch_sub_explicit(&pins->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    arena_done(&pins->arena);
    free(pins->verdicts);
    free(pins);
}

static const struct mcp_pin *find_listed(const struct mcp_pins *pins, const struct json_text *json,
                                         uint32_t tool) {
    char room[6 * PIN_NAME_BYTES_MAX + 2];
    uint32_t name = json_text_member(json, tool, SLICE("name"));
    if (name == JSON_TEXT_NONE || json_text_kind(json, name) != JSON_TEXT_STRING ||
        json_text_bytes(json, name).len > sizeof room) {
        return NULL;
    }
    return mcp_pin_find(pins->list.pins, pins->list.count, json_text_unescape(json, name, room));
}

static enum mcp_pin_verdict judge(const struct mcp_pin *approved, const struct json_text *json,
                                  uint32_t tool) {
    char digest[PIN_DIGEST_SIZE];
    struct mcp_pin listed;
    struct mcp_pin_changes changes = {.verdict = MCP_PIN_CHANGED};
    struct arena arena;
    struct error err;
    if (json_canonical_digest(json, tool, digest) && strcmp(digest, approved->digest) == 0) {
        return MCP_PIN_SAME;
    }
    arena_init(&arena, TOOL_ARENA_BYTES_MAX);
    if (mcp_pin_read(json, tool, &arena, &listed, &err) == STATUS_OK) {
        mcp_pin_compare(approved, &listed, &changes);
    }
    arena_done(&arena);
    return changes.verdict;
}

enum mcp_pin_verdict mcp_pins_judge(struct mcp_pins *pins, const struct json_text *json,
                                    uint32_t tool) {
    const struct mcp_pin *approved = find_listed(pins, json, tool);
    if (!approved) {
        return MCP_PIN_UNKNOWN;
    }
    enum mcp_pin_verdict verdict = judge(approved, json, tool);
    atomic_store_explicit(&pins->verdicts[approved - pins->list.pins], (unsigned char)verdict,
                          memory_order_relaxed);
    return verdict;
}

bool mcp_pins_may_call(const struct mcp_pins *pins, struct slice name) {
    const struct mcp_pin *approved = mcp_pin_find(pins->list.pins, pins->list.count, name);
    return approved && atomic_load_explicit(&pins->verdicts[approved - pins->list.pins],
                                            memory_order_relaxed) == MCP_PIN_SAME;
}
