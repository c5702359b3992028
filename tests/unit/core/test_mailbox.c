/* The mailbox, with real threads; meant to be run under ThreadSanitizer too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdint.h>

#include "core/mailbox.h"

enum { SENDERS = 4, PER_SENDER = 5000 };

struct letter {
    struct message message;
    int sender;
    int number;
};

struct receiver {
    int next_number[SENDERS];
    int count;
    struct loop *loop; /* stopped after the last letter, when set */
};

struct sender {
    struct mailbox *mailbox;
    int index;
};

static void on_letter(struct message *message, void *owner) {
    struct letter *letter = (struct letter *)message;
    struct receiver *receiver = owner;
    assert_int_equal(letter->number, receiver->next_number[letter->sender]);
    receiver->next_number[letter->sender]++;
    receiver->count++;
    if (receiver->loop && receiver->count == SENDERS * PER_SENDER)
        loop_stop(receiver->loop);
    free(letter);
}

static void post(struct mailbox *mailbox, int sender, int number) {
    struct letter *letter = calloc(1, sizeof *letter);
    assert_non_null(letter);
    letter->message.on_deliver = on_letter;
    letter->sender = sender;
    letter->number = number;
    mailbox_post(mailbox, &letter->message);
}

static void *send_all(void *argument) {
    const struct sender *sender = argument;
    for (int i = 0; i < PER_SENDER; i++)
        post(sender->mailbox, sender->index, i);
    return NULL;
}

static void start_senders(struct mailbox *mailbox, pthread_t threads[SENDERS],
                          struct sender senders[SENDERS]) {
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){mailbox, i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
}

static void join_senders(pthread_t threads[SENDERS]) {
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
}

static void delivers_in_order_of_posting(void **state) {
    (void)state;
    struct receiver receiver = {0};
    struct mailbox *mailbox = mailbox_new(&receiver, NULL);
    assert_non_null(mailbox);
    assert_int_equal(mailbox_deliver(mailbox), 0);
    for (int i = 0; i < 100; i++)
        post(mailbox, 0, i);
    assert_int_equal(mailbox_deliver(mailbox), 100);
    assert_int_equal(receiver.count, 100);
    assert_int_equal(mailbox_deliver(mailbox), 0);
    mailbox_free(mailbox);
}

static void delivers_from_many_threads_through_a_loop(void **state) {
    (void)state;
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    struct receiver receiver = {.loop = loop_new(NULL)};
    struct mailbox *mailbox = mailbox_new(&receiver, NULL);
    assert_non_null(receiver.loop);
    assert_non_null(mailbox);
    assert_int_equal(mailbox_attach(mailbox, receiver.loop), STATUS_OK);
    start_senders(mailbox, threads, senders);
    loop_run(receiver.loop);
    join_senders(threads);
    assert_int_equal(receiver.count, SENDERS * PER_SENDER);
    mailbox_detach(mailbox, receiver.loop);
    mailbox_free(mailbox);
    loop_free(receiver.loop);
}

static void delivers_from_many_threads_without_a_loop(void **state) {
    (void)state;
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    struct receiver receiver = {0};
    struct mailbox *mailbox = mailbox_new(&receiver, NULL);
    assert_non_null(mailbox);
    start_senders(mailbox, threads, senders);
    while (receiver.count < SENDERS * PER_SENDER) {
        mailbox_wait(mailbox);
        assert_true(mailbox_deliver(mailbox) > 0);
    }
    join_senders(threads);
    assert_int_equal(receiver.count, SENDERS * PER_SENDER);
    mailbox_free(mailbox);
}

static void attaching_delivers_what_waits_already(void **state) {
    (void)state;
    struct receiver receiver = {0};
    struct loop *loop = loop_new(NULL);
    struct mailbox *mailbox = mailbox_new(&receiver, NULL);
    assert_non_null(mailbox);
    post(mailbox, 0, 0);
    assert_int_equal(mailbox_attach(mailbox, loop), STATUS_OK);
    loop_run_once(loop, 1000);
    assert_int_equal(receiver.count, 1);
    for (int i = 1; i < 4; i++) {
        post(mailbox, 0, i);
        loop_run_once(loop, 1000);
        assert_int_equal(receiver.count, i + 1);
    }
    mailbox_detach(mailbox, loop);
    post(mailbox, 0, 4);
    loop_run_once(loop, 0);
    assert_int_equal(receiver.count, 4);
    mailbox_wait(mailbox);
    assert_int_equal(mailbox_deliver(mailbox), 1);
    mailbox_free(mailbox);
    loop_free(loop);
}

static void on_ping(struct message *message, void *owner) {
    int *pings = owner;
    ++*pings;
    (void)message;
}

struct echo {
    struct message message;
    struct mailbox *mailbox;
    int left;
};

static void on_echo(struct message *message, void *owner) {
    struct echo *echo = (struct echo *)message;
    on_ping(message, owner);
    if (echo->left-- > 0)
        mailbox_post(echo->mailbox, message);
}

static void message_may_be_posted_again_while_delivered(void **state) {
    (void)state;
    int pings = 0;
    struct loop *loop = loop_new(NULL);
    struct mailbox *mailbox = mailbox_new(&pings, NULL);
    struct echo echo = {.message.on_deliver = on_echo, .mailbox = mailbox, .left = 5};
    assert_int_equal(mailbox_attach(mailbox, loop), STATUS_OK);
    mailbox_post(mailbox, &echo.message);
    for (int i = 0; i < 6; i++)
        loop_run_once(loop, 1000);
    assert_int_equal(pings, 6);
    mailbox_detach(mailbox, loop);
    mailbox_free(mailbox);
    loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_in_order_of_posting),
        cmocka_unit_test(delivers_from_many_threads_through_a_loop),
        cmocka_unit_test(delivers_from_many_threads_without_a_loop),
        cmocka_unit_test(attaching_delivers_what_waits_already),
        cmocka_unit_test(message_may_be_posted_again_while_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
