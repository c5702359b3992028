/* What the knobs of one kind share with those of the others. */
#ifndef BARKEEP_STANDIN_ADMIN_H
#define BARKEEP_STANDIN_ADMIN_H

#include "json_shape.h"
#include "standin.h"

struct admin_call {
    struct standin *standin;
    const struct request *request;
    struct reply *reply;
    json_t *document; /* the body; an empty object when there was none */
};

/* One knob: its path below /standin/. A row without method ends a table. */
struct admin_route {
    const char *method;
    const char *path[7];
    void (*serve)(const struct admin_call *call);
};

extern const struct admin_route vault_knobs[];
extern const struct admin_route directory_knobs[];

/* An empty object. */
void admin_done(const struct admin_call *call);
/* 400 with the reason. */
void admin_refuse(const struct admin_call *call, const struct error *err);
/* False when the body was refused. */
bool admin_shape_is(const struct admin_call *call, const struct json_member *members);
/* A string member of the body; NULL when absent. */
const char *admin_text(const struct admin_call *call, const char *member);

#endif
