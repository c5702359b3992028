/* What a worker is made of at start stays as it was: those keys are named in the event. */
#include "proxy/reload.h"

#include "config/problem.h"
#include "core/log.h"
#include "proxy/mcp/pins.h"
#include "proxy/named_files.h"
#include "proxy/secret_heap.h"

enum { LIST_BYTES = 4096, PROBLEM_BYTES = 1024, WARNINGS_TOLD = 20 };

static void add_to_list(struct buf *list, const char *text) {
    if (list->len > 0) {
        buf_append_str(list, ", ");
    }
    buf_append_str(list, text);
}

static const char *list_text(struct buf *list) {
    buf_append_char(list, '\0');
    return buf_ok(list) ? buf_slice(list).ptr : "more than can be told";
}

/* Both lists are sorted: a merge names what only one has and what differs. */
static void list_changes(const struct config *former, const struct config *next, struct buf *list) {
    size_t i = 0, j = 0;
    while (i < former->part_count || j < next->part_count) {
        int order = i == former->part_count ? 1
                    : j == next->part_count ? -1
                                            : strcmp(former->parts[i].path, next->parts[j].path);
        if (order < 0) {
            add_to_list(list, former->parts[i++].path);
        } else if (order > 0) {
            add_to_list(list, next->parts[j++].path);
        } else {
            if (memcmp(former->parts[i].digest, next->parts[j].digest,
                       sizeof former->parts[i].digest) != 0) {
                add_to_list(list, next->parts[j].path);
            }
            i++, j++;
        }
    }
}

static bool has_same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool has_same_addresses(const struct config *former, const struct config *next) {
    bool is_same = former->listen_count == next->listen_count;
    for (size_t i = 0; is_same && i < next->listen_count; i++) {
        is_same = has_same_text(former->listen[i].text, next->listen[i].text) &&
                  !former->listen[i].tls == !next->listen[i].tls;
    }
    return is_same;
}

static void list_restarts(const struct config *settled, const struct config *next,
                          struct buf *list) {
    if (!has_same_addresses(settled, next)) {
        add_to_list(list, "listen");
    }
    if (settled->admin_is_on != next->admin_is_on ||
        !has_same_text(settled->admin.text, next->admin.text)) {
        add_to_list(list, "admin");
    }
    if (settled->workers != next->workers) {
        add_to_list(list, "workers");
    }
    if (!has_same_text(settled->audit_file, next->audit_file) ||
        settled->audit_full_drops != next->audit_full_drops) {
        add_to_list(list, "log");
    }
    if (settled->limits.connections != next->limits.connections ||
        settled->limits.header_bytes != next->limits.header_bytes ||
        settled->limits.headers != next->limits.headers ||
        settled->limits.buffer_bytes != next->limits.buffer_bytes) {
        add_to_list(list, "limits");
    }
    if (secret_heap_bytes(settled) < secret_heap_bytes(next)) {
        add_to_list(list, "credentials"); /* they may be more than the memory for secrets holds */
    }
}

static void say_refused(const struct config *current, const char *why, const char *problem,
                        size_t errors) {
    LOG_EVENT(LOG_ERROR, "reload", LOG_STR("what", "refused"), LOG_STR("why", why),
              LOG_STR("config", current->path), LOG_STR("problem", problem),
              LOG_INT("errors", errors), LOG_STR("config_hash", current->hash));
}

static void say_applied(const struct config *settled, const struct config *former,
                        const struct config *next, const char *why) {
    struct buf changed, restarts;
    buf_init(&changed, LIST_BYTES);
    buf_init(&restarts, LIST_BYTES);
    list_changes(former, next, &changed);
    list_restarts(settled, next, &restarts);
    LOG_EVENT(LOG_INFO, "reload", LOG_STR("what", "applied"), LOG_STR("why", why),
              LOG_STR("config", next->path), LOG_STR("changed", list_text(&changed)),
              LOG_STR("needs_restart", list_text(&restarts)), LOG_STR("config_hash", next->hash));
    buf_done(&changed);
    buf_done(&restarts);
}

