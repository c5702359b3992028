/* A list comes in pages. What is approved from a part of it would take the rest for gone, so the
 * number of answers has to exceed that of answers which say that more follow. */
#include "proxy/pin_listing.h"

#include <stdlib.h>

#include "config/quote.h"

enum {
    FILE_BYTES_MAX = 64 << 20,
    ARENA_BYTES_MAX = 256 << 20,
    DEPTH_MAX = 128, /* as deep as answers may be on their way through */
    VALUES_MAX = 4 << 20,
    TOOLS_MAX = 100000,
};

struct pin_page {
    char *text; /* of the file; NULL: another page of the same file has it */
    struct json_text json;
    uint32_t tools; /* the array */
    bool goes_on;
    struct pin_page *next;
};

static bool complain(const char *file, const char *problem) {
    fprintf(stderr, "barkeep: ");
    quote_print(stderr, slice_of_str(file));
    fprintf(stderr, ": %s\n", problem);
    return false;
}

static struct pin_page *add_page(struct pin_listing *listing) {
    struct pin_page *page = arena_alloc(&listing->arena, sizeof *page);
    if (page) {
        json_text_init(&page->json);
        page->tools = JSON_TEXT_NONE;
        page->next = listing->pages;
        listing->pages = page;
    }
    return page;
}

/* Why there are no tools in it, NULL when there are. */
static const char *find_tools(struct pin_page *page) {
    const struct json_text *json = &page->json;
    if (json_text_kind(json, 0) == JSON_TEXT_ARRAY) {
        page->tools = 0;
        return NULL;
    }
    if (json_text_member(json, 0, SLICE("error")) != JSON_TEXT_NONE) {
        return "holds an error instead of tools";
    }
    uint32_t result = json_text_member(json, 0, SLICE("result"));
    uint32_t holder = result == JSON_TEXT_NONE ? 0 : result;
    uint32_t tools = json_text_member(json, holder, SLICE("tools"));
    uint32_t cursor = json_text_member(json, holder, SLICE("nextCursor"));
    if (tools == JSON_TEXT_NONE || json_text_kind(json, tools) != JSON_TEXT_ARRAY) {
        return "holds no answer to tools/list";
    }
    page->tools = tools;
    page->goes_on = cursor != JSON_TEXT_NONE && json_text_kind(json, cursor) == JSON_TEXT_STRING;
    return NULL;
}

static enum status read_page(struct pin_page *page, struct slice text) {
    const struct json_text_limits limits = {.depth = DEPTH_MAX, .values = VALUES_MAX};
    return json_text_read(&page->json, text, &limits);
}

static bool read_document(struct pin_page *page, const char *file, struct slice text) {
    char problem[128];
    enum status status = read_page(page, text);
    if (status == STATUS_OK) {
        const char *missing = find_tools(page);
        return missing ? complain(file, missing) : true;
    }
    snprintf(problem, sizeof problem, "byte %zu: %s", page->json.problem_at,
             status == STATUS_NO_MEMORY ? "out of memory" : page->json.problem);
    return complain(file, problem);
}

static struct slice take_line(struct slice *rest) {
    size_t len = slice_index(*rest, '\n');
    struct slice line = slice_of(rest->ptr, len);
    *rest = slice_skip(*rest, len + 1);
    return slice_trim(line.len && line.ptr[len - 1] == '\r' ? slice_of(line.ptr, len - 1) : line);
}

/* Servers write a message on one line; what else they say in between is no list. */
static bool read_events(struct pin_listing *listing, const char *file, struct slice rest) {
    size_t found = 0;
    while (rest.len > 0) {
        struct slice line = take_line(&rest);
        if (!slice_starts_with(line, SLICE("data:"))) {
            continue;
        }
        struct pin_page *page = add_page(listing);
        if (!page) {
            return complain(file, "out of memory");
        }
        struct slice event = slice_trim(slice_skip(line, 5));
        bool has_tools = read_page(page, event) == STATUS_OK && find_tools(page) == NULL;
        if (!has_tools) {
            page->tools = JSON_TEXT_NONE;
        }
        found += has_tools;
    }
    return found > 0 || complain(file, "holds no answer to tools/list");
}

static bool read_file(struct pin_listing *listing, const char *file) {
    size_t len = 0;
    struct pin_page *page = add_page(listing);
    if (!page) {
        return complain(file, "out of memory");
    }
    page->text = command_line_read(file, FILE_BYTES_MAX, &len);
    if (!page->text) {
        return false;
    }
    bool is_document = len > 0 && (page->text[0] == '{' || page->text[0] == '[');
    struct slice text = slice_of(page->text, len);
    return is_document ? read_document(page, file, text) : read_events(listing, file, text);
}

