/* One pass over the raw path: each segment is decoded into the output, judged there and, when it is
 * a dot segment, resolved by cutting the output back. Whatever is accepted is a fixed point:
 * canonicalising it again changes nothing, so it does not matter how often a path is judged.
 *
 * An encoded slash never separates segments here, but an upstream may decode it; so the pieces
 * between encoded slashes must not look like dot segments either. Path parameters (";x=1") are
 * refused: servers that cut them off serve "/admin" for "/admin;x", which a rule about "/admin"
 * never saw. An encoded ";" is data of its segment, except that the name before it must be a real
 * name: some servers decode it first. */
#include "core/request_path.h"

#include "core/utf8.h"

/* What happens to a byte, raw or after one round of percent-decoding. */
enum byte_kind {
    KIND_MALFORMED = 0, /* never part of a path */
    KIND_UNRESERVED,    /* always written plainly */
    KIND_DELIMITER,     /* written as it came: raw and encoded differ in meaning */
    KIND_SLASH,
    KIND_BACKSLASH,
    KIND_ENCODED_ONLY, /* fine as an escape, malformed when raw */
    KIND_HIGH,         /* part of UTF-8, malformed when raw */
};

static const unsigned char byte_kinds[256] = {
    [' '] = KIND_ENCODED_ONLY,
    ['"'] = KIND_ENCODED_ONLY,
    ['#'] = KIND_ENCODED_ONLY,
    ['%'] = KIND_ENCODED_ONLY,
    ['<'] = KIND_ENCODED_ONLY,
    ['>'] = KIND_ENCODED_ONLY,
    ['?'] = KIND_ENCODED_ONLY,
    ['['] = KIND_ENCODED_ONLY,
    [']'] = KIND_ENCODED_ONLY,
    ['^'] = KIND_ENCODED_ONLY,
    ['`'] = KIND_ENCODED_ONLY,
    ['{'] = KIND_ENCODED_ONLY,
    ['|'] = KIND_ENCODED_ONLY,
    ['}'] = KIND_ENCODED_ONLY,
    ['/'] = KIND_SLASH,
    ['\\'] = KIND_BACKSLASH,
    ['!'] = KIND_DELIMITER,
    ['$'] = KIND_DELIMITER,
    ['&'] = KIND_DELIMITER,
    ['\''] = KIND_DELIMITER,
    ['('] = KIND_DELIMITER,
    [')'] = KIND_DELIMITER,
    ['*'] = KIND_DELIMITER,
    ['+'] = KIND_DELIMITER,
    [','] = KIND_DELIMITER,
    [';'] = KIND_DELIMITER,
    ['='] = KIND_DELIMITER,
    [':'] = KIND_DELIMITER,
    ['@'] = KIND_DELIMITER,
    ['-'] = KIND_UNRESERVED,
    ['.'] = KIND_UNRESERVED,
    ['_'] = KIND_UNRESERVED,
    ['~'] = KIND_UNRESERVED,
    ['0' ... '9'] = KIND_UNRESERVED,
    ['A' ... 'Z'] = KIND_UNRESERVED,
    ['a' ... 'z'] = KIND_UNRESERVED,
    [0x80 ... 0xFF] = KIND_HIGH,
};

/* Code points that compatibility normalisation (NFKC, IDNA) turns into, or that fonts and lenient
 * servers take for, "/", "\", ".", "%", ";", "?" or "#". Sorted. */
static const uint32_t lookalikes[] = {
    0x037E, 0x2024, 0x2025, 0x2026, 0x2044, 0x2047, 0x2048, 0x2049, 0x2100, 0x2101, 0x2105, 0x2106,
    0x2215, 0x2216, 0x29F5, 0x29F8, 0x29F9, 0x3002, 0xFE14, 0xFE16, 0xFE19, 0xFE30, 0xFE52, 0xFE54,
    0xFE56, 0xFE5F, 0xFE68, 0xFE6A, 0xFF03, 0xFF05, 0xFF0E, 0xFF0F, 0xFF1B, 0xFF1F, 0xFF3C, 0xFF61,
};

