/* Run first of all in main(), before threads, libraries and secrets: later the environment may be
 * read by another thread, and a core dump may already hold a credential. */
#include "core/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Variables that would let whoever starts the process redirect its calls, widen whom it trusts,
 * write its session keys to a file or load code into it. */
static const char *const steering_variables[] = {
    "http_proxy",      "HTTP_PROXY",      "https_proxy",  "HTTPS_PROXY",    "all_proxy",
    "ALL_PROXY",       "no_proxy",        "NO_PROXY",     "CURL_CA_BUNDLE", "CURL_HOME",
    "NETRC",           "SSL_CERT_FILE",   "SSL_CERT_DIR", "SSLKEYLOGFILE",  "OPENSSL_CONF",
    "OPENSSL_MODULES", "OPENSSL_ENGINES",
};

static enum status system_refused(struct error *err, const char *what) {
    return error_set(err, STATUS_IO, "%s: %s", what, strerror(errno));
}

static enum status forbid_dumps(struct error *err) {
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return system_refused(err, "setrlimit(RLIMIT_CORE)");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return system_refused(err, "prctl(PR_SET_DUMPABLE)");
    return STATUS_OK;
}

static enum status forget_steering_variables(struct error *err) {
    for (size_t i = 0; i < sizeof steering_variables / sizeof *steering_variables; i++)
        if (unsetenv(steering_variables[i]) != 0)
            return system_refused(err, "unsetenv");
    return STATUS_OK;
}

static enum status ignore_sigpipe(struct error *err) {
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL) != 0)
        return system_refused(err, "sigaction(SIGPIPE)");
    return STATUS_OK;
}

enum status process_harden(struct error *err) {
    enum status status = forbid_dumps(err);
    if (status != STATUS_OK)
        return status;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return system_refused(err, "prctl(PR_SET_NO_NEW_PRIVS)");
    status = forget_steering_variables(err);
    if (status != STATUS_OK)
        return status;
    return ignore_sigpipe(err);
}

unsigned long process_raise_file_limit(void) {
    struct rlimit files = {0, 0};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 0;
    const struct rlimit raised = {.rlim_cur = files.rlim_max, .rlim_max = files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        files = raised;
    return (unsigned long)files.rlim_cur;
}
