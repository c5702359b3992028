/* Any bytes as what a token endpoint says: an own token, an exchange on behalf of a caller, a
 * refusal, a claims challenge. A token that comes out is visible ASCII, a text that goes into a log
 * or to a caller holds nothing but printable ASCII, and claims that go anywhere are one JSON
 * object. */
#include <stdint.h>
#include <stdlib.h>

#include "fuzz_target.h"
#include "vault/azure_answer.h"
#include "vault/claims_request.h"
#include "vault/on_behalf_answer.h"
#include "vault/token_answer.h"

#define NOW_SEC 1795424100

static void check_token(const struct token_answer *answer) {
    const struct slice token = secret_bytes(answer->token);
    if (token.len == 0 || answer->lifetime_sec < 1)
        abort();
    for (size_t i = 0; i < token.len; i++)
        if (token.ptr[i] < 0x21 || token.ptr[i] > 0x7e)
            abort();
    secret_unref(answer->token);
}

static void check_text(const char *text) {
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            abort();
}

/* Takes it. */
static void check_claims(char *claims) {
    if (!claims)
        return;
    struct azure_answer *object = azure_answer_parse(slice_of_str(claims), NULL);
    if (!object)
        abort();
    azure_answer_free(object);
    free(claims);
}

static void read_own(struct slice body) {
    struct token_answer answer;
    struct error err = {""};
    if (token_answer_parse(body, NOW_SEC, &answer, &err) == STATUS_OK)
        check_token(&answer);
    else if (err.text[0] == '\0')
        abort();
    token_answer_refusal(body, 400, &err);
    check_text(err.text);
    token_answer_is_temporary(body);
    token_answer_is_of(body, "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3");
}

static void read_on_behalf(struct slice body, int http_status) {
    const struct http_client_response response = {
        .status = STATUS_OK, .http_status = http_status, .body = body, .retry_after_sec = -1};
    struct on_behalf_answer answer;
    on_behalf_answer_read(&response, NOW_SEC, &answer);
    if ((answer.verdict == ON_BEHALF_GOOD) != (answer.token.token != NULL) ||
        (answer.verdict == ON_BEHALF_CLAIMS) != (answer.claims != NULL) ||
        (answer.verdict == ON_BEHALF_GOOD) != (answer.error.text[0] == '\0') ||
        (answer.verdict == ON_BEHALF_GOOD && http_status != 200))
        abort();
    check_text(answer.error.text);
    if (answer.verdict == ON_BEHALF_GOOD)
        check_token(&answer.token);
    if (answer.claims)
        check_text(answer.claims);
    check_claims(answer.claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static bool is_ready;
    const struct slice body = slice_of((const char *)bytes, len);
    bool is_locked;
    if (!is_ready)
        is_ready = secret_memory_init(1 << 20, &is_locked, NULL) == STATUS_OK;
    azure_answer_init();
    read_own(body);
    read_on_behalf(body, 200);
    read_on_behalf(body, 400);
    read_on_behalf(body, 401);
    check_claims(claims_request_of(body));
    return 0;
}
