/* What holds no secret is read as it will be when it counts, so that a file of the wrong kind is
 * told from one that is fine. */
#include "proxy/named_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/revocation_source.h"
#include "config/problem.h"
#include "config/quote.h"
#include "proxy/mcp/pins.h"
#include "proxy/server_certificate.h"
#include "proxy/tls.h"
#include "proxy/tls_server.h"
#include "vault/file_bytes.h"

enum { PATH_BYTES = 48 };

static bool check_revoked(const struct config *config, struct problem_list *problems) {
    struct revocation_list *list = NULL;
    struct error err;
    if (!config->revoked_file) {
        return true;
    }
    if (revocation_file_read(config->revoked_file, &list, &err) == STATUS_OK) {
        revocation_list_unref(list);
        return true;
    }
    problem_add(problems, PROBLEM_ERROR, config->revoked_position, "revoked", "%s: %s",
                config->revoked_file, err.text);
    return false;
}

static bool check_authorities(const struct config *config, struct problem_list *problems) {
    bool is_good = true;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        struct error err;
        if (tls_check_authorities(route, &err) == STATUS_OK) {
            continue;
        }
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "routes[%zu].tls.ca", i);
        problem_add(problems, PROBLEM_ERROR, route->tls.ca_position, path, "%s (route %s)",
                    err.text, QUOTE(slice_of_str(route->name)));
        is_good = false;
    }
    return is_good;
}

/* Opened, not read: a secret has no business in a process that only checks. */
static enum status check_can_be_read(const char *path, struct error *err) {
    struct stat found;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return file_bytes_open_failure(errno, err);
    }
    bool is_known = fstat(fd, &found) == 0;
    close(fd);
    if (!is_known || !S_ISREG(found.st_mode)) {
        return error_set(err, STATUS_INVALID, "not a regular file");
    }
    return found.st_size > 0 ? STATUS_OK : error_set(err, STATUS_INVALID, "empty");
}

/* STATUS_DENIED: a key belongs to whoever serves, who need not be whoever checks. STATUS_LIMIT:
 * callers would look away, or mind. */
static bool is_only_warned_about(enum status status) {
    return status == STATUS_DENIED || status == STATUS_LIMIT;
}

static bool judge_certificate(const struct config_listen_certificate *certificate, const char *path,
                              enum status status, const struct error *err,
                              struct problem_list *problems) {
    if (status == STATUS_OK) {
        return true;
    }
    bool is_good = is_only_warned_about(status);
    problem_add(problems, is_good ? PROBLEM_WARNING : PROBLEM_ERROR, certificate->position, path,
                "%s", err->text);
    return is_good;
}

static enum status check_key_can_be_read(const struct config_listen_certificate *certificate,
                                         struct error *err) {
    struct error why;
    const char *file = certificate->key_file ? certificate->key_file : certificate->file;
    enum status status = check_can_be_read(file, &why);
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "%s: %s", file, why.text);
}

static bool check_certificate(const struct config_listen_certificate *certificate, const char *path,
                              bool reads_keys, struct problem_list *problems) {
    struct error err;
    enum status key_status = check_key_can_be_read(certificate, &err);
    if (key_status == STATUS_OK && reads_keys) {
        enum status status = tls_server_check_certificate(certificate, &err);
        return judge_certificate(certificate, path, status, &err, problems);
    }
    bool has_key = judge_certificate(certificate, path, key_status, &err, problems);
    if (key_status != STATUS_OK && !certificate->key_file) {
        return has_key; /* of the same file nothing else can be said */
    }
    enum status status = server_certificate_check(certificate->file, &err);
    return judge_certificate(certificate, path, status, &err, problems) && has_key;
}

static bool check_client_authorities(const struct config_listen_tls *tls, size_t listener,
                                     struct problem_list *problems) {
    char path[PATH_BYTES];
    struct error err;
    enum status status = tls_server_check_authorities(tls, &err);
    if (status == STATUS_OK) {
        return true;
    }
    bool is_good = is_only_warned_about(status);
    snprintf(path, sizeof path, "listen[%zu].tls.client_ca", listener);
    problem_add(problems, is_good ? PROBLEM_WARNING : PROBLEM_ERROR, tls->client_ca_position, path,
                "%s", err.text);
    return is_good;
}

static bool check_listeners(const struct config *config, bool reads_keys,
                            struct problem_list *problems) {
    bool is_good = true;
    for (size_t i = 0; i < config->listen_count; i++) {
        const struct config_listen_tls *tls = config->listen[i].tls;
        char path[PATH_BYTES];
        if (!tls) {
            continue;
        }
        is_good = check_client_authorities(tls, i, problems) && is_good;
        snprintf(path, sizeof path, "listen[%zu].tls", i);
        for (size_t j = 0; j < tls->certificate_count; j++) {
            is_good =
                check_certificate(&tls->certificates[j], path, reads_keys, problems) && is_good;
        }
    }
    return is_good;
}

