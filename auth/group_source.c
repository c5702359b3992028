/* Each principal that was ever asked about is an entry of a bounded table, least recently wanted
 * leaves first; those who wait for it hang on the entry. What Graph could not say is never turned
 * into "no groups": a want ends with a list or without one.
 *
 *   idle --want--> queued --> looking --> idle, with groups for five minutes
 *                                  \----> idle, with the failure for some seconds
 *
 * A tenant's failures are counted over all its principals, and its 429s stop them all. */
#include "auth/group_source.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/group_source_pace.h"
#include "auth/principal_table.h"
#include "core/clock.h"
#include "core/log.h"

#define MAX_WAITING 4096
#define MAX_LOOKING 32
#define REMEMBERED_MS (5 * 60 * 1000)
/* How long a failure stands for the one principal it befell. */
#define FAILED_MIN_MS 1000
#define FAILED_MAX_MS 8000
/* For all principals of a tenant: from the third failure in a row on, and from the first 429. */
#define PAUSE_AFTER 3
#define PAUSE_MIN_MS 500
#define PAUSE_MAX_MS 30000
#define RETRY_AFTER_MAX_SEC 600
#define LOG_GAP_MS 10000

struct group_source {
    struct graph graph;
    struct source_tenant *tenants;
    size_t tenant_count;
    struct principal_table principals;
    struct principal *queue; /* oldest first */
    struct principal **queue_end;
    size_t looking;
    size_t waiting;
    bool is_pumping;
    bool is_closing;
    uint32_t second_ms;
    uint64_t counts[GROUP_RESULT_COUNT];
};

static const char *const result_labels[GROUP_RESULT_COUNT] = {
#define X(enumerator, label) [enumerator] = (label),
    GROUP_RESULT_TABLE(X)
#undef X
};

const char *group_result_label(enum group_result result) {
    return result_labels[result];
}

static uint64_t scale_ms(const struct group_source *source, uint64_t ms) {
    return backoff_scale_ms(source->second_ms, ms);
}

static void answer(struct group_want *want, enum group_result result, struct group_list *groups,
                   uint64_t until_ms) {
    want->next = NULL;
    want->result = result;
    want->groups = groups ? group_list_ref(groups) : NULL;
    want->until_ms = until_ms;
    want->on_done(want); /* may free it, and may want again */
}

/* Whoever is called may want again and by that drop the principal: it is not touched any more. */
static void answer_all(struct principal *principal) {
    struct group_source *source = principal->source;
    struct group_want *want = principal->wants;
    struct group_list *groups = principal->groups ? group_list_ref(principal->groups) : NULL;
    enum group_result result = principal->result;
    uint64_t until_ms = principal->until_ms;
    principal->wants = NULL;
    while (want) {
        struct group_want *next = want->next;
        source->waiting--;
        answer(want, result, groups, until_ms);
        want = next;
    }
    group_list_unref(groups);
}

static void log_failure(struct principal *principal, const struct group_answer *given) {
    struct source_tenant *tenant = principal->tenant;
    uint64_t now_ms = clock_monotonic_ms();
    if (tenant->logged == given->result && now_ms - tenant->logged_ms < LOG_GAP_MS)
        return;
    tenant->logged = given->result;
    tenant->logged_ms = now_ms;
    uint64_t pause_ms = tenant->pause_until_ms > now_ms ? tenant->pause_until_ms - now_ms : 0;
    LOG_EVENT(LOG_WARNING, "groups", LOG_STR("what", "failed"),
              LOG_STR("result", group_result_label(given->result)),
              LOG_STR("tenant", tenant->graph.id), LOG_STR("oid", principal->oid),
              LOG_STR("error", given->error.text), LOG_INT("pause_ms", pause_ms));
}

static void log_success(struct source_tenant *tenant) {
    if (tenant->logged != GROUPS_OK)
        LOG_EVENT(LOG_INFO, "groups", LOG_STR("what", "recovered"),
                  LOG_STR("tenant", tenant->graph.id));
    tenant->logged = GROUPS_OK;
}

