/* Servers disagree about what ends a pair ('&' or ';' in a query, ';' or ',' in a cookie) and about
 * what a name is. Whatever any of them would read as the injected name goes; a pair too many that
 * is removed is the caller's own affair. */
#include "proxy/injected_pairs.h"

/* Reads a name byte by byte as lenient servers do. */
struct name_reader {
    struct slice rest;
    bool is_callers; /* encoded; a configured name stands for itself */
    bool skips_brackets;
    bool is_begun;
};

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_hex_pair(const char *at) {
    return hex_value(at[0]) >= 0 && hex_value(at[1]) >= 0;
}

/* "%41", or "%u0041" as .NET Framework has it: how many bytes are before the last two digits; 0
 * when nothing is encoded here. */
static size_t encoding_before_digits(struct slice rest) {
    if (rest.len >= 3 && rest.ptr[0] == '%' && is_hex_pair(rest.ptr + 1)) {
        return 1;
    }
    bool is_wide = rest.len >= 6 && rest.ptr[0] == '%' && (rest.ptr[1] | 0x20) == 'u' &&
                   rest.ptr[2] == '0' && rest.ptr[3] == '0' && is_hex_pair(rest.ptr + 4);
    return is_wide ? 4 : 0;
}

static char read_char(struct name_reader *reader) {
    struct slice *rest = &reader->rest;
    char c = rest->ptr[0];
    size_t before = reader->is_callers ? encoding_before_digits(*rest) : 0;
    if (before) {
        c = (char)(hex_value(rest->ptr[before]) * 16 + hex_value(rest->ptr[before + 1]));
        *rest = slice_skip(*rest, before + 2);
        return c;
    }
    *rest = slice_skip(*rest, 1);
    return reader->is_callers && c == '+' ? ' ' : c;
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What some strip from a name's ends. Beyond ASCII that is any space that Unicode knows, in the
 * bytes of whatever encoding the server takes them for: JavaScript's and Python's own stripping
 * does it. */
static bool is_padding(char c) {
    return is_blank(c) || c == '"' || (unsigned char)c >= 0x80;
}

/* The next byte of the name in its plainest spelling; -1 at its end. */
static int next_byte(struct name_reader *reader) {
    while (reader->rest.len > 0) {
        char c = read_char(reader);
        bool is_bracket = c == '[';
        if (!reader->is_begun && (is_padding(c) || (is_bracket && reader->skips_brackets))) {
            continue;
        }
        if (c == '\0' || (is_bracket && reader->is_begun && !reader->is_callers)) {
            return -1;
        }
        reader->is_begun = true;
        if (is_blank(c) || c == '.' || is_bracket) {
            return '_';
        }
        return c >= 'A' && c <= 'Z' ? c | 0x20 : (unsigned char)c;
    }
    return -1;
}

/* Nothing follows that belongs to the name: an index or padding at most. */
static bool is_at_end(struct name_reader *reader) {
    while (reader->rest.len > 0) {
        char c = read_char(reader);
        if (c == '\0' || c == '[') {
            return true;
        }
        if (!is_padding(c) && c != ']') {
            return false;
        }
    }
    return true;
}

static bool reads_as(struct slice written, const char *injected, bool skips_brackets) {
    struct name_reader one = {
        .rest = written, .is_callers = true, .skips_brackets = skips_brackets};
    struct name_reader other = {.rest = slice_of_str(injected)};
    for (;;) {
        int byte = next_byte(&other);
        if (byte < 0) {
            return is_at_end(&one);
        }
        if (byte != next_byte(&one)) {
            return false;
        }
    }
}

/* "[name" is "_name" to PHP, "[name]" is "name" to Rack. */
static bool is_same_name(struct slice written, const char *injected) {
    return reads_as(written, injected, false) || reads_as(written, injected, true);
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
