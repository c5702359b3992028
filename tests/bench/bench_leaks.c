/* What it costs to search what passes for secrets: kinds of text, sizes of sets, sizes of pieces,
 * and streams that are made to be slow. CPU time of this thread; medians. Prints, judges nothing.
 */
#include "measuring.h"

#include "core/secret.h"
#include "vault/leak_index.h"

#define ROUNDS 5
#define STREAM_BYTES (1 << 20)
#define PIECE_BYTES (16 * 1024) /* what a read brings */
#define MIN_ROUND_US 60000.0
#define WANTED_GB 1.0
#define LIMIT_BYTES 4096 /* of a secret of the bench */

struct stream {
    const char *name;
    char bytes[STREAM_BYTES];
};

static char window[LEAK_KEPT_MAX + STREAM_BYTES];

static uint32_t dice(void) {
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* As the proxy does it: each piece is read behind what was kept back. */
static uint64_t pass(const struct leak_set *set, char *bytes, size_t len, size_t piece) {
    struct leak_scan scan;
    size_t begin = 0, end = 0;
    leak_scan_init(&scan, set);
    while (end < len) {
        end += piece < len - end ? piece : len - end;
        begin += leak_scan_bytes(&scan, bytes + begin, end - begin, end == len);
    }
    must(begin == len, "a stream was not finished");
    return scan.found;
}

/* GB/s of one piece after the other, median of ROUNDS. The copying that stands for the reading is
 * not counted. */
static double speed(const struct leak_set *set, const char *bytes, size_t piece) {
    double speeds[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        double spent_us = 0;
        size_t passes = 0;
        for (; spent_us < MIN_ROUND_US; passes++) {
            memcpy(window, bytes, STREAM_BYTES);
            double begin_us = cpu_us();
            (void)pass(set, window, STREAM_BYTES, piece);
            spent_us += cpu_us() - begin_us;
        }
        speeds[round] = (double)passes * STREAM_BYTES / spent_us / 1e3;
    }
    return median_of(speeds, ROUNDS);
}

/* Secrets as they are issued: `letters` says of what. */
static struct slice make_secret(size_t len, const char *letters) {
    char *bytes = malloc(len);
    must(bytes != NULL, "no memory");
    for (size_t i = 0; i < len; i++)
        bytes[i] = letters[dice() % strlen(letters)];
    return slice_of(bytes, len);
}

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS
#define BASE64 LETTERS "+/"
#define SYMBOLS LETTERS "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\\ "

struct set_row {
    const char *name;
    size_t count;
    size_t len;
    const char *letters;
    enum leak_kind kind;
};

static const struct set_row set_rows[] = {
    {"1 token of 1600", 1, 1600, BASE64, LEAK_TOKEN},
    {"1 of 6, letters and digits", 1, 6, LETTERS, LEAK_VALUE},
    {"1 of 8, letters and digits", 1, 8, LETTERS, LEAK_VALUE},
    {"2 of 40, letters and digits", 2, 40, LETTERS, LEAK_VALUE},
    {"2 of 40, base64", 2, 40, BASE64, LEAK_VALUE},
    {"2 of 40, any printable", 2, 40, SYMBOLS, LEAK_VALUE},
    {"20 of 40, any printable", 20, 40, SYMBOLS, LEAK_VALUE},
    {"1 of 4096, base64", 1, LIMIT_BYTES, BASE64, LEAK_VALUE},
};
enum { SET_COUNT = sizeof set_rows / sizeof *set_rows, SECRETS_MAX = 20 };

static struct leak_set *make_set(const struct set_row *row) {
    struct leak_source sources[SECRETS_MAX];
    struct leak_set *set = NULL;
    for (size_t i = 0; i < row->count; i++)
        sources[i] = (struct leak_source){make_secret(row->len, row->letters), row->kind};
    must(leak_set_new(sources, row->count, &set) && set, "no set");
    for (size_t i = 0; i < row->count; i++)
        free((void *)(uintptr_t)sources[i].bytes.ptr);
    return set;
}

/* Streams. */

static size_t put(struct stream *stream, size_t at, const char *text, size_t len) {
    size_t room = STREAM_BYTES - at;
    memcpy(stream->bytes + at, text, len < room ? len : room);
    return at + (len < room ? len : room);
}

static void fill_prose(struct stream *stream) {
    static const char *const words[] = {
        "the ",   "of ",       "and ",      "request ", "server ", "is ",    "to ",     "a ",
        "token ", "answer, ",  "which ",    "was ",     "in ",     "value ", "that.\n", "header ",
        "with ",  "password ", "returned ", "for ",     "secret ", "key ",   "Basic ",  "Bearer "};
    for (size_t at = 0; at < STREAM_BYTES;) {
        const char *word = words[dice() % (sizeof words / sizeof *words)];
        at = put(stream, at, word, strlen(word));
    }
}

static void fill_json(struct stream *stream) {
    for (size_t at = 0; at < STREAM_BYTES;) {
        char line[256];
        int len = snprintf(line, sizeof line,
                           "{\"id\":\"%08x-%04x-4%03x\",\"name\":\"user-%u\",\"count\":%u,"
                           "\"url\":\"https:\\/\\/api.example.com\\/v1\\/items\\/%u\","
                           "\"active\":true,\"note\":null},\n",
                           dice(), dice() & 0xFFFF, dice() & 0xFFF, dice() % 1000, dice(), dice());
        at = put(stream, at, line, (size_t)len);
    }
}

static void fill_letters(struct stream *stream, const char *letters) {
    size_t count = strlen(letters);
    for (size_t i = 0; i < STREAM_BYTES; i++)
        stream->bytes[i] = letters[dice() % count];
}

static void fill_binary(struct stream *stream) {
    for (size_t i = 0; i < STREAM_BYTES; i++)
        stream->bytes[i] = (char)dice();
}

enum { STREAM_COUNT = 5 };

static struct stream *make_streams(void) {
    struct stream *streams = calloc(STREAM_COUNT, sizeof *streams);
    must(streams != NULL, "no memory");
    streams[0].name = "prose";
    fill_prose(&streams[0]);
    streams[1].name = "JSON";
    fill_json(&streams[1]);
    streams[2].name = "base64";
    fill_letters(&streams[2], BASE64);
    streams[3].name = "hex";
    fill_letters(&streams[3], DIGITS "abcdef");
    streams[4].name = "binary";
    fill_binary(&streams[4]);
    return streams;
}

static void measure_sets(const struct stream *streams) {
    printf("searching streams for secrets, pieces of %d bytes; GB/s, medians of %d\n", PIECE_BYTES,
           ROUNDS);
    printf("%-28s %7s %7s", "set", "needles", "memory");
    for (size_t i = 0; i < STREAM_COUNT; i++)
        printf(" %7s", streams[i].name);
    printf("\n");
    for (size_t i = 0; i < SET_COUNT; i++) {
        struct leak_set *set = make_set(&set_rows[i]);
        double slowest = 1e9;
        printf("%-28s %7u %7zu", set_rows[i].name, set->needle_count,
               secret_bytes(set->memory).len + sizeof *set);
        for (size_t j = 0; j < STREAM_COUNT; j++) {
            double measured = speed(set, streams[j].bytes, PIECE_BYTES);
            slowest = measured < slowest ? measured : slowest;
            printf(" %7.2f", measured);
        }
        printf("   %s\n", slowest >= WANTED_GB ? "1 GB/s holds" : "1 GB/s MISSED");
        leak_set_unref(set);
    }
}

static void measure_pieces(const struct stream *json) {
    static const size_t pieces[] = {1, 64, 512, 1460, 4096, PIECE_BYTES, STREAM_BYTES};
    struct leak_set *set = make_set(&set_rows[5]);
    printf("pieces of JSON, %s\n", set_rows[5].name);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        double measured = speed(set, json->bytes, pieces[i]);
        printf("%9zu bytes %8.3f GB/s %10.1f ns a piece\n", pieces[i], measured,
               (double)pieces[i] / measured);
    }
    leak_set_unref(set);
}