struct proof_file {
    const char *key;
    const char *path; /* NULL: there is none */
};

static struct proof_file proof_file_of(const struct config_identity *identity) {
    switch (identity->kind) {
    case IDENTITY_WORKLOAD:
        return (struct proof_file){"identity.workload.token_file", identity->token_file};
    case IDENTITY_CLIENT_SECRET:
        return (struct proof_file){"identity.client.secret_file", identity->client_secret_file};
    case IDENTITY_CLIENT_CERTIFICATE:
        return (struct proof_file){"identity.client.certificate_file",
                                   identity->client_certificate_file};
    default:
        return (struct proof_file){0};
    }
}

/* The platform may write it later, and it is read anew for each token. */
static void warn_of_proof(const struct config *config, struct problem_list *problems) {
    struct proof_file file = proof_file_of(&config->identity);
    struct error err;
    if (file.path && check_can_be_read(file.path, &err) != STATUS_OK) {
        problem_add(problems, PROBLEM_WARNING, config->identity.file_position, file.key, "%s: %s",
                    file.path, err.text);
    }
}

static enum status check_folder(const char *path, struct error *err) {
    struct stat found;
    if (stat(path, &found) != 0) {
        return errno == ENOENT ? error_set(err, STATUS_NOT_FOUND, "no such folder")
                               : file_bytes_open_failure(errno, err);
    }
    return S_ISDIR(found.st_mode) ? STATUS_OK : error_set(err, STATUS_INVALID, "not a folder");
}

static void warn_of_folder(const struct config_vault *vault, struct problem_list *problems) {
    char key[PATH_BYTES + PATH_BYTES];
    struct error err;
    if (vault->kind == VAULT_FILE && check_folder(vault->directory, &err) != STATUS_OK) {
        snprintf(key, sizeof key, "vaults.%s", vault->name);
        problem_add(problems, PROBLEM_WARNING, vault->position, key, "%s: %s", vault->directory,
                    err.text);
    }
}

/* Of a folder that is not there its vault has told. */
static void warn_of_secret(const struct config *config, const struct config_secret *secret,
                           struct problem_list *problems) {
    const struct config_vault *vault = &config->vaults[secret->vault];
    char path[PATH_MAX];
    struct error err;
    if (vault->kind != VAULT_FILE || check_folder(vault->directory, &err) != STATUS_OK) {
        return;
    }
    int len = snprintf(path, sizeof path, "%s/%s", vault->directory, secret->name);
    if (len > 0 && (size_t)len < sizeof path && check_can_be_read(path, &err) != STATUS_OK) {
        problem_add(problems, PROBLEM_WARNING, secret->position, secret->key, "%s: %s", path,
                    err.text);
    }
}

/* Whoever mounts the secrets may do so later, or elsewhere. */
static void warn_of_secrets(const struct config *config, struct problem_list *problems) {
    for (size_t i = 0; i < config->vault_count; i++) {
        warn_of_folder(&config->vaults[i], problems);
    }
    for (size_t i = 0; i < config->secret_count; i++) {
        warn_of_secret(config, &config->secrets[i], problems);
    }
}

/* A file that nobody has written yet is the beginning of it all, and approves nothing. */
static bool check_pins_of(const struct config *config, size_t route,
                          struct problem_list *problems) {
    const struct config_mcp *mcp = config->routes[route].mcp;
    char path[PATH_BYTES];
    struct error err;
    struct mcp_pins *pins = mcp_pins_load(mcp->pins_file, &err);
    snprintf(path, sizeof path, "routes[%zu].mcp.pins", route);
    if (!pins) {
        problem_add(problems, PROBLEM_ERROR, mcp->pins_position, path, "%s", err.text);
        return false;
    }
    if (mcp_pins_are_missing(pins)) {
        problem_add(problems, PROBLEM_WARNING, mcp->pins_position, path,
                    "%s: no such file, so nobody has approved a tool: %s; write it with `barkeep "
                    "pin approve`",
                    mcp->pins_file,
                    mcp->pinning == MCP_PINNING_BLOCK ? "none is listed, none can be called"
                                                      : "each is told of in the log");
    }
    mcp_pins_unref(pins);
    return true;
}

static bool check_pins(const struct config *config, struct problem_list *problems) {
    bool is_good = true;
    for (size_t i = 0; i < config->route_count; i++) {
        if (mcp_pins_are_in_force(config->routes[i].mcp)) {
            is_good = check_pins_of(config, i, problems) && is_good;
        }
    }
    return is_good;
}

bool named_files_check(const struct config *config, bool reads_keys,
                       struct problem_list *problems) {
    bool has_authorities = check_authorities(config, problems);
    bool has_certificates = check_listeners(config, reads_keys, problems);
    bool has_revocations = check_revoked(config, problems);
    bool has_pins = check_pins(config, problems);
    warn_of_proof(config, problems);
    warn_of_secrets(config, problems);
    problem_list_sort(problems);
    return has_authorities && has_certificates && has_revocations && has_pins;
}
