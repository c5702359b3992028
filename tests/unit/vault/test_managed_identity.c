#include "vault/managed_identity.h"

#include <fcntl.h>

#include "identity_case.h"
#include "vault/arc.h"
#include "vault/arc_places.h"

#define RESOURCE "https://vault.azure.net"
#define CLIENT_ID "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3"
#define MSI "http://169.254.129.2:8081/msi/token"
#define ARC "http://localhost:40342/metadata/identity/oauth2/token"

/* The Arc agent's folder and program, where a test may put them. */
static struct {
    char root[64];
    char folder[96];
    char program[96];
    char outside[96];
} agent;

static char *in(const char *folder, const char *name) {
    static char paths[4][256];
    static size_t at;
    char *path = paths[at++ % COUNT_OF(paths)];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int install_agent(void **state) {
    (void)state;
    clear_platform();
    strcpy(agent.root, "/tmp/barkeep-arc-XXXXXX");
    if (!mkdtemp(agent.root))
        return -1;
    snprintf(agent.folder, sizeof agent.folder, "%s/tokens", agent.root);
    snprintf(agent.program, sizeof agent.program, "%s/himds", agent.root);
    snprintf(agent.outside, sizeof agent.outside, "%s/outside.key", agent.root);
    mkdir(agent.folder, 0700);
    write_file(agent.outside, "stolen");
    arc_set_places(agent.folder, agent.program);
    return 0;
}

static int remove_agent(void **state) {
    (void)state;
    static const char *const names[] = {"good.key", "big.key",  "full.key",  "link.key",
                                        "sub.key",  "fifo.key", "empty.key", "good.txt",
                                        ".key",     "wild.key"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (unlink(in(agent.folder, names[i])) != 0)
            rmdir(in(agent.folder, names[i]));
    unlink(agent.program);
    unlink(agent.outside);
    unlink(in(agent.root, "elsewhere"));
    rmdir(agent.folder);
    rmdir(agent.root);
    arc_set_places(NULL, NULL);
    clear_platform();
    return 0;
}

static void picks_the_source_as_the_sdks_do(void **state) {
    static const struct {
        const char *endpoint; /* configured */
        const char *identity_endpoint, *identity_header, *imds_endpoint;
        bool has_program;
        enum managed_source source;
    } rows[] = {
        {NULL, NULL, NULL, NULL, false, MANAGED_IMDS},
        {NULL, MSI, "secret", NULL, false, MANAGED_APP_SERVICE},
        {NULL, MSI, "secret", "http://localhost:40342", true, MANAGED_APP_SERVICE},
        {NULL, MSI, "", NULL, false, MANAGED_IMDS},
        {NULL, NULL, "secret", NULL, false, MANAGED_IMDS},
        {NULL, ARC, NULL, "http://localhost:40342", false, MANAGED_ARC},
        {NULL, ARC, NULL, NULL, false, MANAGED_IMDS},
        {NULL, NULL, NULL, "http://localhost:40342", false, MANAGED_IMDS},
        {NULL, NULL, NULL, NULL, true, MANAGED_ARC},
        {"http://127.0.0.1:1", MSI, "secret", NULL, true, MANAGED_IMDS},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct config_identity config = {.kind = IDENTITY_MANAGED,
                                               .endpoint = rows[i].endpoint};
        struct managed_identity managed;
        clear_platform();
        if (rows[i].identity_endpoint)
            setenv("IDENTITY_ENDPOINT", rows[i].identity_endpoint, 1);
        if (rows[i].identity_header)
            setenv("IDENTITY_HEADER", rows[i].identity_header, 1);
        if (rows[i].imds_endpoint)
            setenv("IMDS_ENDPOINT", rows[i].imds_endpoint, 1);
        if (rows[i].has_program)
            write_file(agent.program, "");
        assert_int_equal(managed_identity_init(&managed, &config, NULL), STATUS_OK);
        if (managed.source != rows[i].source)
            fail_msg("row %zu: source %d", i, (int)managed.source);
        managed_identity_done(&managed);
        unlink(agent.program);
    }
}

static void refuses_service_fabric_by_name(void **state) {
    const struct config_identity config = {.kind = IDENTITY_MANAGED};
    struct managed_identity managed;
    struct error err = {""};
    (void)state;
    setenv("IDENTITY_ENDPOINT", "https://localhost:2377/metadata/identity/oauth2/token", 1);
    setenv("IDENTITY_HEADER", "secret", 1);
    setenv("IDENTITY_SERVER_THUMBPRINT", "a6f2", 1);
    assert_int_equal(managed_identity_init(&managed, &config, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "Service Fabric"));
}

static enum status build(const struct config_identity *config, struct slice challenge,
                         struct token_request *request, struct error *err) {
    struct managed_identity managed;
    token_request_init(request);
    assert_int_equal(managed_identity_init(&managed, config, NULL), STATUS_OK);
    const enum status status =
        managed_identity_request(&managed, config, RESOURCE, challenge, request, err);
    managed_identity_done(&managed);
    return status;
}

static void asks_app_service_with_the_header_of_the_moment(void **state) {
    const struct config_identity config = {.kind = IDENTITY_MANAGED,
                                           .managed_client_id = CLIENT_ID};
    struct token_request request;
    (void)state;
    setenv("IDENTITY_ENDPOINT", MSI, 1);
    setenv("IDENTITY_HEADER", "first", 1);
    assert_int_equal(build(&config, SLICE(""), &request, NULL), STATUS_OK);
    assert_string_equal(request.url.ptr,
                        MSI "?resource=https%3A%2F%2Fvault.azure.net&api-version=2019-08-01"
                            "&client_id=" CLIENT_ID);
    assert_string_equal(request.method, "GET");
    assert_string_equal(request.headers[0], "X-IDENTITY-HEADER: first");
    assert_null(request.headers[1]);
    assert_true(request.allow_any_link_local);
    token_request_done(&request);
    setenv("IDENTITY_HEADER", "rotated", 1);
    assert_int_equal(build(&config, SLICE(""), &request, NULL), STATUS_OK);
    assert_string_equal(request.headers[0], "X-IDENTITY-HEADER: rotated");
    token_request_done(&request);
}

static void sends_the_platforms_secret_to_this_machine_only(void **state) {
    static const struct {
        const char *endpoint;
        const char *header;
        bool is_sent;
    } rows[] = {
        {MSI, "secret", true},
        {"http://localhost:42356/msi/token", "secret", true},
        {"http://127.0.0.1:41741/MSI/token/", "secret", true},
        {"http://169.254.255.2:8081/msi/token", "secret", true},
        {"https://identity.example/msi/token", "secret", true},
        {"http://10.0.0.1:8081/msi/token", "secret", false},
        {"http://169.255.0.1/msi/token", "secret", false},
        {"http://169.254.1/msi/token", "secret", false},
        {"http://169.254.1.256/msi/token", "secret", false},
        {"http://169.254.1.1.example/msi/token", "secret", false},
        {"http://169.254.1.1@example.com/msi/token", "secret", false},
        {"http://example.com/msi/token", "secret", false},
        {"http://127.0.0.1:1/msi/token?x=y", "secret", false},
        {"ftp://127.0.0.1/msi/token", "secret", false},
        {MSI, "two words", false},
        {MSI, "line\r\nX-Other: 1", false},
    };
    const struct config_identity config = {.kind = IDENTITY_MANAGED};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct token_request request;
        struct error err = {""};
        setenv("IDENTITY_ENDPOINT", rows[i].endpoint, 1);
        setenv("IDENTITY_HEADER", rows[i].header, 1);
        const bool is_sent = build(&config, SLICE(""), &request, &err) == STATUS_OK;
        if (is_sent != rows[i].is_sent)
            fail_msg("%s: %s", rows[i].endpoint, err.text);
        assert_null(strstr(err.text, rows[i].header));
        token_request_done(&request);
    }
}

static void use_arc(void) {
    setenv("IDENTITY_ENDPOINT", ARC, 1);
    setenv("IMDS_ENDPOINT", "http://localhost:40342", 1);
}

static void asks_arc_where_the_environment_says(void **state) {
    const struct config_identity config = {.kind = IDENTITY_MANAGED};
    struct token_request request;
    (void)state;
    use_arc();
    assert_int_equal(build(&config, SLICE(""), &request, NULL), STATUS_OK);
    assert_string_equal(request.url.ptr,
                        ARC "?api-version=2020-06-01&resource=https%3A%2F%2Fvault.azure.net");
    assert_string_equal(request.headers[0], "Metadata: true");
    assert_null(request.headers[1]);
    token_request_done(&request);
    clear_platform();
    write_file(agent.program, "");
    assert_int_equal(build(&config, SLICE(""), &request, NULL), STATUS_OK);
    assert_string_equal(request.url.ptr,
                        "http://127.0.0.1:40342/metadata/identity/oauth2/token"
                        "?api-version=2020-06-01&resource=https%3A%2F%2Fvault.azure.net");
    token_request_done(&request);
    use_arc();
    setenv("IDENTITY_ENDPOINT", "http://arc.example/token", 1);
    assert_int_equal(build(&config, SLICE(""), &request, NULL), STATUS_INVALID);
    token_request_done(&request);
}

/* What becomes of a challenge; `out_err` says why it was refused. */
static bool is_answered(const char *challenge, struct error *out_err) {
    const struct config_identity config = {.kind = IDENTITY_MANAGED};
    struct token_request request;
    const bool is_built = build(&config, slice_of_str(challenge), &request, out_err) == STATUS_OK;
    if (is_built) {
        assert_string_equal(request.headers[0], "Metadata: true");
        assert_true(strncmp(request.headers[1], "Authorization: Basic ", 21) == 0);
        assert_null(request.headers[2]);
    } else {
        assert_null(request.headers[1]);
    }
    token_request_done(&request);
    return is_built;
}

static const char *realm(const char *folder, const char *name) {
    static char text[512];
    snprintf(text, sizeof text, "Basic realm=%s/%s", folder, name);
    return text;
}

static void shows_arc_the_key_as_it_is(void **state) {
    const struct config_identity config = {.kind = IDENTITY_MANAGED};
    struct token_request request;
    (void)state;
    use_arc();
    write_file(in(agent.folder, "good.key"), "a+b/c==");
    assert_int_equal(build(&config, slice_of_str(realm(agent.folder, "good.key")), &request, NULL),
                     STATUS_OK);
    assert_string_equal(request.headers[1], "Authorization: Basic a+b/c==");
    token_request_done(&request);
}

static void reads_no_file_but_a_key_in_the_agents_folder(void **state) {
    char above[256], longer[256], twice[256], inside[256];
    (void)state;
    use_arc();
    write_file(in(agent.folder, "good.key"), "key");
    write_file(in(agent.folder, "good.txt"), "key");
    write_file(in(agent.folder, ".key"), "key");
    snprintf(above, sizeof above, "%s/..", agent.folder);
    snprintf(longer, sizeof longer, "%s2", agent.folder);
    snprintf(twice, sizeof twice, "%s/", agent.folder);
    snprintf(inside, sizeof inside, "%s/sub", agent.folder);
    const struct {
        const char *folder, *name;
    } refused[] = {
        {above, "outside.key"},     {agent.root, "outside.key"}, {agent.folder, "../outside.key"},
        {agent.folder, "good.txt"}, {agent.folder, ".key"},      {agent.folder, "good.key.txt"},
        {agent.folder, "GOOD.KEY"}, {longer, "good.key"},        {twice, "good.key"},
        {inside, "good.key"},       {"/etc", "passwd"},          {"", "good.key"},
        {agent.folder, ""},         {agent.folder, "a b.key"},   {agent.folder, "..\\x.key"},
        {agent.folder, "%2e.key"},  {"tokens", "good.key"},      {agent.folder, "good.key, Basic"},
        {agent.folder, "x\".key"},
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct error err = {""};
        if (is_answered(realm(refused[i].folder, refused[i].name), &err))
            fail_msg("taken: %s", realm(refused[i].folder, refused[i].name));
        assert_true(err.text[0] != '\0');
    }
    struct error err = {""};
    assert_true(is_answered(realm(agent.folder, "good.key"), &err));
}

static void refuses_challenges_of_other_shapes(void **state) {
    static const char *const shapes[] = {"Bearer realm=%s/good.key",
                                         "Basic realm=\"%s/good.key\"",
                                         "Basic %s/good.key",
                                         "Basic nonce=1, realm=%s/good.key",
                                         "Basic",
                                         "realm=%s/good.key"};
    char challenge[512];
    struct error err = {""};
    (void)state;
    use_arc();
    write_file(in(agent.folder, "good.key"), "key");
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(challenge, sizeof challenge, shapes[i], agent.folder);
#pragma GCC diagnostic pop
        if (is_answered(challenge, &err))
            fail_msg("taken: %s", challenge);
    }
    assert_true(is_answered(realm(agent.folder, "good.key"), &err));
}

