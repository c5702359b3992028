/* Messages from any thread to one thread, without locks: a push-only list and an eventfd. */
#ifndef BARKEEP_CORE_MAILBOX_H
#define BARKEEP_CORE_MAILBOX_H

#include "core/loop.h"

/* Embed as the first member of what is sent. The sender gives up the object when it posts it. */
struct message {
    struct message *next;
    void (*on_deliver)(struct message *message, void *receiver);
};

struct mailbox;

/* `receiver` is handed to every on_deliver. NULL without memory or descriptors. */
struct mailbox *mailbox_new(void *receiver, struct error *err);
/* Undelivered messages are dropped unfreed: deliver them first with mailbox_deliver(). No sender
 * may still be inside mailbox_post(): join the senders first. */
void mailbox_free(struct mailbox *mailbox);

/* From any thread; never blocks, never fails. Order per sender is kept. */
void mailbox_post(struct mailbox *mailbox, struct message *message);

/* On the receiving thread: delivers what is there. Returns how many. */
size_t mailbox_deliver(struct mailbox *mailbox);
/* On the receiving thread: delivers from `loop` whenever something arrives. */
enum status mailbox_attach(struct mailbox *mailbox, struct loop *loop);
void mailbox_detach(struct mailbox *mailbox, struct loop *loop);
/* For a thread without a loop: blocks until something has arrived. */
void mailbox_wait(struct mailbox *mailbox);

#endif
