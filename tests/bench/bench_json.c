/* What it costs to read JSON strictly: a list of tools, a call, and texts that are made to be slow.
 * CPU time of this thread; medians. Prints, judges nothing. */
#include "measuring.h"

#include "core/json_canonical.h"

enum { ROUNDS = 7, TOOLS = 1000, CALL_BYTES = 2048, HOSTILE_BYTES = 4 << 20, DEEP = 100000 };

#define MIN_ROUND_US 40000.0

/* As generous as a route may be, so that what is refused early elsewhere is read here. */
static const struct json_text_limits generous = {HOSTILE_BYTES, HOSTILE_BYTES};
static const struct json_text_limits usual = {64, 100000};

struct task {
    struct json_text *json;
    struct slice text;
    const struct json_text_limits *limits;
    enum status expected;
};

static void read_text(const struct task *task) {
    must(json_text_read(task->json, task->text, task->limits) == task->expected,
         task->json->problem ? task->json->problem : "accepted");
}

static void digest(const struct task *task) {
    char hex[65];
    must(json_canonical_digest(task->json, 0, hex), "no digest");
}

static double median_us(void (*work)(const struct task *), const struct task *task) {
    double us[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double begin = cpu_us(), spent;
        int count = 0;
        do {
            work(task);
            count++;
            spent = cpu_us() - begin;
        } while (spent < MIN_ROUND_US);
        us[round] = spent / count;
    }
    return median_of(us, ROUNDS);
}

static void measure(const char *what, struct slice text, const struct json_text_limits *limits,
                    enum status expected) {
    struct json_text json;
    json_text_init(&json);
    struct task task = {&json, text, limits, expected};
    double us = median_us(read_text, &task);
    printf("%-44s %10zu %10.1f %8.0f %9zu KiB\n", what, text.len, us, (double)text.len / us,
           (size_t)json.capacity * sizeof *json.values / 1024);
    json_text_done(&json);
}

static void measure_digest(const char *what, struct slice text) {
    struct json_text json;
    json_text_init(&json);
    must(json_text_read(&json, text, &generous) == STATUS_OK, "not read");
    struct task task = {&json, text, &generous, STATUS_OK};
    double us = median_us(digest, &task);
    printf("%-44s %10zu %10.1f %8.0f\n", what, text.len, us, (double)text.len / us);
    json_text_done(&json);
}

static void add_tool(struct buf *out, int number) {
    buf_printf(out,
               "{\"name\":\"search_records_%d\",\"title\":\"Search records %d\",\"description\":"
               "\"Searches the records of one table and returns those that match. Use it whenever "
               "somebody asks for rows, customers or orders; do not use it to change anything. "
               "Results come in pages, ask for the next one with the cursor.\\n\\nExample: "
               "{\\\"table\\\": \\\"orders\\\"}\",",
               number, number);
    buf_append_str(
        out, "\"inputSchema\":{\"type\":\"object\",\"properties\":{"
             "\"table\":{\"type\":\"string\",\"description\":\"Name of the table to search in\","
             "\"enum\":[\"orders\",\"customers\",\"invoices\"]},"
             "\"query\":{\"type\":\"string\",\"description\":\"What to search for, in plain "
             "words\",\"minLength\":1},"
             "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":20},"
             "\"cursor\":{\"type\":[\"string\",\"null\"],\"description\":\"Where the page "
             "before ended\"}},\"required\":[\"table\",\"query\"],\"additionalProperties\":false},"
             "\"annotations\":{\"readOnlyHint\":true,\"destructiveHint\":false,"
             "\"idempotentHint\":true,\"openWorldHint\":false}}");
}

