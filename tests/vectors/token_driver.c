/* The judge of tokens without the door around it: `token_driver CONFIG`. The first line of standard
 * input holds the documents of every slot in use, {"slots": {"0": {"metadata": "...", "keys":
 * "..."}}}; each further line is {"now": seconds, "authorization": "hex of the header's value"},
 * answered by {"verdict": "accept|refuse|ask", "reason": "...", "libjwt": true|false|null}. `ask`:
 * the judge wants fresh keys, and its reason stands when there are none.
 *
 * libjwt is the second opinion on the signature, with the key that barkeep picked; null when
 * barkeep refused before it came to a key. */
#include <jansson.h>
#include <jwt.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/entra.h"
#include "auth/key_slot.h"
#include "auth/metadata.h"

static int fail(const char *what, const char *why) {
    fprintf(stderr, "token_driver: %s: %s\n", what, why);
    return 1;
}

static struct slice member(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return slice_of(json_string_value(value), json_string_length(value));
}

/* As key_fetch takes what it fetched. NULL: done; else why not. */
static const char *fill_slot(const struct config *config, size_t slot, const json_t *documents,
                             struct key_ring *ring) {
    static struct error err;
    struct metadata metadata;
    struct key_refusals refusals = {0};
    if (metadata_parse(member(documents, "metadata"), &config->entra, slot, &metadata, &err) !=
        STATUS_OK)
        return err.text;
    struct key_ring_slot *held = key_ring_slot(ring, slot);
    held->keys = key_set_parse_of_cloud(member(documents, "keys"),
                                        metadata.cloud_instance[0] ? metadata.cloud_instance : NULL,
                                        &refusals, &err);
    held->issuer = strdup(metadata.issuer);
    if (!held->keys)
        return err.text;
    return held->issuer ? NULL : "no memory";
}

static struct key_ring *read_ring(const struct config *config, const char *line) {
    json_t *document = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const json_t *slots = json_object_get(document, "slots");
    size_t count = key_slot_count(&config->entra);
    struct key_ring *ring = key_ring_new(count);
    for (size_t slot = 0; ring && slot < count; slot++) {
        char name[24];
        (void)snprintf(name, sizeof name, "%zu", slot);
        if (!key_slot_is_used(&config->entra, slot))
            continue;
        const char *why = fill_slot(config, slot, json_object_get(slots, name), ring);
        if (why) {
            fail(name, why);
            key_ring_unref(ring);
            ring = NULL;
        }
    }
    json_decref(document);
    return ring;
}

/* In place: half as long afterwards. */
static bool unhex(char *text, size_t *len) {
    if (*len % 2)
        return false;
    for (size_t i = 0; i < *len; i += 2) {
        char *end = NULL;
        const char pair[3] = {text[i], text[i + 1], '\0'};
        text[i / 2] = (char)strtoul(pair, &end, 16);
        if (*end || pair[0] == '+' || pair[0] == '-' || pair[0] == ' ')
            return false;
    }
    *len /= 2;
    return true;
}

/* What libjwt says of the signature. */
static json_t *second_opinion(const struct key_ring *ring, const struct token_result *result,
                              struct slice token) {
    if (result->slot == CONFIG_NONE || !result->kid[0])
        return json_null();
    const struct key_set *keys = key_ring_slot(ring, result->slot)->keys;
    const struct verification_key *key =
        keys ? key_set_find(keys, slice_of_str(result->kid)) : NULL;
    if (!key)
        return json_null();
    char *text = strndup(token.ptr, token.len), *pem = NULL;
    BIO *memory = BIO_new(BIO_s_mem());
    jwt_t *jwt = NULL;
    bool is_valid = false;
    if (text && memory && PEM_write_bio_PUBKEY(memory, key->key)) {
        long pem_len = BIO_get_mem_data(memory, &pem);
        is_valid = jwt_decode(&jwt, text, (const unsigned char *)pem, (int)pem_len) == 0 &&
                   jwt_get_alg(jwt) == JWT_ALG_RS256;
    }
    jwt_free(jwt);
    BIO_free(memory);
    free(text);
    return json_boolean(is_valid);
}

static json_t *judge(const struct config *config, const struct key_ring *ring,
                     struct slice authorization, int64_t now_sec) {
    static const char *const verdicts[] = {
        [TOKEN_ACCEPTED] = "accept", [TOKEN_REFUSED] = "refuse", [TOKEN_NEEDS_KEYS] = "ask"};
    struct slice token;
    enum reason reason = REASON_NONE;
    if (entra_bearer_token(authorization, &token, &reason) != STATUS_OK)
        return json_pack("{s:s, s:s, s:n}", "verdict", "refuse", "reason", reason_code(reason),
                         "libjwt");
    struct token_result result;
    enum token_outcome outcome = entra_verify(config, ring, token, now_sec, &result);
    json_t *answer =
        json_pack("{s:s, s:s, s:o}", "verdict", verdicts[outcome], "reason",
                  reason_code(result.reason), "libjwt", second_opinion(ring, &result, token));
    identity_unref(result.identity);
    return answer;
}

static bool answer_line(const struct config *config, const struct key_ring *ring,
                        const char *line) {
    json_t *asked = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    struct slice hex = member(asked, "authorization");
    const json_t *now = json_object_get(asked, "now");
    char *bytes = hex.ptr ? strndup(hex.ptr, hex.len) : NULL;
    size_t len = hex.len;
    json_t *answer = bytes && json_is_integer(now) && unhex(bytes, &len)
                         ? judge(config, ring, slice_of(bytes, len), json_integer_value(now))
                         : NULL;
    char *text = answer ? json_dumps(answer, 0) : NULL;
    if (text) {
        puts(text);
        fflush(stdout);
    }
    bool is_answered = text != NULL;
    free(text);
    free(bytes);
    json_decref(answer);
    json_decref(asked);
    return is_answered;
}

static int answer_lines(const struct config *config) {
    struct key_ring *ring = NULL;
    char *line = NULL;
    size_t size = 0;
    int status = 0;
    if (getline(&line, &size, stdin) > 0)
        ring = read_ring(config, line);
    if (!ring)
        status = fail("first line", "holds no documents to work with");
    while (!status && getline(&line, &size, stdin) > 0)
        if (!answer_line(config, ring, line))
            status = fail("line", "is no {\"now\", \"authorization\"}");
    free(line);
    key_ring_unref(ring);
    return status;
}

int main(int argc, char **argv) {
    struct problem_list problems = {0};
    struct config *config = argc == 2 ? config_load(argv[1], &problems) : NULL;
    problem_list_done(&problems);
    if (!config)
        return fail("usage", "token_driver CONFIG, with a configuration that is right");
    int status = answer_lines(config);
    config_unref(config);
    return status;
}