static void pause_tenant(struct group_source *source, struct source_tenant *tenant,
                         uint64_t delay_ms, int64_t retry_after_sec) {
    if (retry_after_sec > RETRY_AFTER_MAX_SEC)
        retry_after_sec = RETRY_AFTER_MAX_SEC;
    if (retry_after_sec > 0 && (uint64_t)retry_after_sec * 1000 > delay_ms)
        delay_ms = (uint64_t)retry_after_sec * 1000;
    uint64_t until_ms = clock_monotonic_ms() + scale_ms(source, delay_ms);
    if (until_ms > tenant->pause_until_ms)
        tenant->pause_until_ms = until_ms;
}

/* A principal that the directory does not know is nobody else's trouble. */
static void note_failure(struct principal *principal, const struct group_answer *given) {
    struct group_source *source = principal->source;
    struct source_tenant *tenant = principal->tenant;
    uint64_t stands_ms = backoff_next_ms(&principal->backoff, FAILED_MIN_MS, FAILED_MAX_MS);
    principal->until_ms = clock_monotonic_ms() + scale_ms(source, stands_ms);
    if (given->result != GROUPS_NOT_FOUND) {
        uint64_t pause_ms = backoff_next_ms(&tenant->backoff, PAUSE_MIN_MS, PAUSE_MAX_MS);
        if (given->result == GROUPS_THROTTLED || tenant->backoff.failures >= PAUSE_AFTER)
            pause_tenant(source, tenant, pause_ms, given->retry_after_sec);
    }
    log_failure(principal, given);
}

static void note_success(struct principal *principal) {
    int64_t left_sec = principal->expires_sec - clock_wall_sec();
    uint64_t left_ms = left_sec > 0 ? (uint64_t)left_sec * 1000 : 0;
    if (left_ms > REMEMBERED_MS)
        left_ms = REMEMBERED_MS;
    principal->until_ms = clock_monotonic_ms() + scale_ms(principal->source, left_ms);
    principal->backoff = (struct backoff){0};
    principal->tenant->backoff = (struct backoff){0};
    log_success(principal->tenant);
}

static void pump(struct group_source *source);

static void on_looked_up(struct group_lookup *lookup, struct group_answer *given) {
    struct principal *principal =
        (struct principal *)(void *)((char *)lookup - offsetof(struct principal, lookup));
    struct group_source *source = principal->source;
    source->looking--;
    source->counts[given->result]++;
    principal->phase = PRINCIPAL_IDLE;
    principal->result = given->result;
    group_list_unref(principal->groups);
    principal->groups = given->groups;
    if (given->result == GROUPS_OK)
        note_success(principal);
    else
        note_failure(principal, given);
    answer_all(principal);
    pump(source);
}

/* A queue that waited through the first failures is not poured over a Graph that is down. */
static void start(struct principal *principal) {
    struct source_tenant *tenant = principal->tenant;
    struct group_source *source = principal->source;
    if (clock_monotonic_ms() < tenant->pause_until_ms) {
        source->counts[GROUPS_PAUSED]++;
        principal->phase = PRINCIPAL_IDLE;
        principal->result = GROUPS_PAUSED;
        principal->until_ms = 0;
        answer_all(principal);
        return;
    }
    principal->phase = PRINCIPAL_LOOKING;
    source->looking++;
    group_lookup_start(&principal->lookup);
}

static void pump(struct group_source *source) {
    if (source->is_pumping)
        return;
    source->is_pumping = true;
    while (source->queue && source->looking < MAX_LOOKING) {
        struct principal *principal = source->queue;
        source->queue = principal->next_queued;
        if (!source->queue)
            source->queue_end = &source->queue;
        principal->next_queued = NULL;
        start(principal);
    }
    source->is_pumping = false;
}