static void make_tools(struct buf *out) {
    buf_append_str(out, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[");
    for (int i = 0; i < TOOLS; i++) {
        if (i > 0)
            buf_append_char(out, ',');
        add_tool(out, i);
    }
    buf_append_str(out, "]}}");
}

static void make_call(struct buf *out) {
    static const char *const names[] = {"database", "table", "filter", "order", "columns", "note"};
    buf_append_str(out, "{\"jsonrpc\":\"2.0\",\"id\":17,\"method\":\"tools/call\",\"params\":{"
                        "\"name\":\"run_query\",\"arguments\":{\"limit\":20,\"deep\":false");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        buf_printf(out, ",\"%s\":[\"some text of a usual length\",12.5,{\"is\":\"nested\"}]",
                   names[i]);
    buf_append_str(out, ",\"sql\":\"");
    while (out->len < CALL_BYTES - 5)
        buf_append_str(out, "SELECT name, total FROM orders WHERE day = 'x' ");
    out->len = CALL_BYTES - 4;
    buf_append_str(out, "\"}}}");
}

static void repeat(struct buf *out, const char *begin, const char *text, const char *end) {
    buf_clear(out);
    buf_append_str(out, begin);
    size_t len = strlen(text);
    while (out->len + len + strlen(end) <= HOSTILE_BYTES)
        buf_append(out, text, len);
    buf_append_str(out, end);
}

static void make_numbered_names(struct buf *out, const char *before) {
    buf_clear(out);
    buf_append_char(out, '{');
    for (unsigned i = 0; out->len < HOSTILE_BYTES - 64; i++)
        buf_printf(out, "%s\"%s%x\":1", i ? "," : "", before, i);
    buf_append_char(out, '}');
}

static void make_deep(struct buf *out) {
    buf_clear(out);
    for (int i = 0; i < DEEP; i++)
        buf_append_char(out, '[');
    for (int i = 0; i < DEEP; i++)
        buf_append_char(out, ']');
}

/* Just above the middle between two doubles, as only the last digit says. */
static void measure_long_numbers(struct buf *text) {
    char number[800];
    (void)snprintf(number, sizeof number, ",2.47032822920623272088%0*de-324",
                   (int)sizeof number - 32, 1);
    repeat(text, "[1", number, "]");
    measure_digest("  of 800 digits", buf_slice(text));
}

/* Names of 1,000 escapes that differ in the last. */
static void measure_long_names(struct buf *text) {
    buf_clear(text);
    buf_append_char(text, '{');
    for (unsigned i = 0; text->len < HOSTILE_BYTES - 8192; i++) {
        buf_append_str(text, i ? ",\"" : "\"");
        for (unsigned k = 0; k < 1000; k++)
            buf_append_str(text, "\\u0061");
        buf_printf(text, "%x\":1", i * 2654435761u);
    }
    buf_append_char(text, '}');
    measure("names that differ at their ends", buf_slice(text), &usual, STATUS_OK);
    measure_digest("  their canonical digest", buf_slice(text));
}

static void measure_usual(struct buf *text) {
    make_tools(text);
    measure("a list of 1,000 tools", buf_slice(text), &usual, STATUS_OK);
    measure_digest("  its canonical digest", buf_slice(text));
    buf_clear(text);
    make_call(text);
    measure("a call of 2 KiB", buf_slice(text), &usual, STATUS_OK);
    measure_digest("  its canonical digest", buf_slice(text));
    repeat(text, "[\"", "This is prose as it stands in a long answer. ", "\"]");
    measure("prose", buf_slice(text), &usual, STATUS_OK);
    repeat(text, "[\"", "\xE8\xBF\x99\xE6\x98\xAF\xE4\xB8\xAD\xE6\x96\x87\xE3\x80\x82", "\"]");
    measure("prose beyond ASCII", buf_slice(text), &usual, STATUS_OK);
}

static void measure_hostile(struct buf *text) {
    make_deep(text);
    measure("100,000 deep", buf_slice(text), &usual, STATUS_INVALID);
    measure("  without a limit", buf_slice(text), &generous, STATUS_OK);
    repeat(text, "", "[", "");
    measure("nothing but [", buf_slice(text), &usual, STATUS_INVALID);
    measure("  without a limit", buf_slice(text), &generous, STATUS_INVALID);
    repeat(text, "{\"a\":1", ",\"a\":1", "}");
    measure("one name again and again, without a limit", buf_slice(text), &generous,
            STATUS_INVALID);
    repeat(text, "[1", ",{\"a\":1,\"b\":2}", "]");
    measure("names of one byte, without a limit", buf_slice(text), &generous, STATUS_OK);
    make_numbered_names(text, "");
    measure("as many names as fit, without a limit", buf_slice(text), &generous, STATUS_OK);
    measure_digest("  their canonical digest", buf_slice(text));
    make_numbered_names(text, "\\u0061");
    measure("  with an escape in each", buf_slice(text), &generous, STATUS_OK);
    repeat(text, "[\"", "\\u0061", "\"]");
    measure("nothing but escapes", buf_slice(text), &usual, STATUS_OK);
    repeat(text, "{\"", "\\u0061", "\":1,\"b\":2}");
    measure("  in a name", buf_slice(text), &usual, STATUS_OK);
    repeat(text, "[\"", "\\ud83d\\ude00", "\"]");
    measure("  of surrogates", buf_slice(text), &usual, STATUS_OK);
    repeat(text, "[1", ",1", "]");
    measure("as many values as fit, without a limit", buf_slice(text), &generous, STATUS_OK);
    repeat(text, "[1", ",1.7976931348623157e308", "]");
    measure("numbers, without a limit", buf_slice(text), &generous, STATUS_OK);
    measure_digest("  their canonical digest", buf_slice(text));
    repeat(text, "[1", ",2.2250738585072011e-308", "]");
    measure_digest("  of subnormal ones", buf_slice(text));
    measure_long_numbers(text);
    measure_long_names(text);
}

int main(void) {
    struct buf text;
    buf_init(&text, 2 * HOSTILE_BYTES);
    printf("%-44s %10s %10s %8s %13s\n", "reading JSON", "bytes", "us", "MB/s", "list of values");
    measure_usual(&text);
    printf("made to be slow\n");
    measure_hostile(&text);
    must(buf_ok(&text), "a text did not fit");
    buf_done(&text);
    return 0;
}