static const struct problem *first_error(const struct problem_list *problems) {
    for (size_t i = 0; i < problems->count; i++) {
        if (problems->items[i].severity == PROBLEM_ERROR) {
            return &problems->items[i];
        }
    }
    return NULL;
}

/* Refused for the first error of `problems`. */
static void say_problem(const struct config *current, const char *why,
                        const struct problem_list *problems) {
    char text[PROBLEM_BYTES] = "out of memory";
    const struct problem *problem = first_error(problems);
    if (problem) {
        problem_format(current->path, problem, text, sizeof text);
    }
    say_refused(current, why, text, problems->error_count);
}

static struct config *load(const struct config *current, const char *why,
                           struct problem_list *problems) {
    struct config *config = config_load(current->path, problems);
    if (!config) {
        say_problem(current, why, problems);
    }
    return config;
}

/* What `barkeep check` would say of the configuration that is in force now. */
static void say_warnings(const struct config *config, const struct problem_list *problems) {
    for (size_t i = 0; i < problems->count && i < WARNINGS_TOLD; i++) {
        char text[PROBLEM_BYTES];
        problem_format(config->path, &problems->items[i], text, sizeof text);
        LOG_EVENT(LOG_WARNING, "config", LOG_STR("problem", text));
    }
}

/* NULL: there is none. */
static enum status watch_file(struct file_watch *watch, const char *path) {
    return path ? file_watch_add(watch, path) : STATUS_OK;
}

static enum status watch_listener(struct file_watch *watch, const struct config_listen_tls *tls) {
    enum status status = watch_file(watch, tls->client_ca_file);
    for (size_t i = 0; i < tls->certificate_count && status == STATUS_OK; i++) {
        status = watch_file(watch, tls->certificates[i].file);
        if (status == STATUS_OK) {
            status = watch_file(watch, tls->certificates[i].key_file);
        }
    }
    return status;
}

static enum status watch_all(struct file_watch *watch, const struct config *config) {
    enum status status = file_watch_add(watch, config->path);
    for (size_t i = 0; i < config->route_count && status == STATUS_OK; i++) {
        status = watch_file(watch, config->routes[i].tls.ca_file);
        if (status == STATUS_OK && mcp_pins_are_in_force(config->routes[i].mcp)) {
            status = watch_file(watch, config->routes[i].mcp->pins_file);
        }
    }
    for (size_t i = 0; i < config->listen_count && status == STATUS_OK; i++) {
        if (config->listen[i].tls) {
            status = watch_listener(watch, config->listen[i].tls);
        }
    }
    return status;
}

void reload_watch(struct file_watch *watch, const struct config *config) {
    if (!watch || watch_all(watch, config) != STATUS_OK) {
        LOG_EVENT(LOG_WARNING, "reload", LOG_STR("what", "not watching"),
                  LOG_STR("problem", "out of memory: send SIGHUP after a change"));
    }
}

/* The files that `config` names are watched from before they are read. */
static struct sources *take_over(struct sources *current, const struct config *settled,
                                 struct config *config, struct problem_list *problems,
                                 struct file_watch *watch, const char *why) {
    struct error err = {""};
    reload_watch(watch, config);
    if (!named_files_check(config, false, problems)) {
        say_problem(current->config, why, problems);
        return NULL;
    }
    struct sources *next = sources_new(&current->ground, config, current, &err);
    if (!next) {
        say_refused(current->config, why, err.text, 1);
        return NULL;
    }
    sources_adopt(next, current);
    sources_start(next);
    say_applied(settled, current->config, config, why);
    say_warnings(config, problems);
    return next;
}

struct sources *reload_sources(struct sources *current, const struct config *settled,
                               struct file_watch *watch, const char *why) {
    struct sources *next = NULL;
    struct problem_list problems = {0};
    file_watch_begin_reading(watch);
    struct config *config = load(current->config, why, &problems);
    if (config) {
        next = take_over(current, settled, config, &problems, watch, why);
        config_unref(config);
    }
    problem_list_done(&problems);
    if (!next) {
        reload_watch(watch, current->config);
    }
    file_watch_end_reading(watch);
    return next;
}
