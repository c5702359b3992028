/* What a hardened process can no longer do. Each test hardens a child, so that the test program
 * itself stays debuggable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process.h"

/* Exit code of a child that hardens itself and then asks `is_so`: 0 yes, 1 no, 2 not hardened. */
static int ask_hardened_child(int (*is_so)(void)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct error err;
        if (process_harden(&err) != STATUS_OK)
            _exit(2);
        _exit(is_so() ? 0 : 1);
    }
    int outcome;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_true(WIFEXITED(outcome));
    return WEXITSTATUS(outcome);
}

static int is_undumpable(void) {
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && core.rlim_cur == 0 && core.rlim_max == 0;
}

static int has_no_new_privileges(void) {
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static int survives_sigpipe(void) {
    int fds[2];
    if (pipe(fds) != 0)
        return 0;
    close(fds[0]);
    return write(fds[1], "x", 1) == -1;
}

static const char *const steering[] = {
    "http_proxy",   "HTTP_PROXY",    "https_proxy",  "HTTPS_PROXY",     "all_proxy",
    "ALL_PROXY",    "no_proxy",      "NO_PROXY",     "CURL_CA_BUNDLE",  "SSL_CERT_FILE",
    "SSL_CERT_DIR", "SSLKEYLOGFILE", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES",
    "CURL_HOME",    "NETRC",
};

static int is_not_steered(void) {
    for (size_t i = 0; i < sizeof steering / sizeof *steering; i++)
        if (getenv(steering[i]))
            return 0;
    return getenv("BARKEEP_TEST_KEPT") != NULL;
}

static void makes_no_core_dumps(void **state) {
    (void)state;
    assert_false(is_undumpable());
    assert_int_equal(ask_hardened_child(is_undumpable), 0);
}

static void gains_no_privileges(void **state) {
    (void)state;
    assert_int_equal(ask_hardened_child(has_no_new_privileges), 0);
}

static void ignores_sigpipe(void **state) {
    (void)state;
    assert_int_equal(ask_hardened_child(survives_sigpipe), 0);
}

static void forgets_variables_that_steer_libraries(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof steering / sizeof *steering; i++)
        setenv(steering[i], "/tmp/elsewhere", 1);
    setenv("BARKEEP_TEST_KEPT", "1", 1);
    assert_false(is_not_steered());
    assert_int_equal(ask_hardened_child(is_not_steered), 0);
    for (size_t i = 0; i < sizeof steering / sizeof *steering; i++)
        unsetenv(steering[i]);
}

static void raises_the_file_limit_to_the_hard_one(void **state) {
    (void)state;
    struct rlimit before;
    struct rlimit after;
    getrlimit(RLIMIT_NOFILE, &before);
    const struct rlimit lowered = {.rlim_cur = 64, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lowered), 0);
    unsigned long limit = process_raise_file_limit();
    getrlimit(RLIMIT_NOFILE, &after);
    assert_int_equal(limit, before.rlim_max);
    assert_int_equal(after.rlim_cur, before.rlim_max);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_no_core_dumps),
        cmocka_unit_test(gains_no_privileges),
        cmocka_unit_test(ignores_sigpipe),
        cmocka_unit_test(forgets_variables_that_steer_libraries),
        cmocka_unit_test(raises_the_file_limit_to_the_hard_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
