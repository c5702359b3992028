/* Secrets in streams cut at any place, against a search of the whole for one form after the other.
 * The input tells the secrets, then what the stream is made of: forms of them, beginnings and ends
 * of forms, and bytes of its own. The very bytes of all occurrences are asterisks then, and no
 * others have changed. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif

#include "core/secret.h"
#include "fuzz_target.h"
#include "vault/leak_forms.h"
#include "vault/leak_index.h"

enum { STREAM_BYTES_MAX = 8192, SECRETS_MAX = 3, SECRET_BYTES_MAX = 1400, HEAP_BYTES = 4 << 20 };

struct stream {
    size_t len;
    char bytes[STREAM_BYTES_MAX];
};

struct case_text {
    struct leak_source sources[SECRETS_MAX];
    size_t source_count;
    char secrets[SECRETS_MAX][SECRET_BYTES_MAX];
    struct leak_forms forms;
    struct stream original, expected, masked;
};

static unsigned next(struct slice *input) {
    if (input->len == 0)
        return 0;
    unsigned byte = (unsigned char)input->ptr[0];
    *input = slice_skip(*input, 1);
    return byte;
}

/* A few letters make secrets that overlap with themselves and each other. */
static void take_secret(struct case_text *text, struct slice *input) {
    unsigned style = next(input), len = next(input);
    char *bytes = text->secrets[text->source_count];
    size_t letters = 1 + (style >> 1 & 3), secret_len = style & 64 ? len * 5 : len % 48;
    for (size_t i = 0; i < secret_len; i++) {
        unsigned byte = i % 16 == 0 || !(style & 64) ? next(input) : (unsigned)i;
        bytes[i] = style & 8 ? (char)byte : (char)('a' + byte % letters);
    }
    text->sources[text->source_count++] =
        (struct leak_source){slice_of(bytes, secret_len), style & 1 ? LEAK_TOKEN : LEAK_VALUE};
}

static void take_secrets(struct case_text *text, struct slice *input) {
    size_t count = 1 + next(input) % SECRETS_MAX;
    text->source_count = 0;
    for (size_t i = 0; i < count; i++) {
        take_secret(text, input);
        struct leak_source source = text->sources[i];
        if (source.bytes.len < LEAK_MIN_BYTES)
            continue;
        if (source.kind == LEAK_TOKEN)
            leak_forms_add_raw(&text->forms, source.bytes);
        else
            leak_forms_add_all(&text->forms, source.bytes);
    }
    REQUIRE(!text->forms.failed);
}

static void append(struct stream *stream, struct slice bytes) {
    size_t room = sizeof stream->bytes - stream->len;
    size_t len = bytes.len < room ? bytes.len : room;
    if (len > 0)
        memcpy(stream->bytes + stream->len, bytes.ptr, len);
    stream->len += len;
}

static void take_stream(struct case_text *text, struct slice *input) {
    struct stream *stream = &text->original;
    stream->len = 0;
    while (input->len > 0) {
        unsigned command = next(input);
        struct slice form = {NULL, 0};
        if (command >= 64 && text->forms.count > 0)
            form = leak_forms_at(&text->forms, next(input) % text->forms.count);
        size_t part = form.len ? next(input) * 4 % form.len : 0;
        if (command < 64) { /* as it is, some of it again and again */
            char c = (char)next(input);
            for (unsigned i = 0; i <= (command < 8 ? command * 16 : 0); i++)
                append(stream, slice_of(&c, 1));
        } else if (command < 160) {
            append(stream, form);
        } else if (command < 208) {
            append(stream, slice_of(form.ptr, part));
        } else {
            append(stream, slice_skip(form, part));
        }
    }
}

