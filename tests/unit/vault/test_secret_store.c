#include "vault/secret_store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "store_case.h"

static void pours_a_secret_into_a_credential(void **state) {
    (void)state;
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    assert_int_equal(bar.published, 1);
    assert_false(is_available(0));
    assert_int_equal(state_of(0).age_sec, -1);
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(line_is(0, BASIC_ONE));
    const struct rendered_credential *rendered = cabinet_credential(bar.cabinet, 0);
    assert_string_equal(rendered->headers[0].name, "Authorization");
    assert_int_equal(rendered->used_count, 1);
    assert_string_equal(rendered->used[0].vault, "prod");
    assert_string_equal(rendered->used[0].name, "admin");
    assert_string_equal(rendered->used[0].version, V1);
    assert_true(scripted_server_saw(bar.server, ADMIN, "GET /secrets/admin?api-version=7.4 "));
    assert_true(scripted_server_saw(bar.server, ADMIN, "\r\nAuthorization: Bearer tok-1\r\n"));
    assert_int_equal(bar.published, 2);
    assert_true(state_of(0).is_ready);
    assert_string_equal(state_of(0).last_error, "");
}

static void asks_for_the_pinned_version(void **state) {
    (void)state;
    bar.secrets[0].version = V1;
    reply(ADMIN "/" V1 "?api-version=7.4", 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
}

static void fetches_once_for_a_thousand_wants(void **state) {
    static struct want wants[1000];
    (void)state;
    memset(wants, 0, sizeof wants);
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    bar.secrets[0].refresh_sec = 1000;
    scripted_server_hold(bar.server, true);
    start_store();
    for (size_t i = 0; i < COUNT_OF(wants); i++)
        ask(&wants[i], 0);
    scripted_server_hold(bar.server, false);
    RUN_UNTIL(bar.loop, wants[999].done);
    for (size_t i = 0; i < COUNT_OF(wants); i++) {
        assert_int_equal(wants[i].done, 1);
        assert_true(wants[i].was_available);
    }
    assert_int_equal(hits(ADMIN), 1);
    assert_int_equal(hits(IMDS), 1);
    struct want late = {0};
    ask(&late, 0);
    assert_true(late.done && late.was_available);
}

static void answers_at_once_while_backing_off(void **state) {
    (void)state;
    struct want first = {0}, second = {0};
    reply(ADMIN, 503, "Retry-After: 600\r\n", "");
    start_store();
    ask(&first, 0);
    assert_int_equal(first.done, 0);
    RUN_UNTIL(bar.loop, first.done);
    assert_false(first.was_available);
    ask(&second, 0);
    assert_int_equal(second.done, 1);
    assert_false(second.was_available);
    assert_int_equal(hits(ADMIN), 1);
}

static void wants_bring_a_dropped_secret_back(void **state) {
    (void)state;
    struct want want = {0};
    reply(ADMIN, 404, NULL, "");
    start_store();
    RUN_UNTIL(bar.loop, hits(ADMIN) == 1 && strstr(state_of(0).last_error, "404"));
    reply_from_now(ADMIN, 200, BUNDLE("admin", V1, "one"));
    RUN_UNTIL(bar.loop, (ask(&want, 0), want.was_available));
}

static void is_available_only_with_all_its_secrets(void **state) {
    (void)state;
    struct want want = {0};
    struct config_template_part part = {.secret = add_secret(0, "user")};
    bar.credentials[0].username = (struct config_template){&part, 1};
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    reply("/secrets/user", 500, NULL, "");
    start_store();
    ask(&want, 0);
    RUN_UNTIL(bar.loop, state_of(0).is_ready && hits("/secrets/user") >= 2);
    assert_false(is_available(0));
    assert_int_equal(want.done, 1);
    reply_from_now("/secrets/user", 200, BUNDLE("user", V2, "root"));
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(line_is(0, BASIC_ONE));
    assert_int_equal(cabinet_credential(bar.cabinet, 0)->used_count, 2);
}

static void gets_a_new_token_after_one_401(void **state) {
    (void)state;
    reply(ADMIN, 401, "WWW-Authenticate: Bearer authorization=\"https://evil.example/t\"\r\n",
          "{\"error\":{\"code\":\"Unauthorized\",\"message\":\"AKV10000: x\"}}");
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    bar.secrets[0].refresh_sec = 1000;
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(scripted_server_saw(bar.server, ADMIN, "\r\nAuthorization: Bearer tok-2\r\n"));
    assert_int_equal(hits(ADMIN), 2);
    assert_int_equal(hits(IMDS), 2);
}

static void makes_no_storm_of_refused_tokens(void **state) {
    (void)state;
    reply(ADMIN, 401, NULL, "{\"error\":{\"message\":\"AKV10022: Invalid audience\"}}");
    start_store();
    RUN_UNTIL(bar.loop, hits(ADMIN) == 5);
    /* A new token once a minute: 600 ms here. */
    assert_true(hits(IMDS) <= 2 + scripted_server_gap_ms(bar.server, ADMIN, 0, 4) / 600);
    assert_non_null(strstr(state_of(0).last_error, "401 AKV10022"));
    assert_false(is_available(0));
}

static void drops_at_once_what_the_vault_denies(void **state) {
    static const struct {
        int status;
        const char *body;
        const char *word;
    } rows[] = {
        {403, "{\"error\":{\"innererror\":{\"code\":\"ForbiddenByRbac\"}}}", "ForbiddenByRbac"},
        {403, "{\"error\":{\"innererror\":{\"code\":\"SecretDisabled\"}}}", "SecretDisabled"},
        {403, "", "403"},
        {404, "", "404"},
        {200, BUNDLE_AS("admin", V1, "one", "{\"enabled\":false}"), "disabled"},
        {200, BUNDLE_AS("admin", V1, "one", "{\"enabled\":true,\"exp\":1700000000}"), "expired"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        reply(VERSIONS, 200, NULL, "{\"value\":[],\"nextLink\":null}");
        reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
        reply(ADMIN, rows[i].status, NULL, rows[i].body);
        start_store();
        RUN_UNTIL(bar.loop, is_available(0));
        RUN_UNTIL(bar.loop, !is_available(0));
        assert_int_equal(hits(ADMIN), 2);
        assert_false(state_of(0).is_ready);
        assert_non_null(strstr(state_of(0).last_error, rows[i].word));
        reply_from_now(ADMIN, 200, BUNDLE("admin", V2, "two"));
        RUN_UNTIL(bar.loop, is_available(0));
        assert_true(line_is(0, BASIC_TWO));
        close_bar(state);
        open_bar(state);
    }
}

static void keeps_the_old_value_through_answers_it_does_not_take(void **state) {
    char *value = repeated('s', 1024 * 1024);
    char *huge = malloc(1024 * 1024 + 512);
    sprintf(huge, BUNDLE("admin", V2, "%s"), value);
    value[26 * 1024] = '\0';
    char *large = malloc(26 * 1024 + 512);
    sprintf(large, BUNDLE("admin", V2, "%s"), value);
    const struct scripted_reply rows[] = {
        {200, NULL, BUNDLE("other", V2, "two")},
        {200, NULL, BUNDLE("admin", "2", "two")},
        {200, NULL,
         "{\"value\":\"two\","
         "\"value\":\"two\",\"id\":\"https://kv/secrets/admin/" V2 "\",\"attributes\":{}}"},
        {200, NULL, BUNDLE("admin", V2, "t\\nwo")},
        {200, NULL, BUNDLE("admin", V2, "")},
        {200, NULL, BUNDLE_AS("admin", V2, "two", "{\"enabled\":false}")},
        {200, NULL, BUNDLE_AS("admin", V2, "two", "{\"exp\":1700000000}")},
        {200, NULL, BUNDLE_AS("admin", V2, "two", "{\"nbf\":9900000000}")},
        {200, NULL, "<html>"},
        {200, NULL, ""},
        {200, NULL, large},
        {200, NULL, huge},
        {204, NULL, NULL},
        {302, "Location: http://127.0.0.1:1/\r\n", ""},
        {400, NULL, ""},
        {401, NULL, ""},
        {429, NULL, ""},
        {500, NULL, ""},
        {503, NULL, ""},
        {0, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
        scripted_server_reply(bar.server, ADMIN, rows[i]);
        start_store();
        RUN_UNTIL(bar.loop, hits(ADMIN) >= 4 && state_of(0).last_error[0]);
        assert_true(line_is(0, BASIC_ONE));
        assert_true(state_of(0).is_ready);
        assert_int_equal(bar.published, 2);
        reply_from_now(ADMIN, 200, BUNDLE("admin", V2, "two"));
        RUN_UNTIL(bar.loop, line_is(0, BASIC_TWO));
        close_bar(state);
        open_bar(state);
    }
    free(value);
    free(huge);
    free(large);
}

static void drops_a_stale_value_at_its_limit(void **state) {
    (void)state;
    bar.secrets[0].max_stale_sec = 100;
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    reply(ADMIN, 500, NULL, "");
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    const uint64_t begin_ms = clock_monotonic_ms();
    RUN_UNTIL(bar.loop, !is_available(0));
    assert_true(clock_monotonic_ms() - begin_ms >= 900);
    assert_true(hits(ADMIN) >= 3);
    assert_false(state_of(0).is_ready);
}

static void drops_a_value_when_its_version_expires(void **state) {
    (void)state;
    static char body[512]; /* the server may outlive the test's frame */
    bar.secrets[0].refresh_sec = 10000;
    bar.secrets[0].max_stale_sec = 100000;
    snprintf(body, sizeof body,
             "{\"value\":\"one\",\"id\":\"https://kv/secrets/admin/" V1
             "\",\"attributes\":{\"enabled\":true,\"exp\":%lld}}",
             (long long)clock_wall_sec() + 2);
    reply(ADMIN, 200, NULL, body);
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    RUN_UNTIL(bar.loop, !is_available(0));
    assert_non_null(strstr(state_of(0).last_error, "expired"));
    RUN_UNTIL(bar.loop, hits(ADMIN) == 2); /* there may be a newer one */
}

static void leaves_the_whole_vault_alone_as_long_as_it_asks(void **state) {
    (void)state;
    add_secret(0, "other");
    const size_t other = add_bearer(1);
    reply(ADMIN, 429, "Retry-After: 40\r\n", "{\"error\":{\"code\":\"Throttled\"}}");
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    reply("/secrets/other", 200, NULL, BUNDLE("other", V1, "o"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0) && is_available(other));
    assert_true(scripted_server_gap_ms(bar.server, ADMIN, 0, 1) >= 400 - 1);
}

static void backs_off_when_throttled_without_retry_after(void **state) {
    (void)state;
    reply(ADMIN, 429, NULL, "");
    start_store();
    RUN_UNTIL(bar.loop, hits(ADMIN) == 6);
    for (size_t i = 0; i < 5; i++)
        assert_true(scripted_server_gap_ms(bar.server, ADMIN, i, i + 1) >= (10u << i) - 1);
}

static void publishes_a_rotation_and_leaves_old_cabinets_alone(void **state) {
    (void)state;
    add_secret(0, "other");
    const size_t other = add_bearer(1);
    bar.secrets[1].refresh_sec = 1000;
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    reply("/secrets/other", 200, NULL, BUNDLE("other", V1, "o"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0) && is_available(other));
    struct cabinet *old = cabinet_ref(bar.cabinet);
    const size_t published = bar.published;
    const size_t before = hits(ADMIN);
    RUN_UNTIL(bar.loop, hits(ADMIN) >= before + 3);
    assert_int_equal(bar.published, published);
    reply_from_now(ADMIN, 200, BUNDLE("admin", V2, "two"));
    RUN_UNTIL(bar.loop, line_is(0, BASIC_TWO));
    assert_int_equal(bar.published, published + 1);
    assert_string_equal(cabinet_credential(bar.cabinet, 0)->used[0].version, V2);
    assert_secret_is(cabinet_credential(old, 0)->headers[0].line, BASIC_ONE);
    assert_string_equal(cabinet_credential(old, 0)->used[0].version, V1);
    assert_ptr_equal(cabinet_credential(old, other), cabinet_credential(bar.cabinet, other));
    close_store();
    assert_secret_is(cabinet_credential(old, 0)->headers[0].line, BASIC_ONE);
    cabinet_unref(old);
}

static void keeps_eight_requests_in_flight_at_most(void **state) {
    (void)state;
    static char bodies[MAX_SECRETS][256];
    static char prefixes[MAX_SECRETS][32];
    for (size_t i = 1; i < MAX_SECRETS; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%zux", i);
        snprintf(prefixes[i], sizeof prefixes[i], "/secrets/%s", name);
        snprintf(bodies[i], sizeof bodies[i],
                 "{\"value\":\"v\",\"id\":\"https://kv/secrets/%s/" V1 "\",\"attributes\":{}}",
                 name);
        add_bearer(add_secret(0, name));
        reply(prefixes[i], 200, NULL, bodies[i]);
    }
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    for (size_t i = 0; i < MAX_SECRETS; i++)
        bar.secrets[i].refresh_sec = 1000;
    start_store();
    RUN_UNTIL(bar.loop, hits(IMDS) == 1);
    scripted_server_hold(bar.server, true);
    RUN_UNTIL(bar.loop, scripted_server_peak(bar.server) >= 8);
    scripted_server_hold(bar.server, false);
    RUN_UNTIL(bar.loop, available_count() == MAX_SECRETS);
    assert_int_equal(scripted_server_peak(bar.server), 8);
}

static void holds_files_in_the_first_cabinet(void **state) {
    (void)state;
    reply(ADMIN, 503, NULL, "");
    write_token("from-a-file\n");
    const size_t credential = add_bearer(add_secret(1, "token"));
    start_store();
    assert_int_equal(bar.published, 1);
    assert_true(line_is(credential, "Authorization: Bearer from-a-file\r\n"));
    assert_string_equal(cabinet_credential(bar.cabinet, credential)->used[0].vault, "local");
    assert_string_equal(cabinet_credential(bar.cabinet, credential)->used[0].version, "");
}

static void follows_a_file_as_it_changes(void **state) {
    (void)state;
    reply(ADMIN, 503, NULL, "");
    write_token("first");
    const size_t credential = add_bearer(add_secret(1, "token"));
    start_store();
    assert_true(line_is(credential, "Authorization: Bearer first\r\n"));
    write_token("second\n");
    RUN_UNTIL(bar.loop, line_is(credential, "Authorization: Bearer second\r\n"));
    write_token("bro\nken");
    RUN_UNTIL(bar.loop, strstr(state_of(1).last_error, "control bytes"));
    assert_true(line_is(credential, "Authorization: Bearer second\r\n"));
    remove_token();
    RUN_UNTIL(bar.loop, !is_available(credential));
    write_token("third");
    RUN_UNTIL(bar.loop, line_is(credential, "Authorization: Bearer third\r\n"));
}

static size_t key_wants_done;

static void on_key_want_done(struct credential_want *want) {
    (void)want;
    key_wants_done++;
}

static void brings_the_key_that_signs_assertions(void **state) {
    (void)state;
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "-----BEGIN A-----\\nb\\n-----END A-----\\n"));
    bar.config.credential_count = 0;
    bar.config.assertion = (struct config_assertion){.has_key = true, .key = 0};
    start_store();
    assert_null(secret_store_value(bar.store, 0));
    struct credential_want want = {.credential = secret_store_assertion_key(&bar.config),
                                   .on_done = on_key_want_done};
    key_wants_done = 0;
    secret_store_want(bar.store, &want);
    RUN_UNTIL(bar.loop, key_wants_done == 1);
    assert_true(slice_eq_str(secret_bytes(secret_store_value(bar.store, 0)),
                             "-----BEGIN A-----\nb\n-----END A-----\n"));
    assert_int_equal(bar.published, 2);
}

static void answers_pending_wants_when_it_goes_away(void **state) {
    (void)state;
    struct want want = {0};
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    ask(&want, 0);
    assert_int_equal(want.done, 0);
    close_store();
    assert_int_equal(want.done, 1);
    assert_false(want.was_available);
}

static void goes_away_while_requests_are_in_flight(void **state) {
    (void)state;
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, hits(IMDS) == 1);
    scripted_server_hold(bar.server, true);
    RUN_UNTIL(bar.loop, hits(ADMIN) == 1);
    close_store();
    scripted_server_hold(bar.server, false);
    loop_run_once(bar.loop, 10);
    assert_int_equal(bar.published, 1);
}