struct path_writer {
    struct slice raw;
    size_t pos; /* next unread byte of raw */
    char *out;
    size_t len;           /* bytes written to out */
    size_t segment_start; /* where the segment at hand begins in out */
    bool has_escape;      /* the segment came with an escape in it */
    bool has_parameter;   /* ... with %3B */
    bool has_slash;       /* ... with %2F */
    bool path_has_slash;
};

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that the escape at `pos` stands for, or -1 when there is none. */
static int escape_at(struct slice raw, size_t pos) {
    if (raw.len - pos < 3 || raw.ptr[pos] != '%')
        return -1;
    int high = hex_digit(raw.ptr[pos + 1]);
    int low = hex_digit(raw.ptr[pos + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool is_lookalike(uint32_t code_point) {
    for (size_t i = 0; i < sizeof lookalikes / sizeof *lookalikes; i++)
        if (lookalikes[i] >= code_point)
            return lookalikes[i] == code_point;
    return false;
}

static void write_byte(struct path_writer *w, char byte) {
    w->out[w->len++] = byte;
    w->pos++;
}

/* Most of every path. Locals only: through `w` each byte would cost several loads and stores. */
static void write_unreserved_run(struct path_writer *w) {
    const char *from = w->raw.ptr + w->pos;
    char *to = w->out + w->len;
    size_t left = w->raw.len - w->pos;
    size_t n = 0;
    while (n < left && byte_kinds[(unsigned char)from[n]] == KIND_UNRESERVED) {
        to[n] = from[n];
        n++;
    }
    w->pos += n;
    w->len += n;
}

static void write_escape(struct path_writer *w, int byte) {
    static const char hex[] = "0123456789ABCDEF";
    w->out[w->len++] = '%';
    w->out[w->len++] = hex[byte >> 4];
    w->out[w->len++] = hex[byte & 0xF];
    w->pos += 3;
}

static void write_escape_as_it_came(struct path_writer *w) {
    memcpy(w->out + w->len, w->raw.ptr + w->pos, 3);
    w->len += 3;
    w->pos += 3;
}

static enum path_verdict copy_escaped_character(struct path_writer *w) {
    char bytes[4];
    size_t count = 0;
    while (count < sizeof bytes && w->pos + 3 * count < w->raw.len) {
        int byte = escape_at(w->raw, w->pos + 3 * count);
        if (byte < 0x80)
            break;
        bytes[count++] = (char)byte;
    }
    uint32_t code_point;
    size_t len = utf8_decode(slice_of(bytes, count), &code_point);
    if (len == 0)
        return PATH_MALFORMED;
    if (is_lookalike(code_point))
        return PATH_AMBIGUOUS;
    for (size_t i = 0; i < len; i++)
        write_escape(w, (unsigned char)bytes[i]);
    return PATH_OK;
}

static enum path_verdict copy_escape(struct path_writer *w) {
    int byte = escape_at(w->raw, w->pos);
    if (byte < 0)
        return PATH_MALFORMED;
    w->has_escape = true;
    switch ((enum byte_kind)byte_kinds[byte]) {
    case KIND_MALFORMED:
        return PATH_MALFORMED;
    case KIND_BACKSLASH:
        return PATH_AMBIGUOUS;
    case KIND_HIGH:
        return copy_escaped_character(w);
    case KIND_UNRESERVED:
        w->out[w->len++] = (char)byte;
        w->pos += 3;
        return PATH_OK;
    case KIND_SLASH:
        w->has_slash = true;
        w->path_has_slash = true;
        write_escape_as_it_came(w);
        return PATH_OK;
    case KIND_DELIMITER:
    case KIND_ENCODED_ONLY:
        break;
    }
    w->has_parameter |= byte == ';';
    write_escape(w, byte);
    return PATH_OK;
}

/* Copies up to the next raw "/" or the end. */
static enum path_verdict copy_segment(struct path_writer *w) {
    w->segment_start = w->len;
    w->has_escape = w->has_parameter = w->has_slash = false;
    while (w->pos < w->raw.len) {
        char c = w->raw.ptr[w->pos];
        enum path_verdict verdict = PATH_OK;
        switch ((enum byte_kind)byte_kinds[(unsigned char)c]) {
        case KIND_SLASH:
            return PATH_OK;
        case KIND_DELIMITER:
            if (c == ';')
                return PATH_AMBIGUOUS;
            write_byte(w, c);
            break;
        case KIND_UNRESERVED:
            write_unreserved_run(w);
            break;
        case KIND_BACKSLASH:
            return PATH_AMBIGUOUS;
        case KIND_ENCODED_ONLY:
            verdict = c == '%' ? copy_escape(w) : PATH_MALFORMED;
            break;
        case KIND_MALFORMED:
        case KIND_HIGH:
            return PATH_MALFORMED;
        }
        if (verdict != PATH_OK)
            return verdict;
    }
    return PATH_OK;
}

static bool is_dots(struct slice name) {
    return slice_eq(name, SLICE(".")) || slice_eq(name, SLICE(".."));
}

static bool is_escape_of(struct slice text, size_t at, char high, char low) {
    return text.len - at >= 3 && text.ptr[at] == '%' && text.ptr[at + 1] == high &&
           (text.ptr[at + 2] | 0x20) == low;
}

/* `piece` is what stands between two encoded slashes, or a whole segment. */
static bool is_ambiguous_piece(struct slice piece) {
    size_t name_len = 0;
    while (name_len < piece.len && piece.ptr[name_len] != ';' &&
           !is_escape_of(piece, name_len, '3', 'b'))
        name_len++;
    struct slice name = slice_of(piece.ptr, name_len);
    bool has_parameter = name_len < piece.len;
    return is_dots(name) || (has_parameter && name_len == 0);
}

/* Judges a segment with encoded slashes or parameters in it. */
static bool has_ambiguous_piece(struct slice segment) {
    size_t piece_start = 0;
    for (size_t i = 0; i < segment.len; i++) {
        if (!is_escape_of(segment, i, '2', 'f'))
            continue;
        if (is_ambiguous_piece(slice_of(segment.ptr + piece_start, i - piece_start)))
            return true;
        piece_start = i + 3;
    }
    return is_ambiguous_piece(slice_skip(segment, piece_start));
}

/* Takes the dot segment just written back, and for ".." the segment before it too. At the end of
 * the path the slash before it stays: "/a/b/.." is "/a/" (RFC 3986 5.2.4). */
static enum path_verdict resolve_dots(struct path_writer *w, size_t dots) {
    size_t slash = w->segment_start - 1;
    if (dots == 2) {
        if (slash == 0)
            return PATH_AMBIGUOUS;
        do
            slash--;
        while (w->out[slash] != '/');
    }
    bool is_last = w->pos == w->raw.len;
    w->len = is_last ? slash + 1 : slash;
    return PATH_OK;
}

static enum path_verdict judge_segment(struct path_writer *w) {
    struct slice segment = slice_of(w->out + w->segment_start, w->len - w->segment_start);
    bool is_last = w->pos == w->raw.len;
    if (segment.len == 0)
        return is_last ? PATH_OK : PATH_AMBIGUOUS;
    if (is_dots(segment))
        return w->has_escape ? PATH_AMBIGUOUS : resolve_dots(w, segment.len);
    if ((w->has_parameter || w->has_slash) && has_ambiguous_piece(segment))
        return PATH_AMBIGUOUS;
    return PATH_OK;
}

enum path_verdict request_path_canonical(struct slice raw, char *out_bytes,
                                         struct request_path *out_path) {
    struct path_writer w = {.raw = raw, .out = out_bytes};
    if (raw.len == 0 || raw.ptr[0] != '/')
        return PATH_MALFORMED;
    while (w.pos < raw.len) {
        write_byte(&w, '/');
        enum path_verdict verdict = copy_segment(&w);
        if (verdict == PATH_OK)
            verdict = judge_segment(&w);
        if (verdict != PATH_OK)
            return verdict;
    }
    *out_path = (struct request_path){slice_of(out_bytes, w.len), w.path_has_slash};
    return PATH_OK;
}

void request_target_split(struct slice target, struct slice *out_path, struct slice *out_query,
                          bool *out_has_query) {
    size_t mark = slice_index(target, '?');
    *out_path = slice_of(target.ptr, mark);
    *out_query = slice_skip(target, mark + 1);
    *out_has_query = mark < target.len;
}

bool request_path_below(struct slice path, struct slice prefix, struct slice *out_below) {
    if (slice_eq(prefix, SLICE("/"))) {
        *out_below = path;
        return true;
    }
    if (!slice_starts_with(path, prefix))
        return false;
    struct slice below = slice_skip(path, prefix.len);
    if (below.len && below.ptr[0] != '/')
        return false;
    *out_below = below.len ? below : SLICE("/");
    return true;
}
