/* Files that the configuration names and that others can read or write, as far as they are there
 * already. What is missing is the business of whoever opens it. */
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_parts.h"

/* Whom a file makes believe that its reader is barkeep. */
static const char AZURE[] = "Azure";
static const char CALLERS[] = "callers";

/* Folders that exist in one container only, whose modes the orchestrator picks: everything in that
 * container may read them anyway. */
static bool is_mounted_by_an_orchestrator(const char *path) {
    static const char *const FOLDERS[] = {"/run/secrets/", "/var/run/secrets/"};
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
        if (slice_starts_with(slice_of_str(path), slice_of_str(FOLDERS[i])))
            return true;
    }
    return false;
}

static void check_writers(struct loader *loader, const struct node *node, const char *path,
                          mode_t mode, const char *consequence) {
    if (mode & S_IWOTH)
        loader_warning(loader, node, "everyone may write to %s and so %s; run chmod o-w on it",
                       QUOTE(slice_of_str(path)), consequence);
}

/* A group is there for others to read a file; of its owner's own files nobody else needs to. Root's
 * are read by barkeep through their group. */
static void check_readers(struct loader *loader, const struct node *node, const char *path,
                          const struct stat *stat, const char *whose) {
    bool is_own = stat->st_uid != 0 && stat->st_uid == geteuid();
    if (is_mounted_by_an_orchestrator(path))
        return;
    if (stat->st_mode & S_IROTH)
        loader_warning(loader, node,
                       "everyone on this machine may read %s, and who reads it can be barkeep "
                       "towards %s; run chmod o-r on it",
                       QUOTE(slice_of_str(path)), whose);
    else if ((stat->st_mode & S_IRGRP) && is_own)
        loader_warning(loader, node,
                       "the file's group may read %s, and who reads it can be barkeep towards "
                       "%s; run chmod g-r on it unless that is meant",
                       QUOTE(slice_of_str(path)), whose);
}

static void check_secret(struct loader *loader, const struct node *node, const char *path,
                         const char *whose) {
    struct stat found;
    if (!path || !node || stat(path, &found) != 0 || !S_ISREG(found.st_mode))
        return;
    check_readers(loader, node, path, &found, whose);
    check_writers(loader, node, path, found.st_mode, "pick who barkeep is");
}

static void check_public(struct loader *loader, const struct node *node, const char *path,
                         const char *consequence) {
    struct stat found;
    if (path && node && stat(path, &found) == 0 && S_ISREG(found.st_mode))
        check_writers(loader, node, path, found.st_mode, consequence);
}

static void check_folder(struct loader *loader, const struct node *node, const char *path) {
    struct stat found;
    bool is_open = path && stat(path, &found) == 0 && S_ISDIR(found.st_mode) &&
                   (found.st_mode & S_IWOTH) && !(found.st_mode & S_ISVTX);
    if (is_open)
        loader_warning(loader, node,
                       "everyone may put files into %s and so pick what is sent to upstreams; run "
                       "chmod o-w on it",
                       QUOTE(slice_of_str(path)));
}

static const struct node *find(const struct node *node, const char *key) {
    return node && node->kind == NODE_MAPPING ? node_find(node, slice_of_str(key)) : NULL;
}

static void check_identity(struct loader *loader) {
    const struct config_identity *identity = &loader->config->identity;
    const struct node *node = find(loader->root, "identity");
    const struct node *client = find(node, "client");
    const struct node *workload = find(node, "workload");
    const struct node *token_file = find(workload, "token_file");
    check_secret(loader, find(client, "secret_file"), identity->client_secret_file, AZURE);
    check_secret(loader, find(client, "certificate_file"), identity->client_certificate_file,
                 AZURE);
    check_secret(loader, token_file ? token_file : workload, identity->token_file, AZURE);
}

static void check_certificate(struct loader *loader, const struct node *node,
                              const struct config_listen_certificate *certificate) {
    const struct node *file = find(node, "certificate");
    const struct node *key = find(node, "key");
    if (!certificate->key_file) {
        check_secret(loader, file, certificate->file, CALLERS);
        return;
    }
    check_public(loader, file, certificate->file, "pick what callers are shown");
    check_secret(loader, key, certificate->key_file, CALLERS);
}

static void check_listener(struct loader *loader, const struct node *node,
                           const struct config_listen_tls *tls) {
    const struct node *several = find(node, "certificates");
    const struct node *item = several ? several->first : node;
    for (size_t i = 0; item && i < tls->certificate_count; i++, item = item->next)
        check_certificate(loader, item, &tls->certificates[i]);
    check_public(loader, find(node, "client_ca"), tls->client_ca_file,
                 "pick which callers' certificates are believed");
}

static void check_listeners(struct loader *loader) {
    const struct config *config = loader->config;
    const struct node *listen = find(loader->root, "listen");
    const struct node *item = listen ? node_item_first(listen) : NULL;
    for (size_t i = 0; item && i < config->listen_count; i++) {
        if (config->listen[i].tls)
            check_listener(loader, find(item, "tls"), config->listen[i].tls);
        item = node_item_next(listen, item);
    }
}

void config_check_files(struct loader *loader) {
    const struct config *config = loader->config;
    check_listeners(loader);
    check_identity(loader);
    check_public(loader, find(loader->root, "revoked"), config->revoked_file,
                 "give access back to whom it was taken from");
    const struct node *vaults = find(loader->root, "vaults");
    const struct node *node = vaults ? vaults->first : NULL;
    for (size_t i = 0; node && i < config->vault_count; i++, node = node->next)
        check_folder(loader, node, config->vaults[i].directory);
    node = find(loader->root, "routes")->first;
    for (size_t i = 0; node && i < config->route_count; i++, node = node->next)
        check_public(loader, find(find(node, "tls"), "ca"), config->routes[i].tls.ca_file,
                     "pick which upstreams are believed");
}
