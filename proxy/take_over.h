/* The sockets of a process that runs already, as a new one asks for them at its start. */
#ifndef BARKEEP_PROXY_TAKE_OVER_H
#define BARKEEP_PROXY_TAKE_OVER_H

#include "proxy/hand_over.h"

struct taken_socket {
    char name[HAND_OVER_NAME_BYTES];
    int fd; /* -1: it has an owner */
};

struct take_over {
    struct taken_socket *items;
    size_t count;
    int line; /* to the process that gave them; -1: there was none */
};

/* What an unasked one has, and what take_over_done() accepts. */
#define TAKE_OVER_NONE ((struct take_over){.line = -1})

/* Asks whoever offers the sockets of this configuration, and waits a few seconds for them. Nobody
 * is there: STATUS_OK, and nothing taken. */
enum status take_over_ask(const struct config *config, struct take_over *out_taken,
                          struct error *err);
/* The next socket of that name, which the caller owns from then on, or -1. */
int take_over_next(struct take_over *taken, const char *name);
/* The line, likewise. */
int take_over_line(struct take_over *taken);
/* Closes what nobody wanted. */
void take_over_done(struct take_over *taken);

#endif
