/* Each set of lines is in two lists: its identity's (few routes, searched from the start) and the
 * shelf's, by recency. Who uses lines holds a reference, so that they may be dropped at any time.
 */
#include "auth/identity_lines.h"

#include <assert.h>
#include <stdlib.h>

#include "auth/easyauth.h"

/* Routes that one caller's lines are kept for. */
#define ROUTES_PER_IDENTITY_MAX 16
#define RENEW_BEFORE_SEC 60
/* Two headers of the longest, their names, and the three short ones. */
#define LINES_MAX_BYTES (2 * CALLER_VIEW_MAX_HEADER_BYTES + 2048)

struct identity_lines {
    uint32_t refs; /* one is the shelf's */
    struct line_shelf *shelf;
    struct identity *identity; /* NULL once dropped */
    struct identity_lines *next;
    struct identity_lines *newer;
    struct identity_lines *older;
    size_t route;
    char kid[ASSERTION_KEY_TEXT_SIZE]; /* "" without an assertion */
    int64_t made_sec;
    int64_t renew_sec;
    struct buf text;
};

struct line_shelf {
    size_t max_bytes;
    size_t used_bytes;
    struct identity_lines *newest;
    struct identity_lines *oldest;
};

static size_t lines_bytes(const struct identity_lines *lines) {
    return sizeof *lines + lines->text.cap;
}

static void recency_push(struct line_shelf *shelf, struct identity_lines *lines) {
    lines->newer = NULL;
    lines->older = shelf->newest;
    *(shelf->newest ? &shelf->newest->newer : &shelf->oldest) = lines;
    shelf->newest = lines;
}

static void recency_remove(struct line_shelf *shelf, struct identity_lines *lines) {
    *(lines->newer ? &lines->newer->older : &shelf->newest) = lines->older;
    *(lines->older ? &lines->older->newer : &shelf->oldest) = lines->newer;
}

void identity_lines_unref(struct identity_lines *lines) {
    if (!lines || --lines->refs > 0)
        return;
    buf_wipe(&lines->text);
    free(lines);
}

static void drop(struct identity_lines *lines) {
    assert(lines->identity && lines->refs > 0);
    struct identity_lines **link = &lines->identity->lines;
    while (*link != lines)
        link = &(*link)->next;
    *link = lines->next;
    lines->identity = NULL;
    recency_remove(lines->shelf, lines);
    assert(lines->shelf->oldest != lines);
    lines->shelf->used_bytes -= lines_bytes(lines);
    identity_lines_unref(lines);
}

void identity_lines_drop(struct identity *identity) {
    while (identity->lines)
        drop(identity->lines);
}

struct line_shelf *line_shelf_new(size_t max_bytes) {
    struct line_shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf)
        shelf->max_bytes = max_bytes;
    return shelf;
}

void line_shelf_clear(struct line_shelf *shelf) {
    while (shelf->oldest)
        drop(shelf->oldest);
}

void line_shelf_free(struct line_shelf *shelf) {
    if (!shelf)
        return;
    line_shelf_clear(shelf);
    free(shelf);
}

size_t line_shelf_bytes(const struct line_shelf *shelf) {
    return shelf->used_bytes;
}

struct slice identity_lines_text(const struct identity_lines *lines) {
    return buf_slice(&lines->text);
}

static const char *wanted_kid(const struct line_order *order) {
    return order->signer ? assertion_signer_kid(order->signer) : "";
}

static bool is_fresh(const struct identity_lines *lines, const struct line_order *order) {
    return strcmp(lines->kid, wanted_kid(order)) == 0 && order->now_sec < lines->renew_sec &&
           order->now_sec >= lines->made_sec;
}

static struct identity_lines *find(const struct identity *identity, size_t route) {
    struct identity_lines *lines = identity->lines;
    while (lines && lines->route != route)
        lines = lines->next;
    return lines;
}

/* An assertion that ends with the token cannot be had longer: the token goes first. */
static int64_t renewal_of(const struct line_order *order, int64_t expires_sec) {
    return expires_sec >= order->view.identity->expires_sec ? INT64_MAX
                                                            : expires_sec - RENEW_BEFORE_SEC;
}

static enum status write_assertion(struct identity_lines *lines, const struct line_order *order) {
    int64_t expires_sec = 0;
    buf_append_str(&lines->text, "X-Barkeep-Assertion: ");
    enum status status =
        assertion_append(&lines->text, order->signer, &order->view, order->now_sec, &expires_sec);
    buf_append_str(&lines->text, "\r\n");
    memcpy(lines->kid, wanted_kid(order), sizeof lines->kid);
    lines->renew_sec = renewal_of(order, expires_sec);
    return status;
}

static enum status make(const struct line_order *order, struct identity_lines **out_lines) {
    struct identity_lines *lines = calloc(1, sizeof *lines);
    if (!lines)
        return STATUS_NO_MEMORY;
    lines->refs = 1;
    lines->route = order->route;
    lines->made_sec = order->now_sec;
    lines->renew_sec = INT64_MAX;
    buf_init(&lines->text, LINES_MAX_BYTES);
    enum status status = STATUS_OK;
    if (order->has_easyauth)
        status = easyauth_append(&lines->text, &order->view);
    if (status == STATUS_OK && order->signer)
        status = write_assertion(lines, order);
    if (status == STATUS_OK && !buf_ok(&lines->text))
        status = STATUS_NO_MEMORY;
    if (status != STATUS_OK) {
        identity_lines_unref(lines);
        return status;
    }
    *out_lines = lines;
    return STATUS_OK;
}

/* Makes room in the identity's own list: the set made first goes. */
static void bound_list(const struct identity *identity) {
    struct identity_lines *last = identity->lines;
    size_t count = last ? 1 : 0;
    for (; last && last->next; last = last->next)
        count++;
    if (count >= ROUTES_PER_IDENTITY_MAX)
        drop(last);
}

static void keep(struct line_shelf *shelf, struct identity *identity,
                 struct identity_lines *lines) {
    if (lines_bytes(lines) > shelf->max_bytes)
        return;
    while (shelf->used_bytes + lines_bytes(lines) > shelf->max_bytes)
        drop(shelf->oldest);
    bound_list(identity);
    lines->refs++;
    lines->shelf = shelf;
    lines->identity = identity;
    lines->next = identity->lines;
    identity->lines = lines;
    recency_push(shelf, lines);
    shelf->used_bytes += lines_bytes(lines);
}

enum status line_shelf_get(struct line_shelf *shelf, struct identity *identity,
                           const struct line_order *order, struct identity_lines **out_lines) {
    struct identity_lines *lines = find(identity, order->route);
    if (lines && is_fresh(lines, order)) {
        recency_remove(shelf, lines);
        recency_push(shelf, lines);
        lines->refs++;
        *out_lines = lines;
        return STATUS_OK;
    }
    enum status status = make(order, out_lines);
    if (status != STATUS_OK)
        return status;
    if (lines)
        drop(lines);
    keep(shelf, identity, *out_lines);
    return STATUS_OK;
}
