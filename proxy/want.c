/* The want is touched by one thread at a time: the worker until it is posted, the keeper until it
 * is posted back. Only `exchange` stays the worker's throughout. */
#include "proxy/want.h"

#include <stdlib.h>

#include "proxy/exchange.h"
#include "proxy/worker.h"

static void want_return(struct message *message, void *receiver) {
    (void)receiver;
    struct want *want = (struct want *)message;
    struct exchange *exchange = want->exchange;
    free(want);
    if (exchange) {
        exchange_on_want_done(exchange);
    }
}

static void want_send_back(struct want *want) {
    want->message.on_deliver = want_return;
    mailbox_post(want->worker->mailbox, &want->message);
}

static void on_keys_done(struct key_want *keys) {
    want_send_back((struct want *)(void *)((char *)keys - offsetof(struct want, keys)));
}

static void on_credential_done(struct credential_want *credential) {
    want_send_back((struct want *)(void *)((char *)credential - offsetof(struct want, credential)));
}

static void want_arrive(struct message *message, void *receiver) {
    keeper_take_want(receiver, (struct want *)message);
}

static struct want *want_new(struct worker *worker, struct exchange *exchange,
                             enum want_kind kind) {
    struct want *want = calloc(1, sizeof *want);
    if (want) {
        want->message.on_deliver = want_arrive;
        want->kind = kind;
        want->worker = worker;
        want->exchange = exchange;
    }
    return want;
}

struct want *want_post_keys(struct worker *worker, struct exchange *exchange, size_t tenant,
                            int version) {
    struct want *want = want_new(worker, exchange, WANT_KEYS);
    if (want) {
        want->keys.tenant = tenant;
        want->keys.version = version;
        want->keys.on_done = on_keys_done;
        mailbox_post(worker->keeper, &want->message);
    }
    return want;
}

struct want *want_post_credential(struct worker *worker, struct exchange *exchange,
                                  size_t credential) {
    struct want *want = want_new(worker, exchange, WANT_CREDENTIAL);
    if (want) {
        want->credential.credential = credential;
        want->credential.on_done = on_credential_done;
        mailbox_post(worker->keeper, &want->message);
    }
    return want;
}

void want_abandon(struct want *want) {
    want->exchange = NULL;
}
