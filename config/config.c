/* From a file's bytes to an immutable struct config: tree, variables, parts, checks. Nothing is
 * published unless everything was understood. */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_parts.h"
#include "config/interpolate.h"
#include "config/problem.h"
#include "config/yaml_tree.h"
#include "core/buf.h"

/* Well above what the largest file that is accepted needs: about 25 MiB for its tree. */
#define ARENA_LIMIT_BYTES ((size_t)64 << 20)

struct config_holder {
    struct config config; /* first: a pointer to it is a pointer to its holder */
    struct arena arena;
    atomic_size_t references;
};

static const struct config_position WHOLE_FILE = {0, 0};

static void report_file(struct problem_list *problems, const char *text) {
    problem_add(problems, PROBLEM_ERROR, WHOLE_FILE, "", "%s", text);
}

static bool hash_bytes(struct slice bytes, char out_hex[65]) {
    static const char DIGITS[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(bytes.ptr, bytes.len, digest, &len, EVP_sha256(), NULL) != 1 || len != 32)
        return false;
    for (unsigned i = 0; i < 32; i++) {
        out_hex[2 * i] = DIGITS[digest[i] >> 4];
        out_hex[2 * i + 1] = DIGITS[digest[i] & 15];
    }
    out_hex[64] = '\0';
    return true;
}

static struct slice directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slice_of(path, slash ? (size_t)(slash - path) + 1 : 0);
}

static void loader_done(struct loader *loader) {
    name_index_done(&loader->vaults);
    name_index_done(&loader->credentials);
    name_index_done(&loader->roles);
    name_index_done(&loader->routes);
    name_index_done(&loader->secrets);
}

static void read_root(struct config_holder *holder, const struct node *root, const char *name,
                      unsigned extras, struct problem_list *problems) {
    static const struct node NO_ROLES = {.kind = NODE_MAPPING};
    struct loader loader = {.config = &holder->config,
                            .arena = &holder->arena,
                            .problems = problems,
                            .root = root,
                            .wants_warnings = extras & CONFIG_WARNINGS,
                            .directory = directory_of(name)};
    if (root->kind == NODE_MAPPING && !node_find(root, SLICE("roles")))
        config_read_roles(&loader, &NO_ROLES, &holder->config);
    if (schema_read(&loader, &CONFIG_SCHEMA, root, &holder->config))
        config_check(&loader);
    bool is_good = problems->error_count == 0 && !loader.is_out_of_memory;
    if (is_good && (extras & CONFIG_PARTS))
        config_digest_parts(&loader);
    config_secrets_finish(&loader);
    if (loader.is_out_of_memory)
        report_file(problems, "not enough memory to hold the configuration");
    loader_done(&loader);
}

/* Double quotes let `$` be written as an escape. */
static bool may_name_variables(struct slice yaml) {
    return slice_index(yaml, '$') != yaml.len || slice_index(yaml, '\\') != yaml.len;
}

static void read_yaml(struct config_holder *holder, const char *name, struct slice yaml,
                      unsigned extras, struct problem_list *problems) {
    struct arena tree;
    if (yaml.len > YAML_MAX_BYTES) {
        report_file(problems, "is larger than 4 MiB; a configuration must be smaller");
        return;
    }
    holder->config.path = arena_strdup(&holder->arena, name);
    if (!holder->config.path || !hash_bytes(yaml, holder->config.hash)) {
        report_file(problems, "not enough memory to hold the configuration");
        return;
    }
    arena_init(&tree, ARENA_LIMIT_BYTES);
    struct node *root = yaml_tree_parse(yaml, &tree, problems);
    bool is_empty = root ? root->kind == NODE_NULL : problems->error_count == 0;
    if (is_empty) {
        report_file(problems, "is empty; write at least `listen`, `entra` and `routes`");
    } else if (root) {
        if (may_name_variables(yaml))
            interpolate_tree(root, &tree, problems);
        read_root(holder, root, name, extras, problems);
    }
    arena_done(&tree);
}