/* A stream of nothing but `text`. */
static void measure_hostile(const char *what, const struct leak_set *set, struct slice text,
                            struct stream *stream) {
    for (size_t at = 0; at < STREAM_BYTES;)
        at = put(stream, at, text.ptr, text.len);
    double whole = speed(set, stream->bytes, PIECE_BYTES), bytewise = speed(set, stream->bytes, 1);
    printf("%-58s %9.0f %9.0f\n", what, whole * 1e3, bytewise * 1e3);
}

static void measure_one_letter(const char *what, size_t len, const char *end,
                               struct stream *stream) {
    char secret[LIMIT_BYTES];
    struct leak_set *set = NULL;
    memset(secret, 'a', len);
    for (size_t i = 0, count = strlen(end); i < count; i++)
        secret[len - count + i] = end[i];
    struct leak_source source = {slice_of(secret, len), LEAK_VALUE};
    must(leak_set_new(&source, 1, &set) && set, "no set");
    measure_hostile(what, set, SLICE("a"), stream);
    leak_set_unref(set);
}

/* What a hostile upstream can do with a secret it was sent. */
static void measure_own(struct stream *stream) {
    static const char nasty[] = "aK8<\"x'+/ &=\\9Zq%`~!p>0mN4v";
    struct leak_source source = {slice_of_str(nasty), LEAK_VALUE};
    struct leak_set *set = NULL;
    must(leak_set_new(&source, 1, &set) && set, "no set");
    measure_hostile("  all of a secret of 27, again and again", set, source.bytes, stream);
    measure_hostile("  all but its last byte", set, slice_of(nasty, sizeof nasty - 2), stream);
    measure_hostile("  its first 11 bytes", set, slice_of(nasty, 11), stream);
    measure_hostile("  its first 4 bytes", set, slice_of(nasty, 4), stream);
    leak_set_unref(set);
    struct slice token = make_secret(1600, BASE64);
    source = (struct leak_source){token, LEAK_TOKEN};
    must(leak_set_new(&source, 1, &set) && set, "no set");
    measure_hostile("  a token of 1600 but its last byte", set, slice_of(token.ptr, token.len - 1),
                    stream);
    measure_hostile("  its first 11 bytes", set, slice_of(token.ptr, 11), stream);
    leak_set_unref(set);
    free((void *)(uintptr_t)token.ptr);
}

static void measure_streams_made_to_be_slow(struct stream *stream) {
    printf("%-58s %9s %9s\n", "made to be slow; MB/s in pieces of", "16384", "1");
    measure_one_letter("  a's against a secret of 40 a's", 40, "", stream);
    measure_one_letter("  a's against 39 a's and a b", 40, "b", stream);
    measure_one_letter("  a's against 1024 a's", 1024, "", stream);
    measure_one_letter("  a's against 1023 a's and a b", 1024, "b", stream);
    measure_one_letter("  a's against 4096 a's", 4096, "", stream);
    measure_one_letter("  a's against 1015 a's and what is escaped in many ways", 1024,
                       "<>&'\"+`=/", stream);
    measure_own(stream);
}

int main(void) {
    bool is_locked;
    must(secret_memory_init(4 << 20, &is_locked, NULL) == STATUS_OK, "no secret memory");
    struct stream *streams = make_streams();
    measure_sets(streams);
    measure_pieces(&streams[1]);
    measure_streams_made_to_be_slow(&streams[0]);
    free(streams);
    return 0;
}
