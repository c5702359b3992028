/* The verifier without what stands around it: reads lines {"jwk": {...}, "jws": "..."} from
 * standard input and prints a verdict for each, "valid" or "invalid: why". The payload is never
 * looked at, so that public vectors fit, which carry payloads that are no JSON. Keys pass
 * key_set_parse(), as fetched ones do; a key without kid gets one, since the line itself says that
 * it is meant. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jws.h"
#include "auth/key_set.h"
#include "auth/token_header.h"

#define KID "of-the-line"

/* One key as a set of one; NULL when it is not accepted. */
static struct key_set *read_key(const json_t *line, const char **out_why) {
    struct key_refusals refusals = {0};
    struct error err = {{0}};
    json_t *jwk = json_deep_copy(json_object_get(line, "jwk"));
    if (json_is_object(jwk) && !json_object_get(jwk, "kid"))
        json_object_set_new(jwk, "kid", json_string(KID));
    json_t *document = json_pack("{s:[o]}", "keys", jwk ? jwk : json_null());
    char *text = document ? json_dumps(document, 0) : NULL;
    json_decref(document);
    struct key_set *set =
        text ? key_set_parse_of_cloud(slice_of_str(text), NULL, &refusals, &err) : NULL;
    free(text);
    if (set && key_set_count(set) == 1)
        return set;
    *out_why = refusals.count ? refusals.items[0].why : "is not a key document";
    key_set_unref(set);
    return NULL;
}

/* NULL when the header asks for nothing but RS256. */
static const char *judge_header(struct slice segment) {
    struct token_header header;
    const char *why = NULL;
    if (token_header_parse(segment, &header) != STATUS_OK)
        return "the header is not one strict JSON object";
    if (!slice_eq_str(header.alg, "RS256"))
        why = "alg is not RS256";
    else if (header.steered_with)
        why = "the header tells the verifier what to do";
    token_header_done(&header);
    return why;
}

/* NULL: valid. */
static const char *judge(const struct verification_key *key, struct slice token) {
    struct jws_parts parts;
    if (jws_split(token, &parts) != STATUS_OK)
        return "not three canonical base64url segments";
    const char *why = judge_header(parts.header);
    if (why)
        return why;
    return jws_verify_rs256(&parts, key->verifier) ? NULL : "the signature does not match";
}

static void print_verdict(const json_t *line) {
    const json_t *jws = json_object_get(line, "jws");
    const char *why = NULL;
    if (!json_is_string(jws)) {
        puts("invalid: the line has no \"jws\"");
        return;
    }
    struct key_set *set = read_key(line, &why);
    if (!set) {
        printf("invalid: the key %s\n", why);
        return;
    }
    why = judge(key_set_at(set, 0), slice_of(json_string_value(jws), json_string_length(jws)));
    if (why)
        printf("invalid: %s\n", why);
    else
        puts("valid");
    key_set_unref(set);
}

int main(void) {
    char *text = NULL;
    size_t size = 0;
    ssize_t len;
    while ((len = getline(&text, &size, stdin)) > 0) {
        json_t *line = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        if (json_is_object(line))
            print_verdict(line);
        else
            puts("invalid: the line is not a JSON object");
        json_decref(line);
        fflush(stdout);
    }
    free(text);
    return 0;
}
