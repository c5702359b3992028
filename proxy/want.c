/* The want is touched by one thread at a time: the worker until it is posted, the keeper until it
 * is posted back. Only `exchange` stays the worker's throughout. */
#include "proxy/want.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/secret.h"
#include "proxy/exchange.h"
#include "proxy/sign_in.h"
#include "proxy/worker.h"

enum { REFUSAL_GAP_MS = 1000 };

/* Nobody joins it any more. */
static void want_leave(struct want *want) {
    for (struct want **link = &want->worker->open_wants; *link; link = &(*link)->next) {
        if (*link == want) {
            *link = want->next;
            return;
        }
    }
}

static void want_free(struct want *want) {
    group_list_unref(want->groups.groups);
    secret_unref(want->on_behalf.assertion);
    rendering_unref(want->on_behalf.rendering);
    free(want->on_behalf.claims);
    token_relay_want_done(&want->sign_in);
    ruleset_unref(want->rules);
    free(want);
}

/* Whoever goes on may end others that wait: the list is read anew each time. */
static void want_return(struct message *message, void *receiver) {
    (void)receiver;
    struct want *want = (struct want *)message;
    /* What was found out under former rules is not kept: the exchange begins anew. */
    bool is_current = want->rules == want->worker->snapshot->rules;
    want_leave(want);
    while (want->exchange) {
        struct exchange *exchange = want->exchange;
        want->exchange = exchange->next_waiting;
        exchange->next_waiting = NULL;
        if (want->kind == WANT_GROUPS && is_current) {
            exchange_take_groups(exchange, &want->groups);
        } else if (want->kind == WANT_ON_BEHALF && is_current) {
            exchange_take_on_behalf(exchange, &want->on_behalf);
        } else if (want->kind == WANT_SIGN_IN) {
            sign_in_take_answer(exchange, &want->sign_in);
        }
        exchange_on_want_done(exchange);
    }
    want_free(want);
}

static void want_send_back(struct want *want) {
    want->message.on_deliver = want_return;
    mailbox_post(want->worker->mailbox, &want->message);
}

void want_answer(struct want *want) {
    want_send_back(want);
}

static void on_keys_done(struct key_want *keys) {
    want_send_back((struct want *)(void *)((char *)keys - offsetof(struct want, keys)));
}

static void on_credential_done(struct credential_want *credential) {
    want_send_back((struct want *)(void *)((char *)credential - offsetof(struct want, credential)));
}

static void on_groups_done(struct group_want *groups) {
    want_send_back((struct want *)(void *)((char *)groups - offsetof(struct want, groups)));
}

static void want_arrive(struct message *message, void *receiver) {
    keeper_take_want(receiver, (struct want *)message);
}

static struct want *want_new(const struct exchange *exchange, enum want_kind kind) {
    struct want *want = calloc(1, sizeof *want);
    if (want) {
        want->message.on_deliver = want_arrive;
        want->kind = kind;
        want->worker = exchange->worker;
        want->rules = ruleset_ref(exchange->snapshot->rules);
    }
    return want;
}

static struct want *want_join(struct want *want, struct exchange *exchange) {
    exchange->next_waiting = want->exchange;
    want->exchange = exchange;
    return want;
}

/* Others may join it from here on. */
static void want_open(struct want *want) {
    want->next = want->worker->open_wants;
    want->worker->open_wants = want;
    mailbox_post(want->worker->keeper, &want->message);
}

/* Of the same rules: only then do indexes mean the same. */
static struct want *find_want_for_keys(const struct worker *worker, const struct ruleset *rules,
                                       size_t slot, uint64_t generation) {
    for (struct want *want = worker->open_wants; want; want = want->next) {
        if (want->kind == WANT_KEYS && want->rules == rules && want->keys.slot == slot &&
            want->keys.generation == generation) {
            return want;
        }
    }
    return NULL;
}

struct want *want_post_keys(struct exchange *exchange, size_t slot, uint64_t generation) {
    struct want *want =
        find_want_for_keys(exchange->worker, exchange->snapshot->rules, slot, generation);
    if (!want) {
        want = want_new(exchange, WANT_KEYS);
        if (!want) {
            return NULL;
        }
        want->keys.slot = slot;
        want->keys.generation = generation;
        want->keys.on_done = on_keys_done;
        want_open(want);
    }
    return want_join(want, exchange);
}