static void refuses_key_files_that_are_traps(void **state) {
    static const struct {
        const char *name;
        const char *reason;
    } rows[] = {
        {"link.key", "symbolic link"}, {"sub.key", "regular"}, {"fifo.key", "regular"},
        {"big.key", "larger"},         {"empty.key", "empty"}, {"missing.key", "no such file"},
        {"wild.key", "header"},
    };
    char *big = repeated('x', 4097), *full = repeated('x', 4096);
    struct error err = {""};
    (void)state;
    use_arc();
    assert_int_equal(symlink(agent.outside, in(agent.folder, "link.key")), 0);
    mkdir(in(agent.folder, "sub.key"), 0700);
    assert_int_equal(mkfifo(in(agent.folder, "fifo.key"), 0600), 0);
    write_file(in(agent.folder, "big.key"), big);
    write_file(in(agent.folder, "full.key"), full);
    write_file(in(agent.folder, "empty.key"), "");
    write_file(in(agent.folder, "wild.key"), "key\r\nX-Other: 1");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        err.text[0] = '\0';
        assert_false(is_answered(realm(agent.folder, rows[i].name), &err));
        if (!strstr(err.text, rows[i].reason))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
    assert_true(is_answered(realm(agent.folder, "full.key"), &err));
    free(big);
    free(full);
}

static void follows_no_link_in_place_of_the_folder(void **state) {
    struct error err = {""};
    (void)state;
    use_arc();
    write_file(in(agent.folder, "good.key"), "key");
    char *link = in(agent.root, "elsewhere");
    assert_int_equal(symlink(agent.folder, link), 0);
    arc_set_places(link, NULL);
    assert_false(is_answered(realm(link, "good.key"), &err));
    arc_set_places(agent.folder, NULL);
    assert_true(is_answered(realm(agent.folder, "good.key"), &err));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, install_agent, remove_agent)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(picks_the_source_as_the_sdks_do),
        CASE(refuses_service_fabric_by_name),
        CASE(asks_app_service_with_the_header_of_the_moment),
        CASE(sends_the_platforms_secret_to_this_machine_only),
        CASE(asks_arc_where_the_environment_says),
        CASE(shows_arc_the_key_as_it_is),
        CASE(reads_no_file_but_a_key_in_the_agents_folder),
        CASE(refuses_challenges_of_other_shapes),
        CASE(refuses_key_files_that_are_traps),
        CASE(follows_no_link_in_place_of_the_folder),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