static struct source_tenant *find_tenant(struct group_source *source, const char *id) {
    for (size_t i = 0; i < source->tenant_count; i++)
        if (strcmp(source->tenants[i].graph.id, id) == 0)
            return &source->tenants[i];
    return NULL;
}

static struct principal *add(struct group_source *source, struct source_tenant *tenant,
                             const struct group_want *want) {
    struct principal *principal = principal_table_add(&source->principals, tenant, want);
    if (!principal)
        return NULL;
    principal->source = source;
    principal->lookup = (struct group_lookup){
        .graph = &source->graph,
        .tenant = &tenant->graph,
        .oid = principal->oid,
        .is_app = want->is_app,
        .on_done = on_looked_up,
    };
    return principal;
}

static bool is_fresh(const struct principal *principal) {
    return principal->phase == PRINCIPAL_IDLE && clock_monotonic_ms() < principal->until_ms;
}

static void answer_from_memory(struct principal *principal, struct group_want *want) {
    struct group_source *source = principal->source;
    enum group_result result = principal->groups ? GROUPS_CACHED : principal->result;
    source->counts[principal->groups ? GROUPS_CACHED : GROUPS_PAUSED]++;
    principal_table_touch(&source->principals, principal);
    answer(want, result, principal->groups, principal->until_ms);
}

static void refuse(struct group_source *source, struct group_want *want, enum group_result result) {
    source->counts[result]++;
    answer(want, result, NULL, 0);
}

static void enqueue(struct principal *principal) {
    struct group_source *source = principal->source;
    principal->phase = PRINCIPAL_QUEUED;
    principal->expires_sec = 0;
    *source->queue_end = principal;
    source->queue_end = &principal->next_queued;
}

static void join(struct principal *principal, struct group_want *want) {
    if (principal->phase == PRINCIPAL_IDLE)
        enqueue(principal);
    if (want->expires_sec > principal->expires_sec)
        principal->expires_sec = want->expires_sec;
    want->next = principal->wants;
    principal->wants = want;
    principal->source->waiting++;
}

void group_source_want(struct group_source *source, struct group_want *want) {
    struct source_tenant *tenant = find_tenant(source, want->tenant);
    struct principal *principal = tenant ? principal_table_find(&source->principals, want) : NULL;
    bool is_busy = principal && principal->phase != PRINCIPAL_IDLE;
    if (source->is_closing || !tenant) {
        refuse(source, want, GROUPS_FAILED);
    } else if (principal && is_fresh(principal)) {
        answer_from_memory(principal, want);
    } else if (source->waiting >= MAX_WAITING) {
        refuse(source, want, GROUPS_OVERLOADED);
    } else if (!is_busy && clock_monotonic_ms() < tenant->pause_until_ms) {
        refuse(source, want, GROUPS_PAUSED);
    } else if (!principal && !(principal = add(source, tenant, want))) {
        refuse(source, want, GROUPS_OVERLOADED);
    } else {
        join(principal, want);
        pump(source);
    }
}

static bool has_same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Graph is found through the authority. */
static bool asks_same_graph(const struct graph *a, const struct graph *b) {
    return has_same_text(a->entra->authority, b->entra->authority) &&
           has_same_text(a->entra->graph_url, b->entra->graph_url);
}

static bool asks_about_same_groups(const struct graph *a, const struct graph *b) {
    bool is_same = a->group_count == b->group_count;
    for (size_t i = 0; is_same && i < a->group_count; i++)
        is_same = slice_eq(a->groups[i], b->groups[i]);
    return is_same;
}

static void adopt_tenant(struct source_tenant *tenant, const struct source_tenant *former) {
    memcpy(tenant->graph.url, former->graph.url, sizeof tenant->graph.url);
    tenant->backoff = former->backoff;
    tenant->pause_until_ms = former->pause_until_ms;
    tenant->logged = former->logged;
    tenant->logged_ms = former->logged_ms;
}