static void works_without_an_identity_for_files_only(void **state) {
    (void)state;
    struct error err = {""};
    write_token("alone");
    bar.secrets[0].vault = 1;
    bar.secrets[0].name = "token";
    bar.store = secret_store_new(bar.loop, bar.client, NULL, &bar.config, on_cabinet, NULL, &err);
    secret_store_start(bar.store);
    assert_true(line_is(0, BASIC("cm9vdDphbG9uZQ==")));
}

struct counts {
    uint64_t ok;
    uint64_t throttled;
    uint64_t lost;
    size_t pairs;
};

static void on_count(void *owner, const char *vault, int status, uint64_t count) {
    struct counts *counts = owner;
    assert_string_equal(vault, "prod");
    counts->pairs++;
    if (status == 200)
        counts->ok = count;
    else if (status == 429)
        counts->throttled = count;
    else if (status == 0)
        counts->lost = count;
}

static void counts_requests_by_status(void **state) {
    (void)state;
    struct counts counts = {0};
    reply(ADMIN, 429, NULL, "");
    reply(ADMIN, 429, NULL, "");
    reply(ADMIN, 0, NULL, NULL);
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    bar.secrets[0].refresh_sec = 1000;
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    secret_store_each_request_count(bar.store, on_count, &counts);
    assert_int_equal(counts.pairs, 3);
    assert_int_equal(counts.ok, 1);
    assert_int_equal(counts.throttled, 2);
    assert_int_equal(counts.lost, 1);
}

