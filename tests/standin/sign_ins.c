/* A ring of grants: a test run signs in often, and nobody looks for what is long gone. */
#include "sign_ins.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "encoding.h"
#include "must.h"
#include "reply.h"

#define MAX_GRANTS 1024
#define MAX_ASKED 256
#define CODE_LIFETIME_SEC 600
#define REFRESH_LIFETIME_SEC (90 * 24 * 60 * 60)
#define GRANT_BYTES 240

static void grant_done(struct grant *grant) {
    free(grant->text);
    free(grant->scope);
    free(grant->redirect_uri);
    free(grant->code_challenge);
    free(grant->nonce);
}

void sign_ins_done(struct sign_ins *sign_ins) {
    for (size_t i = 0; i < sign_ins->count; i++)
        grant_done(&sign_ins->grants[i]);
    free(sign_ins->grants);
    json_decref(sign_ins->asked);
    *sign_ins = (struct sign_ins){0};
}

static struct grant *place_for_one(struct sign_ins *sign_ins) {
    if (sign_ins->count < MAX_GRANTS)
        return must_grow(&sign_ins->grants, &sign_ins->count, sizeof(*sign_ins->grants));
    struct grant *oldest = &sign_ins->grants[sign_ins->next];
    sign_ins->next = (sign_ins->next + 1) % MAX_GRANTS;
    grant_done(oldest);
    return oldest;
}

static int64_t lifetime_of(const struct sign_ins *sign_ins, enum grant_kind kind) {
    if (kind == GRANT_REFRESH)
        return REFRESH_LIFETIME_SEC;
    return sign_ins->has_stale_codes ? 0 : CODE_LIFETIME_SEC;
}

/* Real ones start so, too. */
static char *new_text(enum grant_kind kind) {
    char *opaque = opaque_random(GRANT_BYTES);
    char *text = must_printf("%s%s", kind == GRANT_CODE ? "1.AUoA" : "1.AUoB", opaque);
    free(opaque);
    return text;
}

const struct grant *sign_ins_add(struct sign_ins *sign_ins, const struct grant *grant) {
    struct grant *place = place_for_one(sign_ins);
    *place = *grant;
    place->text = new_text(grant->kind);
    place->expires = clock_wall_sec() + lifetime_of(sign_ins, grant->kind);
    return place;
}

struct grant *sign_ins_find(struct sign_ins *sign_ins, enum grant_kind kind, const char *text) {
    for (size_t i = 0; i < sign_ins->count; i++)
        if (sign_ins->grants[i].kind == kind && strcmp(sign_ins->grants[i].text, text) == 0)
            return &sign_ins->grants[i];
    return NULL;
}

void sign_ins_note(struct sign_ins *sign_ins, const char *endpoint, const struct form *form) {
    json_t *names = must(json_array());
    const char *scope = form_get(form, "scope");
    for (size_t i = 0; i < form->count; i++)
        json_array_append_new(names, json_lossy(form->pairs[i].name));
    if (!sign_ins->asked)
        sign_ins->asked = must(json_array());
    if (json_array_size(sign_ins->asked) == MAX_ASKED)
        json_array_remove(sign_ins->asked, 0);
    json_array_append_new(sign_ins->asked,
                          must(json_pack("{s:s, s:o, s:o}", "endpoint", endpoint, "parameters",
                                         names, "scope", scope ? json_lossy(scope) : json_null())));
}

json_t *sign_ins_asked(const struct sign_ins *sign_ins) {
    return must(sign_ins->asked ? json_deep_copy(sign_ins->asked) : json_array());
}

void sign_ins_forget_asked(struct sign_ins *sign_ins) {
    json_decref(sign_ins->asked);
    sign_ins->asked = NULL;
}