static struct config *parse(const char *name, struct slice yaml, unsigned extras,
                            struct problem_list *out_problems) {
    struct config_holder *holder = calloc(1, sizeof *holder);
    if (!holder) {
        report_file(out_problems, "not enough memory to hold the configuration");
        return NULL;
    }
    arena_init(&holder->arena, ARENA_LIMIT_BYTES);
    atomic_init(&holder->references, 1);
    read_yaml(holder, name, yaml, extras, out_problems);
    problem_list_sort(out_problems);
    if (out_problems->error_count == 0)
        return &holder->config;
    config_unref(&holder->config);
    return NULL;
}

struct config *config_parse(const char *name, struct slice yaml,
                            struct problem_list *out_problems) {
    return parse(name, yaml, CONFIG_ALL, out_problems);
}

/* A file that others may write is a file in which others grant themselves access. */
static void check_mode(mode_t mode, struct problem_list *problems) {
    if (mode & S_IWOTH)
        problem_add(problems, PROBLEM_ERROR, WHOLE_FILE, "",
                    "everyone may write to the file; run chmod go-w on it");
    else if (mode & S_IWGRP)
        problem_add(problems, PROBLEM_WARNING, WHOLE_FILE, "",
                    "the file's group may write to it; run chmod g-w on it unless that is meant");
}

/* Not even begun when the file is too large already; it may grow while it is read. */
static bool read_all(int fd, size_t expected, struct buf *out) {
    return !buf_reserve(out, expected) || buf_append_file(out, fd);
}

/* Everything is asked of the open file, so that it cannot be swapped between look and use. */
static bool read_file(int fd, struct buf *out, struct problem_list *problems) {
    struct stat stat;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        report_file(problems, "is not a file; give the path of a YAML file after -c");
        return false;
    }
    check_mode(stat.st_mode, problems);
    if (!read_all(fd, (size_t)stat.st_size, out)) {
        problem_add(problems, PROBLEM_ERROR, WHOLE_FILE, "", "cannot be read: %s", strerror(errno));
        return false;
    }
    if (!buf_ok(out)) {
        report_file(problems, "is larger than 4 MiB; a configuration must be smaller");
        return false;
    }
    return true;
}

struct config *config_load_with(const char *path, unsigned extras,
                                struct problem_list *out_problems) {
    struct config *config = NULL;
    /* O_NONBLOCK: a pipe without a writer must not hold the program up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        problem_add(out_problems, PROBLEM_ERROR, WHOLE_FILE, "",
                    "cannot be opened: %s; give the path of a readable YAML file after -c",
                    strerror(errno));
        return NULL;
    }
    struct buf bytes;
    buf_init(&bytes, YAML_MAX_BYTES);
    if (read_file(fd, &bytes, out_problems))
        config = parse(path, buf_slice(&bytes), extras, out_problems);
    buf_done(&bytes);
    close(fd);
    return config;
}

struct config *config_load(const char *path, struct problem_list *out_problems) {
    return config_load_with(path, CONFIG_ALL, out_problems);
}

struct config *config_ref(struct config *config) {
    struct config_holder *holder = (struct config_holder *)config;
    atomic_fetch_add_explicit(&holder->references, 1, memory_order_relaxed);
    return config;
}

void config_unref(struct config *config) {
    struct config_holder *holder = (struct config_holder *)config;
    if (!holder || atomic_fetch_sub_explicit(&holder->references, 1, memory_order_acq_rel) != 1)
        return;
    struct arena arena = holder->arena;
    free(holder);
    arena_done(&arena);
}

bool config_uses_on_behalf_of(const struct config *config) {
    for (size_t i = 0; i < config->credential_count; i++) {
        if (config->credentials[i].kind == CREDENTIAL_ON_BEHALF_OF)
            return true;
    }
    return false;
}