static void never_logs_a_value_or_a_token(void **state) {
    (void)state;
    static const char *const leaks[] = {"c4n4ry", "YzRuNHJ5", "tok-1", "tok-2"};
    char path[] = "/tmp/barkeep-log-XXXXXX";
    char log[32 * 1024];
    const int file = mkstemp(path), kept = dup(STDERR_FILENO);
    reply(ADMIN, 401, NULL, "{\"error\":{\"message\":\"c4n4ry\"}}");
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "c4n4ry"));
    reply(ADMIN, 200, NULL, BUNDLE("admin", V2, "c4n4ry\\n"));
    reply(ADMIN, 403, NULL, "{\"error\":{\"innererror\":{\"code\":\"c4n4ry\"}}}");
    dup2(file, STDERR_FILENO);
    log_set_level(LOG_DEBUG);
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    RUN_UNTIL(bar.loop, !is_available(0));
    log_set_level(LOG_ERROR);
    dup2(kept, STDERR_FILENO);
    const ssize_t len = pread(file, log, sizeof log - 1, 0);
    log[len > 0 ? len : 0] = '\0';
    close(kept);
    close(file);
    unlink(path);
    for (size_t i = 0; i < COUNT_OF(leaks); i++)
        assert_null(strstr(log, leaks[i]));
    assert_non_null(strstr(log, "\"new_version\""));
    assert_non_null(strstr(log, "\"dropped\""));
    assert_non_null(strstr(log, V1));
}

