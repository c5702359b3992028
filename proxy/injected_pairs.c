/* Servers disagree about what ends a pair ('&' or ';' in a query, ';' or ',' in a cookie) and about
 * what a name is. Whatever any of them would read as the injected name goes; a pair too many that
 * is removed is the caller's own affair. */
#include "proxy/injected_pairs.h"

/* Reads a name byte by byte as lenient servers do. */
struct name_reader {
    struct slice rest;
    bool is_encoded; /* the caller's; a configured name stands for itself */
    bool is_begun;
};

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static char read_char(struct name_reader *reader) {
    struct slice *rest = &reader->rest;
    char c = rest->ptr[0];
    if (reader->is_encoded && c == '%' && rest->len >= 3 && hex_value(rest->ptr[1]) >= 0 &&
        hex_value(rest->ptr[2]) >= 0) {
        c = (char)(hex_value(rest->ptr[1]) * 16 + hex_value(rest->ptr[2]));
        *rest = slice_skip(*rest, 3);
        return c;
    }
    *rest = slice_skip(*rest, 1);
    return reader->is_encoded && c == '+' ? ' ' : c;
}

/* The next byte of the name in its plainest spelling; -1 at its end. */
static int next_byte(struct name_reader *reader) {
    while (reader->rest.len > 0) {
        char c = read_char(reader);
        bool is_blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (!reader->is_begun && (is_blank || c == '"')) {
            continue;
        }
        if (c == '\0' || (c == '[' && reader->is_begun)) {
            return -1;
        }
        reader->is_begun = true;
        if (is_blank || c == '.' || c == '[') {
            return '_';
        }
        return c >= 'A' && c <= 'Z' ? c | 0x20 : (unsigned char)c;
    }
    return -1;
}

static struct slice without_blanks_behind(struct slice name) {
    while (name.len > 0 && strchr(" \t\"", name.ptr[name.len - 1])) {
        name.len--;
    }
    return name;
}

static bool is_same_name(struct slice written, const char *injected) {
    struct name_reader one = {.rest = without_blanks_behind(written), .is_encoded = true};
    struct name_reader other = {.rest = slice_of_str(injected)};
    for (;;) {
        int byte = next_byte(&one);
        if (byte != next_byte(&other)) {
            return false;
        }
        if (byte < 0) {
            return true;
        }
    }
}

bool injected_pairs_have(const struct rendered_pair *pairs, size_t count, struct slice name) {
    for (size_t i = 0; i < count; i++) {
        if (is_same_name(name, pairs[i].name)) {
            return true;
        }
    }
    return false;
}

/* Pairs of the caller on their way to the upstream. */
struct pair_filter {
    struct head_writer *writer;
    const struct rendered_pair *pairs;
    size_t count;
    struct slice joint; /* what is written between two pairs */
    bool has_written;
};

static void filter_write(struct pair_filter *filter, struct slice pair) {
    while (pair.len > 0 && pair.ptr[0] == ' ') {
        pair = slice_skip(pair, 1);
    }
    if (filter->has_written) {
        head_write(filter->writer, filter->joint);
    }
    head_write(filter->writer, pair);
    filter->has_written = true;
}

static size_t index_of_any(struct slice text, const char *ends) {
    size_t i = 0;
    while (i < text.len && text.ptr[i] && !strchr(ends, text.ptr[i])) {
        i++;
    }
    return i;
}

/* Every piece between two of `ends` is looked at; pieces that stay together keep what was between
 * them. */
static void filter_pass(struct pair_filter *filter, struct slice text, const char *ends) {
    struct slice kept = slice_of(text.ptr, 0);
    for (;;) {
        size_t len = index_of_any(text, ends);
        struct slice piece = slice_of(text.ptr, len);
        struct slice name = slice_of(piece.ptr, slice_index(piece, '='));
        if (injected_pairs_have(filter->pairs, filter->count, name)) {
            if (kept.len > 0) {
                filter_write(filter, kept);
            }
            kept.len = 0;
        } else {
            kept = kept.len > 0 ? slice_of(kept.ptr, (size_t)(piece.ptr + len - kept.ptr)) : piece;
        }
        if (len == text.len) {
            break;
        }
        text = slice_skip(text, len + 1);
    }
    if (kept.len > 0) {
        filter_write(filter, kept);
    }
}

static void filter_add_injected(struct pair_filter *filter) {
    for (size_t i = 0; i < filter->count; i++) {
        filter_write(filter, secret_bytes(filter->pairs[i].text));
    }
}

void write_query(struct head_writer *writer, struct slice query,
                 const struct rendered_credential *credential) {
    struct pair_filter filter = {.writer = writer, .joint = SLICE("&")};
    if (!credential || credential->query_count == 0) {
        head_write(writer, query);
        return;
    }
    filter.pairs = credential->query;
    filter.count = credential->query_count;
    filter_pass(&filter, query, "&;");
    filter_add_injected(&filter);
}

void write_cookies(struct head_writer *writer, const struct h1_request *request,
                   const struct rendered_credential *credential) {
    struct pair_filter filter = {.writer = writer,
                                 .pairs = credential->cookies,
                                 .count = credential->cookie_count,
                                 .joint = SLICE("; ")};
    HEAD_WRITE_LITERAL(writer, "Cookie: ");
    for (size_t i = 0; i < request->header_count; i++) {
        const struct header *header = &request->headers[i];
        if (slice_eq_nocase(header->name, SLICE("Cookie"))) {
            filter_pass(&filter, header->value, ";,");
        }
    }
    filter_add_injected(&filter);
    HEAD_WRITE_LITERAL(writer, "\r\n");
}
