/* What stands in the file of approved definitions, and which files are none. */
#define _GNU_SOURCE /* asprintf */
#include <sys/stat.h>

#include "tests/unit/mcp/pins_case.h"

static void put_file(const struct store *store, const char *text) {
    FILE *file = fopen(store->path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(0, fclose(file));
}

#define DIGEST "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\""
#define PIN(name_) "\"" name_ "\":{\"fields\":{\"name\":" DIGEST "},\"whole\":" DIGEST "}"

static void loads_what_is_well_formed(void **state) {
    static const char *const texts[] = {
        "{\"format\":1,\"tools\":{}}",
        " {\"tools\":{" PIN("a") "},\n\"format\":1 }\n",
        "{\"format\":1,\r\n\"tools\":{\r\n" PIN("a") "}}\r\n",
        "{\"format\":1,\"tools\":{" PIN("b") "," PIN("a") "," PIN("\\u00e9") "}}",
        "{\"format\":1,\"tools\":{\"a\":{\"whole\":" DIGEST ",\"fields\":{\"inputSchema\":" DIGEST
        "},\"shapes\":{\"inputSchema\":" DIGEST "}}}}",
    };
    struct store *store = *state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error err = {""};
        put_file(store, texts[i]);
        struct mcp_pins *pins = mcp_pins_load(store->path, &err);
        assert_string_equal("", err.text);
        assert_non_null(pins);
        assert_int_equal(i > 0, mcp_pins_await_listing(pins, SLICE("a")));
        mcp_pins_unref(mcp_pins_ref(pins));
        mcp_pins_unref(pins);
    }
    mcp_pins_unref(NULL);
}

static void refuses_nonsense_with_its_place(void **state) {
    static const struct {
        const char *text, *place, *words;
    } files[] = {
        {"", ":1:1: ", ""},
        {"{\"format\":1,\n\"tools\":{}", ":2:11: ", ""},
        {"[]", ":1:1: ", "object"},
        {"{\"tools\":{}}", ":1:1: ", "format"},
        {"{\"format\":2,\"tools\":{}}", ":1:11: ", "format"},
        {"{\"format\":\"1\",\"tools\":{}}", ":1:11: ", "format"},
        {"{\"format\":1}", ":1:1: ", "tools"},
        {"{\"format\":1,\"tools\":[]}", ":1:21: ", "object"},
        {"{\"format\":1,\"tools\":{},\"x\":1}", ":1:24: ", "no such member"},
        {"{\"format\":1,\"format\":1,\"tools\":{}}", ":1:", "twice"},
        {"{\"format\":1,\"tools\":{\n" PIN("a") ",\n" PIN("a") "}}", ":3:", "twice"},
        {"{\"format\":1,\"tools\":{\n" PIN("a") ",\n" PIN("\\u0061") "}}", ":3:", "twice"},
        {"{\"format\":1,\"tools\":{\n" PIN("") "}}", ":2:1: ", "name"},
        {"{\"format\":1,\"tools\":{\"a\":{}}}", ":1:26: ", "whole"},
        {"{\"format\":1,\"tools\":{\"a\":{\"whole\":" DIGEST "}}}", ":1:26: ", "fields"},
        {"{\"format\":1,\"tools\":{\"a\":{\"whole\":" DIGEST ",\"fields\":{}}}}", ":1:", "fields"},
        {"{\"format\":1,\"tools\":{\"a\":{\"fields\":{\"name\":" DIGEST "}}}}", ":1:26: ", "whole"},
        {"{\"format\":1,\"tools\":{\"a\":{\"whole\":\"e3\",\"fields\":{\"name\":" DIGEST "}}}}",
         ":1:35: ", "SHA-256"},
        {"{\"format\":1,\"tools\":{\"a\":{\"whole\":" DIGEST ",\"fields\":{\"name\":1}}}}",
         ":1:", "SHA-256"},
        {"{\"format\":1,\"tools\":{\"a\":{\"whole\":"
         "\"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B93"
         "4CA495991B7852B855\",\"fields\":{\"name\":" DIGEST "}}}}",
         ":1:35: ", "SHA-256"},
        {"{\"format\":1,\"tools\":{\"a\":{\"whole\":" DIGEST ",\"fields\":{\"name\":" DIGEST
         "},\"shapes\":{\"name\":" DIGEST "}}}}",
         ":1:", "shape"},
        {"{\"format\":1,\"tools\":{\"a\":{\"whole\":" DIGEST ",\"fields\":{\"name\":" DIGEST
         "},\"allow\":true}}}",
         ":1:", "no such member"},
        {"\xef\xbb\xbf{\"format\":1,\"tools\":{}}", ":1:1: ", ""},
        {"\r\n", ":2:1: ", ""},
        {"[[[[[[[[[[1]]]]]]]]]]", ":1:9: ", ""},
        {"{\"format\":1,\"tools\":{\"a\\u0000\":1}}", ":1:", ""},
        {"{\"format\":1,\"tools\":{\"a\\u001b[31m\":1}}", ":1:", "object"},
    };
    struct store *store = *state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct error err = {""};
        put_file(store, files[i].text);
        assert_null(mcp_pins_load(store->path, &err));
        print_message("%s\n", err.text);
        assert_int_equal(0, strncmp(err.text, store->path, strlen(store->path)));
        assert_int_equal(
            0, strncmp(err.text + strlen(store->path), files[i].place, strlen(files[i].place)));
        assert_non_null(strstr(err.text, files[i].words));
    }
}