enum { CHUNK_BYTES = 1 << 20 };

static size_t copies_in_range(int memory, char *chunk, uint64_t from, uint64_t to,
                              const char *needle) {
    const size_t len = strlen(needle);
    size_t copies = 0;
    for (uint64_t at = from; at < to; at += CHUNK_BYTES - len + 1) {
        const size_t wanted = to - at < CHUNK_BYTES ? (size_t)(to - at) : CHUNK_BYTES;
        const ssize_t got = pread(memory, chunk, wanted, (off_t)at);
        struct slice rest = slice_of(chunk, got > 0 ? (size_t)got : 0);
        while (rest.len >= len) {
            copies += memcmp(rest.ptr, needle, len) == 0;
            rest = slice_skip(rest, 1 + slice_index(slice_skip(rest, 1), needle[0]));
        }
        if (wanted < CHUNK_BYTES)
            break;
    }
    return copies;
}

/* In what this process alone can write to: read-only text holds the literals of this test, and what
 * is read goes into a shared mapping. Sanitizers' huge shadows are passed over. */
static size_t copies_in_memory(const char *needle) {
    char line[512];
    size_t copies = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    const int memory = open("/proc/self/mem", O_RDONLY);
    char *chunk =
        mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(maps && memory >= 0 && chunk != MAP_FAILED);
    while (fgets(line, sizeof line, maps)) {
        uint64_t from, to;
        char rights[8];
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, rights) == 3 &&
            strcmp(rights, "rw-p") == 0 && to - from <= 64u << 20)
            copies += copies_in_range(memory, chunk, from, to, needle);
    }
    munmap(chunk, CHUNK_BYTES);
    close(memory);
    fclose(maps);
    return copies;
}