static size_t count_tools(const struct pin_listing *listing) {
    size_t count = 0;
    for (const struct pin_page *page = listing->pages; page; page = page->next) {
        count += page->tools == JSON_TEXT_NONE ? 0 : page->json.values[page->tools].count;
    }
    return count;
}

/* As it is written; empty: what has none is no tool, and the list is to be looked at. */
static struct slice name_of(const struct json_text *json, uint32_t tool) {
    uint32_t name = json_text_member(json, tool, SLICE("name"));
    if (name == JSON_TEXT_NONE || json_text_kind(json, name) != JSON_TEXT_STRING) {
        return SLICE("");
    }
    struct slice text = json_text_bytes(json, name);
    return slice_of(text.ptr + 1, text.len - 2);
}

/* What cannot be pinned is never approved; the other tools are no worse for it. */
static bool read_tool(struct pin_listing *listing, const struct pin_page *page, uint32_t value,
                      size_t place) {
    struct pin_tool *tool = &listing->tools[listing->count];
    struct error err;
    enum status status = mcp_pin_read(&page->json, value, &listing->arena, &tool->pin, &err);
    if (status != STATUS_OK) {
        struct slice name = name_of(&page->json, value);
        bool is_beyond_bounds = status == STATUS_INVALID && name.len > 0;
        fprintf(stderr, "barkeep: tool %zu of the list%s%s: %s\n", place,
                is_beyond_bounds ? " cannot be approved: " : "",
                is_beyond_bounds ? QUOTE(name) : "", err.text);
        listing->has_unpinned |= is_beyond_bounds;
        return is_beyond_bounds;
    }
    tool->json = &page->json;
    tool->value = value;
    listing->count++;
    return true;
}

static int compare_tools(const void *a, const void *b) {
    return mcp_pin_order(((const struct pin_tool *)a)->pin.name,
                         ((const struct pin_tool *)b)->pin.name);
}

static int compare_name_with_tool(const void *name, const void *tool) {
    return mcp_pin_order(*(const struct slice *)name, ((const struct pin_tool *)tool)->pin.name);
}

static bool read_tools(struct pin_listing *listing) {
    size_t count = count_tools(listing), place = 0;
    listing->tools =
        count <= TOOLS_MAX ? arena_array(&listing->arena, count, sizeof *listing->tools) : NULL;
    if (!listing->tools) {
        fprintf(stderr, "barkeep: more tools than there is room for: %zu\n", count);
        return false;
    }
    for (const struct pin_page *page = listing->pages; page; page = page->next) {
        uint32_t tool = page->tools == JSON_TEXT_NONE ? JSON_TEXT_NONE
                                                      : json_text_first(&page->json, page->tools);
        for (; tool != JSON_TEXT_NONE; tool = json_text_after(&page->json, page->tools, tool)) {
            if (!read_tool(listing, page, tool, ++place)) {
                return false;
            }
        }
    }
    if (listing->count > 0) {
        qsort(listing->tools, listing->count, sizeof *listing->tools, compare_tools);
    }
    for (size_t i = 1; i < listing->count; i++) {
        if (compare_tools(&listing->tools[i - 1], &listing->tools[i]) == 0) {
            fprintf(stderr, "barkeep: the tool %s is listed twice\n",
                    QUOTE(listing->tools[i].pin.name));
            return false;
        }
    }
    return true;
}

static bool is_whole(const struct pin_listing *listing) {
    size_t answers = 0, going_on = 0;
    for (const struct pin_page *page = listing->pages; page; page = page->next) {
        answers += page->tools != JSON_TEXT_NONE;
        going_on += page->goes_on;
    }
    if (answers > going_on) {
        return true;
    }
    fprintf(stderr,
            "barkeep: the list goes on (nextCursor): give each page with its own --tools\n");
    return false;
}

bool pin_listing_read(struct pin_listing *listing, const struct option_values *files) {
    *listing = (struct pin_listing){0};
    arena_init(&listing->arena, ARENA_BYTES_MAX);
    for (size_t i = 0; i < files->count; i++) {
        if (!read_file(listing, files->items[i])) {
            return false;
        }
    }
    return is_whole(listing) && read_tools(listing);
}

void pin_listing_done(struct pin_listing *listing) {
    for (struct pin_page *page = listing->pages; page; page = page->next) {
        json_text_done(&page->json);
        free(page->text);
    }
    arena_done(&listing->arena);
}

const struct pin_tool *pin_listing_find(const struct pin_listing *listing, struct slice name) {
    return listing->count ? bsearch(&name, listing->tools, listing->count, sizeof *listing->tools,
                                    compare_name_with_tool)
                          : NULL;
}