static void adopt_principal(struct group_source *source, const struct principal *former) {
    struct source_tenant *tenant = find_tenant(source, former->tenant->graph.id);
    if (!tenant || !former->groups || !is_fresh(former))
        return;
    struct group_want asked = {.is_app = former->lookup.is_app};
    memcpy(asked.tenant, tenant->graph.id, sizeof asked.tenant);
    memcpy(asked.oid, former->oid, sizeof asked.oid);
    struct principal *principal = add(source, tenant, &asked);
    if (!principal)
        return;
    principal->result = former->result;
    principal->groups = group_list_ref(former->groups);
    principal->until_ms = former->until_ms;
}

void group_source_adopt(struct group_source *source, const struct group_source *former) {
    for (int result = 0; result < GROUP_RESULT_COUNT; result++)
        source->counts[result] += former->counts[result];
    if (!asks_same_graph(&source->graph, &former->graph))
        return;
    for (size_t i = 0; i < former->tenant_count; i++) {
        struct source_tenant *tenant = find_tenant(source, former->tenants[i].graph.id);
        if (tenant)
            adopt_tenant(tenant, &former->tenants[i]);
    }
    if (!asks_about_same_groups(&source->graph, &former->graph))
        return;
    for (const struct principal *oldest = former->principals.oldest; oldest; oldest = oldest->newer)
        adopt_principal(source, oldest);
}

static bool copy_guid(struct slice guid, char out_text[37]) {
    if (!config_is_guid(guid))
        return false;
    memcpy(out_text, guid.ptr, guid.len);
    out_text[guid.len] = '\0';
    return true;
}

bool group_want_init(struct group_want *want, const struct identity *identity) {
    want->is_app = identity->type == PRINCIPAL_APP;
    want->expires_sec = identity->expires_sec;
    return copy_guid(identity->tenant, want->tenant) && copy_guid(identity->oid, want->oid);
}

struct group_source *group_source_new(struct http_client *client, struct azure_identity *identity,
                                      const struct config *config, const struct policy *policy,
                                      struct error *err) {
    const struct config_strings *tenants = &config->entra.tenants;
    struct group_source *source = calloc(1, sizeof *source);
    if (!source)
        goto no_memory;
    source->second_ms = 1000;
    source->queue_end = &source->queue;
    source->graph.client = client;
    source->graph.identity = identity;
    source->graph.entra = &config->entra;
    source->graph.groups = policy_groups(policy, &source->graph.group_count);
    source->tenants = calloc(tenants->count + 1, sizeof *source->tenants);
    if (!source->tenants || principal_table_init(&source->principals) != STATUS_OK)
        goto no_memory;
    source->tenant_count = tenants->count;
    for (size_t i = 0; i < tenants->count; i++)
        (void)snprintf(source->tenants[i].graph.id, sizeof source->tenants[i].graph.id, "%.36s",
                       tenants->items[i]);
    return source;
no_memory:
    group_source_free(source);
    error_set(err, STATUS_NO_MEMORY, "no memory for the group source");
    return NULL;
}

void group_source_free(struct group_source *source) {
    if (!source)
        return;
    source->is_closing = true;
    while (source->principals.oldest) {
        struct principal *principal = source->principals.oldest;
        if (principal->phase == PRINCIPAL_LOOKING)
            group_lookup_cancel(&principal->lookup);
        principal->result = GROUPS_FAILED;
        group_list_unref(principal->groups);
        principal->groups = NULL;
        answer_all(principal);
        principal_table_drop(&source->principals, principal);
    }
    principal_table_done(&source->principals);
    free(source->tenants);
    free(source);
}

void group_source_set_second_ms(struct group_source *source, uint32_t second_ms) {
    source->second_ms = second_ms;
}

uint64_t group_source_count(const struct group_source *source, enum group_result result) {
    return source->counts[result];
}
