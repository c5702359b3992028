/* Files that others can read or write, in a folder of the test's own. */
#include "config_case.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/barkeep-config-XXXXXX";
static char file[64];

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(file, sizeof file, "%s/file", folder);
    FILE *made = fopen(file, "w");
    return made && fclose(made) == 0 ? 0 : -1;
}

static int drop_folder(void **state) {
    (void)state;
    unlink(file);
    return rmdir(folder);
}

static const char *with_path(const char *yaml, const char *path) {
    static char text[1024];
    const char *at = strchr(yaml, '@');
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - yaml), yaml, path, at + 1);
    return text;
}

/* `yaml` holds one @ for the path. */
static void warns(const char *yaml, const char *path, mode_t mode, const char *where,
                  const char *fragment) {
    assert_int_equal(chmod(path, mode), 0);
    const struct config_case one = {with_path(yaml, path), where, fragment};
    case_judge_all(&one, 1, PROBLEM_WARNING);
}

static void says_nothing(const char *yaml, const char *path, mode_t mode) {
    assert_int_equal(chmod(path, mode), 0);
    const char *text = with_path(yaml, path);
    case_silent_all(&text, 1);
}

static const char SECRET[] = "identity: {client: {id: " CLIENT ", secret_file: \"@\"}}";
static const char CERTIFICATE[] = "identity: {client: {id: " CLIENT ", certificate_file: \"@\"}}";
static const char TOKEN[] = "identity: {workload: {client_id: " CLIENT ", token_file: \"@\"}}";

static void warns_of_secrets_that_others_read(void **state) {
    (void)state;
    warns(SECRET, file, 0644, "1:76: identity.client.secret_file", "run chmod o-r on it");
    warns(CERTIFICATE, file, 0604, "1:81: identity.client.certificate_file", "everyone");
    warns(TOKEN, file, 0644, "1:84: identity.workload.token_file", "may read");
    warns(SECRET, file, 0622, "1:76: identity.client.secret_file", "everyone may write to");
    says_nothing(SECRET, file, 0600);
    says_nothing(SECRET, file, 0400);
    says_nothing(TOKEN, file, 0600);
}

/* Root's files are read through their group; one's own need none. */
static void warns_of_groups_for_own_files_only(void **state) {
    (void)state;
    if (geteuid() == 0)
        says_nothing(SECRET, file, 0640);
    else
        warns(SECRET, file, 0640, "1:76: identity.client.secret_file", "run chmod g-r on it");
}

static void warns_of_files_that_others_write(void **state) {
    (void)state;
    static const char REVOKED[] = "revoked: \"@\"";
    static const char CA[] =
        "routes: [{name: r, upstream: \"https://a.example\", tls: {ca: \"@\"}}]";
    static const char VAULT[] = "vaults: {v: \"file:@\"}\ncredentials: {c: {bearer: v/x}}\n"
                                "access: [{role: Reader, to: {everyone: true}, credential: c}]";
    warns(REVOKED, file, 0646, "1:10: revoked", "run chmod o-w on it");
    says_nothing(REVOKED, file, 0644);
    warns(CA, file, 0646, "1:61: routes[0].tls.ca", "pick which upstreams are believed");
    says_nothing(CA, file, 0644);
    warns(VAULT, folder, 0777, "1:13: vaults.v", "everyone may put files into");
    says_nothing(VAULT, folder, 01777);
    says_nothing(VAULT, folder, 0755);
}

static void says_nothing_of_files_that_are_not_there(void **state) {
    (void)state;
    const char *text = with_path(SECRET, "/nonexistent/secret");
    case_silent_all(&text, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warns_of_secrets_that_others_read),
        cmocka_unit_test(warns_of_groups_for_own_files_only),
        cmocka_unit_test(warns_of_files_that_others_write),
        cmocka_unit_test(says_nothing_of_files_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
