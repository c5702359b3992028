/* What all answers have in common that barkeep writes itself, refusals and pages alike. */
#ifndef BARKEEP_PROXY_OWN_ANSWER_H
#define BARKEEP_PROXY_OWN_ANSWER_H

#include "proxy/head_writer.h"

/* RFC 9110 15; "Error" for a status that none of ours has. */
const char *own_answer_phrase(int status);

/* The status line and the fields of every answer. `content_type` NULL: no body. */
void own_answer_begin(struct head_writer *writer, struct exchange *exchange, int status,
                      const char *content_type);
/* The rest of the head, and the body unless HEAD asks. With 204 there is none. False (and nothing
 * of the answer in the client's buffer) when it does not fit. */
bool own_answer_end(struct head_writer *writer, struct exchange *exchange, int status,
                    struct slice body);

/* Sends what was written; the exchange is done when all of it is, or nobody takes it. */
void own_answer_send(struct exchange *exchange);
/* It cannot even be written: the client is cut off. */
void own_answer_give_up(struct exchange *exchange);

#endif