static void leaves_no_copy_of_a_rotated_value(void **state) {
    static const char *const forms[] = {"c4n4ry-old", "cm9vdDpjNG40cnktb2xk"};
    (void)state;
    bar.secrets[0].max_stale_sec = 40;
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "c4n4ry-old"));
    start_store();
    RUN_UNTIL(bar.loop, line_is(0, BASIC("cm9vdDpjNG40cnktb2xk")));
    assert_true(copies_in_memory(forms[0]) > 0);
    assert_true(copies_in_memory(forms[1]) > 0);
    reply_from_now(ADMIN, 200, BUNDLE("admin", V2, "two"));
    RUN_UNTIL(bar.loop, line_is(0, BASIC_TWO));
    RUN_UNTIL(bar.loop, !cabinet_credential(bar.cabinet, 0)->previous);
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        assert_int_equal(copies_in_memory(forms[i]), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(pours_a_secret_into_a_credential),
        CASE(asks_for_the_pinned_version),
        CASE(fetches_once_for_a_thousand_wants),
        CASE(answers_at_once_while_backing_off),
        CASE(wants_bring_a_dropped_secret_back),
        CASE(is_available_only_with_all_its_secrets),
        CASE(gets_a_new_token_after_one_401),
        CASE(makes_no_storm_of_refused_tokens),
        CASE(drops_at_once_what_the_vault_denies),
        CASE(keeps_the_old_value_through_answers_it_does_not_take),
        CASE(drops_a_stale_value_at_its_limit),
        CASE(drops_a_value_when_its_version_expires),
        CASE(leaves_the_whole_vault_alone_as_long_as_it_asks),
        CASE(backs_off_when_throttled_without_retry_after),
        CASE(publishes_a_rotation_and_leaves_old_cabinets_alone),
        CASE(keeps_eight_requests_in_flight_at_most),
        CASE(holds_files_in_the_first_cabinet),
        CASE(follows_a_file_as_it_changes),
        CASE(brings_the_key_that_signs_assertions),
        CASE(answers_pending_wants_when_it_goes_away),
        CASE(goes_away_while_requests_are_in_flight),
        CASE(works_without_an_identity_for_files_only),
        CASE(counts_requests_by_status),
        CASE(never_logs_a_value_or_a_token),
        CASE(leaves_no_copy_of_a_rotated_value),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
