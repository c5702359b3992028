/* The table of reason.h as look-ups. */
#include "core/reason.h"

#include <assert.h>

struct reason_row {
    const char *code;
    int http_status;
    const char *title;
};

static const struct reason_row rows[] = {
#define X(enumerator, code_, status_, title_) [enumerator] = {code_, status_, title_},
    REASON_TABLE(X)
#undef X
};

static const struct reason_row *row_of(enum reason reason) {
    assert((unsigned)reason < REASON_COUNT);
    return &rows[reason];
}

const char *reason_code(enum reason reason) {
    return row_of(reason)->code;
}

int reason_http_status(enum reason reason) {
    return row_of(reason)->http_status;
}

const char *reason_title(enum reason reason) {
    return row_of(reason)->title;
}