static struct want *find_want_for_credential(const struct worker *worker,
                                             const struct ruleset *rules, size_t credential,
                                             uint64_t refused_generation) {
    for (struct want *want = worker->open_wants; want; want = want->next) {
        if (want->kind == WANT_CREDENTIAL && want->rules == rules &&
            want->credential.credential == credential &&
            want->credential.refused_generation == refused_generation) {
            return want;
        }
    }
    return NULL;
}

/* Nobody waits for it yet. */
static struct want *open_want_for_credential(const struct exchange *exchange, size_t credential,
                                             uint64_t refused_generation) {
    struct want *want = want_new(exchange, WANT_CREDENTIAL);
    if (want) {
        want->credential.credential = credential;
        want->credential.refused_generation = refused_generation;
        want->credential.on_done = on_credential_done;
        want_open(want);
    }
    return want;
}

struct want *want_post_credential(struct exchange *exchange, size_t credential,
                                  uint64_t refused_generation) {
    struct want *want = find_want_for_credential(exchange->worker, exchange->snapshot->rules,
                                                 credential, refused_generation);
    if (!want) {
        want = open_want_for_credential(exchange, credential, refused_generation);
    }
    return want ? want_join(want, exchange) : NULL;
}

void want_tell_refused(const struct exchange *exchange, size_t credential, uint64_t generation) {
    struct worker *worker = exchange->worker;
    struct told_refusal *told = &worker->told_refusals[generation % WORKER_REFUSED_GENERATIONS];
    uint64_t now_ms = clock_monotonic_ms();
    if ((told->generation == generation && now_ms < told->at_ms + REFUSAL_GAP_MS) ||
        find_want_for_credential(worker, exchange->snapshot->rules, credential, generation)) {
        return;
    }
    if (open_want_for_credential(exchange, credential, generation)) {
        *told = (struct told_refusal){generation, now_ms};
    }
}

static void on_on_behalf_done(struct on_behalf_want *on_behalf) {
    want_send_back((struct want *)(void *)((char *)on_behalf - offsetof(struct want, on_behalf)));
}

struct want *want_post_on_behalf(struct exchange *exchange, size_t credential, struct slice token) {
    struct want *want = want_new(exchange, WANT_ON_BEHALF);
    if (!want) {
        return NULL;
    }
    struct slice tenant = exchange->identity->tenant;
    if (secret_memory_used_percent() < WANT_CALLERS_PERCENT_MAX) {
        want->on_behalf.assertion = secret_new(token);
    }
    if (!want->on_behalf.assertion || tenant.len >= sizeof want->tenant) {
        want_free(want);
        return NULL;
    }
    memcpy(want->tenant, tenant.ptr, tenant.len);
    want->on_behalf.tenant = want->tenant;
    want->on_behalf.credential = credential;
    want->on_behalf.on_done = on_on_behalf_done;
    mailbox_post(want->worker->keeper, &want->message);
    return want_join(want, exchange);
}

struct want *want_post_groups(struct exchange *exchange, const struct identity *identity) {
    struct want *want = want_new(exchange, WANT_GROUPS);
    if (!want) {
        return NULL;
    }
    if (!group_want_init(&want->groups, identity)) {
        want_free(want);
        return NULL;
    }
    want->groups.on_done = on_groups_done;
    mailbox_post(want->worker->keeper, &want->message);
    return want_join(want, exchange);
}

static void on_sign_in_done(struct token_relay_want *sign_in) {
    want_send_back((struct want *)(void *)((char *)sign_in - offsetof(struct want, sign_in)));
}

struct want *want_post_sign_in(struct exchange *exchange, struct slice url, struct slice form) {
    struct want *want = want_new(exchange, WANT_SIGN_IN);
    if (!want) {
        return NULL;
    }
    token_relay_want_init(&want->sign_in);
    buf_append_slice(&want->sign_in.url, url);
    if (!buf_reserve(&want->sign_in.form, form.len) || !buf_ok(&want->sign_in.url)) {
        want_free(want);
        return NULL;
    }
    buf_append_slice(&want->sign_in.form, form);
    want->sign_in.on_done = on_sign_in_done;
    mailbox_post(want->worker->keeper, &want->message);
    return want_join(want, exchange);
}

void want_abandon(struct want *want, struct exchange *exchange) {
    for (struct exchange **link = &want->exchange; *link; link = &(*link)->next_waiting) {
        if (*link == exchange) {
            *link = exchange->next_waiting;
            exchange->next_waiting = NULL;
            return;
        }
    }
}