/* Forms that are cut into parts are masked where a part stands alone, too. */
static void mask_all(struct stream *stream, const struct stream *original, struct slice form) {
    size_t parts = (form.len + LEAK_NEEDLE_MAX - 1) / LEAK_NEEDLE_MAX;
    for (size_t i = 0; i < parts; i++) {
        size_t begin = form.len * i / parts, len = form.len * (i + 1) / parts - begin;
        const char *at = original->bytes, *end = original->bytes + original->len;
        while ((at = memmem(at, (size_t)(end - at), form.ptr + begin, len)) != NULL) {
            memset(stream->bytes + (at - original->bytes), '*', len);
            at++;
        }
    }
}

static void expect(struct case_text *text) {
    text->expected.len = text->original.len;
    memcpy(text->expected.bytes, text->original.bytes, text->original.len);
    for (size_t i = 0; i < text->forms.count; i++)
        mask_all(&text->expected, &text->original, leak_forms_at(&text->forms, i));
}

static bool begins_form(const struct case_text *text, struct slice rest) {
    for (size_t i = 0; i < text->forms.count; i++) {
        struct slice form = leak_forms_at(&text->forms, i);
        if (form.len > LEAK_NEEDLE_MAX)
            return true; /* or one of its parts */
        if (rest.len < form.len && memcmp(rest.ptr, form.ptr, rest.len) == 0)
            return true;
    }
    return rest.len == 0;
}

/* Pieces of `piece_bytes`, or of any size up to that. */
static void mask_in_pieces(struct case_text *text, const struct leak_set *set, size_t piece_bytes,
                           bool is_even) {
    static char window[LEAK_KEPT_MAX + STREAM_BYTES_MAX];
    struct leak_scan scan;
    const struct stream *original = &text->original;
    size_t taken = 0, kept = 0, random = 7;
    text->masked.len = 0;
    leak_scan_init(&scan, set);
    do {
        size_t rest = original->len - taken, piece = piece_bytes;
        random = random * 1103515245 + 12345;
        piece = is_even ? piece : (random >> 16) % (piece + 1);
        piece = piece < rest ? piece : rest;
        memcpy(window + kept, original->bytes + taken, piece);
        taken += piece;
        size_t len = kept + piece;
        size_t finished = leak_scan_bytes(&scan, window, len, taken == original->len);
        REQUIRE(finished <= len);
        kept = len - finished;
        REQUIRE(kept <= LEAK_KEPT_MAX);
        REQUIRE(memcmp(window + finished, original->bytes + taken - kept, kept) == 0);
        REQUIRE(begins_form(text, slice_of(window + finished, kept)));
        append(&text->masked, slice_of(window, finished));
        memmove(window, window + finished, kept);
    } while (taken < original->len);
    REQUIRE(kept == 0);
    REQUIRE(text->masked.len == original->len);
    REQUIRE(memcmp(text->masked.bytes, text->expected.bytes, original->len) == 0);
    REQUIRE((scan.found > 0) == (memchr(text->expected.bytes, '*', original->len) != NULL) ||
            memchr(original->bytes, '*', original->len) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static struct case_text text;
    static const size_t piece_bytes[] = {1, 7, 200, 1500};
    struct slice rest = slice_of((const char *)input, size);
    struct leak_set *set = NULL;
    bool is_locked;
    REQUIRE(secret_memory_init(HEAP_BYTES, &is_locked, NULL) == STATUS_OK);
    text.forms = (struct leak_forms){0};
    take_secrets(&text, &rest);
    take_stream(&text, &rest);
    if (text.original.len > 0) {
        expect(&text);
        REQUIRE(leak_set_new(text.sources, text.source_count, &set));
        REQUIRE((set == NULL) == (text.forms.count == 0));
        mask_in_pieces(&text, set, text.original.len, true);
        for (size_t i = 0; i < sizeof piece_bytes / sizeof *piece_bytes; i++)
            mask_in_pieces(&text, set, piece_bytes[i], i == 0);
    }
    leak_set_unref(set);
    leak_forms_done(&text.forms);
    return 0;
}