static void approves_nothing_before_there_is_a_file(void **state) {
    struct store *store = *state;
    struct error err;
    struct mcp_pins *before = mcp_pins_load(store->path, &err);
    assert_non_null(before);
    assert_true(mcp_pins_are_missing(before));
    assert_int_equal(MCP_PIN_UNKNOWN, judge_text(before, TOOL));
    assert_false(mcp_pins_may_call(before, SLICE("query")));
    struct mcp_pins *still = mcp_pins_load_after(store->path, before, &err);
    assert_ptr_equal(before, still);
    mcp_pins_unref(still);
    mcp_pins_unref(approve(store, "[" TOOL "]"));
    struct mcp_pins *after = mcp_pins_load_after(store->path, before, &err);
    assert_non_null(after);
    assert_false(mcp_pins_are_missing(after));
    assert_true(mcp_pins_await_listing(after, SLICE("query")));
    mcp_pins_unref(before);
    mcp_pins_unref(after);
}

static void knows_an_empty_file_from_none(void **state) {
    struct store *store = *state;
    struct error err;
    struct mcp_pins *before = mcp_pins_load(store->path, &err);
    put_file(store, "{\"format\":1,\"tools\":{}}");
    struct mcp_pins *after = mcp_pins_load_after(store->path, before, &err);
    assert_non_null(after);
    assert_false(mcp_pins_are_missing(after));
    mcp_pins_unref(before);
    mcp_pins_unref(after);
}

static void keeps_what_a_file_approved_that_is_gone(void **state) {
    struct store *store = *state;
    char elsewhere[sizeof store->path + 8];
    struct error err;
    struct mcp_pins *pins = approve(store, "[" TOOL "]");
    snprintf(elsewhere, sizeof elsewhere, "%s.other", store->path);
    assert_int_equal(0, unlink(store->path));
    assert_null(mcp_pins_load_after(store->path, pins, &err));
    assert_non_null(strstr(err.text, "the file is gone"));
    struct mcp_pins *other = mcp_pins_load_after(elsewhere, pins, &err);
    assert_non_null(other);
    assert_true(mcp_pins_are_missing(other));
    mcp_pins_unref(other);
    mcp_pins_unref(pins);
}

static void refuses_what_is_no_small_file(void **state) {
    struct store *store = *state;
    struct error err;
    assert_null(mcp_pins_load(store->folder, &err));
    assert_non_null(strstr(err.text, "regular"));
    assert_int_equal(0, mkfifo(store->path, 0600));
    assert_null(mcp_pins_load(store->path, &err));
    assert_non_null(strstr(err.text, "regular"));
    assert_int_equal(0, unlink(store->path));
    put_file(store, "{}");
    assert_int_equal(0, truncate(store->path, PIN_FILE_BYTES_MAX + 1));
    assert_null(mcp_pins_load(store->path, &err));
    assert_non_null(strstr(err.text, "4 MiB"));
}

static void writes_what_people_can_compare(void **state) {
    struct store *store = *state;
    char text[4096] = "";
    struct stat found;
    mcp_pins_unref(approve(store, "[{\"name\":\"a\\u001b\\\"\",\"inputSchema\":{}}]"));
    assert_int_equal(0, stat(store->path, &found));
    assert_int_equal(0644, found.st_mode & 07777);
    FILE *file = fopen(store->path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_string_equal(
        "{\n"
        "  \"format\": 1,\n"
        "  \"tools\": {\n"
        "    \"a\\u001b\\\"\": {\n"
        "      \"fields\": {\n"
        "        \"inputSchema\": "
        "\"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\n"
        "        \"name\": \"40d418747b5dec1774c2b5235502fb24bfc5dc7c33e34216c32bcf4426a2c213\"\n"
        "      },\n"
        "      \"shapes\": {\n"
        "        \"inputSchema\": "
        "\"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"\n"
        "      },\n"
        "      \"whole\": \"ab8b7de97c93274224ce99fb52d68c33ffd1d20a6298f3c856c187d1a90b2d73\"\n"
        "    }\n"
        "  }\n"
        "}\n",
        text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_STORE(loads_what_is_well_formed),
        WITH_STORE(refuses_nonsense_with_its_place),
        WITH_STORE(approves_nothing_before_there_is_a_file),
        WITH_STORE(knows_an_empty_file_from_none),
        WITH_STORE(keeps_what_a_file_approved_that_is_gone),
        WITH_STORE(refuses_what_is_no_small_file),
        WITH_STORE(writes_what_people_can_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
