/* Pieces of a text put in the place of others, and all else left alone. */
#include "proxy/mcp/rewrite.h"
#include "tests/unit/mcp/message_cases.h"

static void puts_pieces_in_any_order(void **state) {
    (void)state;
    struct mcp_rewrite rewrite = {0};
    struct buf out;
    buf_init(&out, 64);
    mcp_rewrite_add(&rewrite, 8, 10, SLICE("ij"));
    mcp_rewrite_add(&rewrite, 2, 4, SLICE(""));
    mcp_rewrite_add(&rewrite, 4, 5, SLICE("EEE"));
    mcp_rewrite_add(&rewrite, 0, 0, SLICE("<"));
    assert_true(mcp_rewrite_write(&rewrite, SLICE("abcdefgh89"), &out));
    assert_slice(buf_slice(&out), "<abEEEfghij");
    buf_done(&out);
}

static void leaves_a_text_without_edits_as_it_is(void **state) {
    (void)state;
    struct mcp_rewrite rewrite = {0};
    struct buf out;
    buf_init(&out, 64);
    assert_true(mcp_rewrite_write(&rewrite, SLICE("abc"), &out));
    assert_slice(buf_slice(&out), "abc");
    buf_done(&out);
}

static void assert_fails(struct mcp_rewrite *rewrite, size_t limit) {
    struct buf out;
    buf_init(&out, limit);
    assert_false(mcp_rewrite_write(rewrite, SLICE("abcdef"), &out));
    buf_done(&out);
}

static void fails_when_edits_overlap_or_lie_outside(void **state) {
    (void)state;
    struct mcp_rewrite overlapping = {.edits = {{0, 3, SLICE("")}, {2, 4, SLICE("")}}, .count = 2};
    struct mcp_rewrite outside = {.edits = {{5, 7, SLICE("")}}, .count = 1};
    struct mcp_rewrite backwards = {.edits = {{4, 3, SLICE("")}}, .count = 1};
    struct mcp_rewrite growing = {.edits = {{0, 1, SLICE("0123456789")}}, .count = 1};
    assert_fails(&overlapping, 64);
    assert_fails(&outside, 64);
    assert_fails(&backwards, 64);
    assert_fails(&growing, 8);
}

static void fails_when_there_were_too_many(void **state) {
    (void)state;
    struct mcp_rewrite rewrite = {0};
    for (int i = 0; i <= MCP_EDITS_MAX; i++)
        mcp_rewrite_add(&rewrite, 0, 0, SLICE("x"));
    assert_true(rewrite.overflowed);
    assert_fails(&rewrite, 256);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_pieces_in_any_order),
        cmocka_unit_test(leaves_a_text_without_edits_as_it_is),
        cmocka_unit_test(fails_when_edits_overlap_or_lie_outside),
        cmocka_unit_test(fails_when_there_were_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
