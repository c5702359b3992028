/* The challenge names a file to read and send back. Whoever could forge it would read any file of
 * ours, so the name is taken apart and put together again: only what stands directly in the agent's
 * folder is opened, below a descriptor of that folder, and never through a symbolic link. */
#include "vault/arc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "vault/arc_places.h"
#include "vault/endpoint_url.h"
#include "vault/file_bytes.h"

#define TIMEOUT_MS 10000
#define KEY_FOLDER "/var/opt/azcmagent/tokens"
#define PROGRAM "/opt/azcmagent/bin/himds"
#define DEFAULT_ENDPOINT "http://127.0.0.1:40342/metadata/identity/oauth2/token"
#define MAX_KEY_BYTES 4096

static const char *key_folder = KEY_FOLDER;
static const char *program = PROGRAM;

void arc_set_places(const char *key_folder_, const char *program_) {
    key_folder = key_folder_ ? key_folder_ : KEY_FOLDER;
    program = program_ ? program_ : PROGRAM;
}

static bool is_named(const char *variable) {
    const char *value = getenv(variable);
    return value && value[0];
}

static bool is_in_environment(void) {
    return is_named("IDENTITY_ENDPOINT") && is_named("IMDS_ENDPOINT");
}

bool arc_is_here(void) {
    return is_in_environment() || access(program, F_OK) == 0;
}

enum status arc_request(const struct config_identity *config, const char *resource,
                        struct token_request *out_request, struct error *err) {
    const char *endpoint = is_in_environment() ? getenv("IDENTITY_ENDPOINT") : DEFAULT_ENDPOINT;
    struct buf *url = &out_request->url;
    if (!endpoint_url_may_be_asked(slice_of_str(endpoint), ENDPOINT_METADATA))
        return error_set(err, STATUS_INVALID,
                         "IDENTITY_ENDPOINT must be https, or http on the loopback");
    buf_append_str(url, endpoint);
    buf_append_str(url, "?api-version=2020-06-01&resource=");
    http_form_encode(url, slice_of_str(resource));
    const enum status status = token_request_end_url(out_request, config->managed_client_id,
                                                     "the URL of IDENTITY_ENDPOINT", err);
    if (status != STATUS_OK)
        return status;
    out_request->headers[0] = "Metadata: true";
    out_request->timeout_ms = TIMEOUT_MS;
    out_request->allow_link_local = true;
    return STATUS_OK;
}

static bool is_plain_name(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!is_word && !(c == '.' && i > 0))
            return false;
    }
    return true;
}

/* The file's name within the folder: from `Basic realm=FOLDER/NAME.key`, unquoted, nothing else. */
static enum status name_of(struct slice challenge, char out_name[NAME_MAX + 1], struct error *err) {
    const struct slice scheme = SLICE("Basic realm=");
    if (!slice_eq_nocase(
            slice_of(challenge.ptr, challenge.len < scheme.len ? challenge.len : scheme.len),
            scheme))
        return error_set(err, STATUS_INVALID, "Azure Arc's challenge names no file");
    struct slice path = slice_trim(slice_skip(challenge, scheme.len));
    const struct slice folder = slice_of_str(key_folder);
    struct slice name = slice_skip(path, folder.len + 1);
    if (!slice_starts_with(path, folder) || path.len <= folder.len || path.ptr[folder.len] != '/' ||
        memchr(name.ptr, '/', name.len))
        return error_set(err, STATUS_INVALID,
                         "Azure Arc's challenge names a file outside of %s: it is not read",
                         key_folder);
    if (!slice_ends_with(name, SLICE(".key")) || name.len <= 4 || name.len > NAME_MAX ||
        !is_plain_name(name))
        return error_set(err, STATUS_INVALID,
                         "Azure Arc's challenge names a file that is no key: it is not read");
    memcpy(out_name, name.ptr, name.len);
    out_name[name.len] = '\0';
    return STATUS_OK;
}

/* O_NONBLOCK: a FIFO put in the file's place must not hold the keeper up. */
static int open_key(const char *name) {
    const int folder = open(key_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return -1;
    const int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const int error_number = errno;
    close(folder);
    errno = error_number;
    return fd;
}

static enum status read_key(const char *name, struct secret **out_key, struct error *err) {
    const int fd = open_key(name);
    if (fd < 0)
        return file_bytes_open_failure(errno, err);
    const enum status status = file_bytes_read(fd, MAX_KEY_BYTES, out_key, err);
    close(fd);
    return status;
}

enum status arc_answer_request(const struct config_identity *config, const char *resource,
                               struct slice challenge, struct token_request *out_request,
                               struct error *err) {
    char name[NAME_MAX + 1];
    struct secret *key = NULL;
    struct error why = {""};
    enum status status = name_of(challenge, name, err);
    if (status != STATUS_OK)
        return status;
    status = read_key(name, &key, &why);
    if (status == STATUS_OK &&
        (status = arc_request(config, resource, out_request, &why)) == STATUS_OK)
        status = token_request_set_secret_header(out_request, "Authorization: Basic ",
                                                 secret_bytes(key), &why);
    secret_unref(key);
    if (status != STATUS_OK)
        error_set(err, status, "Azure Arc's key file %s/%s: %s%s", key_folder, name, why.text,
                  status == STATUS_DENIED ? " (barkeep must be in the group himds)" : "");
    return status;
}
