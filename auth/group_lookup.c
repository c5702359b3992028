/* The addresses are made of configuration and of the verified tenant and object id; nothing a token
 * says about where to ask is used (azure.md A.10).
 *
 *   start -> [metadata: where Graph is] -> token -> ask -> ask ... -> done
 *                                           ^--401--'   once, with a new token */
#include "auth/group_lookup.h"

#include <stdlib.h>

#include "auth/metadata.h"
#include "core/json_out.h"
#include "vault/bearer_header.h"

#define TIMEOUT_MS 5000
/* checkMemberGroups takes no more; beyond ALL_BEYOND the whole list is the cheaper question. */
#define BATCH_SIZE 20
#define ALL_BEYOND 100
#define MAX_BODY_BYTES 4096

static void ask_for_token(struct group_lookup *lookup);

static void let_go(struct group_lookup *lookup) {
    secret_unref(lookup->token);
    free(lookup->is_member);
    lookup->token = NULL;
    lookup->is_member = NULL;
    lookup->call = NULL;
    lookup->waits_for_token = false;
    lookup->has_new_token = false;
    lookup->answered = 0;
}

static void finish(struct group_lookup *lookup, struct group_answer *answer) {
    let_go(lookup);
    lookup->on_done(lookup, answer);
}

static void fail(struct group_lookup *lookup, enum group_result result, const char *text) {
    struct group_answer answer = {.result = result, .retry_after_sec = -1};
    error_set(&answer.error, STATUS_IO, "%.400s", text);
    finish(lookup, &answer);
}

static void succeed(struct group_lookup *lookup) {
    const struct graph *graph = lookup->graph;
    struct group_answer answer = {.result = GROUPS_OK, .retry_after_sec = -1};
    answer.groups = group_list_new(graph->groups, lookup->is_member, graph->group_count);
    if (answer.groups)
        finish(lookup, &answer);
    else
        fail(lookup, GROUPS_FAILED, "no memory for the groups");
}

static bool asks_for_all(const struct group_lookup *lookup) {
    return lookup->graph->group_count > ALL_BEYOND;
}

static size_t batch_count(const struct group_lookup *lookup) {
    size_t left = lookup->graph->group_count - lookup->answered;
    return asks_for_all(lookup) || left < BATCH_SIZE ? left : BATCH_SIZE;
}

static const char *graph_url(const struct group_lookup *lookup) {
    const struct config_entra *entra = lookup->graph->entra;
    return entra->authority_is_override ? lookup->tenant->url : entra->graph_url;
}

static void write_url(const struct group_lookup *lookup, struct buf *url) {
    buf_append_str(url, graph_url(lookup));
    buf_append_str(url, lookup->is_app ? "/v1.0/servicePrincipals/" : "/v1.0/users/");
    http_form_encode(url, slice_of_str(lookup->oid));
    buf_append_str(url, asks_for_all(lookup) ? "/getMemberObjects" : "/checkMemberGroups");
    buf_append_char(url, '\0');
}

static void write_body(const struct group_lookup *lookup, struct buf *body) {
    struct json_out out;
    json_out_init(&out, body);
    json_out_object_begin(&out, NULL);
    if (asks_for_all(lookup)) {
        json_out_bool(&out, "securityEnabledOnly", false);
    } else {
        json_out_array_begin(&out, "groupIds");
        for (size_t i = 0; i < batch_count(lookup); i++)
            json_out_str(&out, NULL, lookup->graph->groups[lookup->answered + i]);
        json_out_array_end(&out);
    }
    json_out_object_end(&out);
}

static void on_answer(void *owner, const struct http_client_response *response);

static enum status send_question(struct group_lookup *lookup, struct error *err) {
    struct secret *header = bearer_header_new(lookup->token);
    struct buf url, body;
    buf_init(&url, GRAPH_URL_SIZE + 200);
    buf_init(&body, MAX_BODY_BYTES);
    write_url(lookup, &url);
    write_body(lookup, &body);
    if (header && buf_ok(&url) && buf_ok(&body)) {
        const char *const headers[] = {secret_bytes(header).ptr, "Content-Type: application/json",
                                       "Accept: application/json", NULL};
        const struct http_client_request request = {
            .method = "POST",
            .url = url.ptr,
            .headers = headers,
            .body = buf_slice(&body),
            .timeout_ms = TIMEOUT_MS,
            .max_body_bytes = GRAPH_ANSWER_MAX_BYTES,
        };
        lookup->call = http_client_send(lookup->graph->client, &request, on_answer, lookup, err);
    } else {
        error_set(err, STATUS_NO_MEMORY, "no memory for a request");
    }
    secret_unref(header);
    buf_done(&url);
    buf_done(&body);
    return lookup->call ? STATUS_OK : STATUS_IO;
}

static void ask(struct group_lookup *lookup) {
    struct error err = {""};
    if (send_question(lookup, &err) != STATUS_OK)
        fail(lookup, GROUPS_FAILED, err.text);
}

static void take_members(struct group_lookup *lookup, struct slice body) {
    const struct graph *graph = lookup->graph;
    size_t count = batch_count(lookup);
    struct error err = {""};
    if (graph_answer_members(body, asks_for_all(lookup) ? GRAPH_ALL : GRAPH_SUBSET,
                             graph->groups + lookup->answered, count,
                             lookup->is_member + lookup->answered, &err) != STATUS_OK) {
        fail(lookup, GROUPS_FAILED, err.text);
        return;
    }
    lookup->answered += count;
    if (lookup->answered < graph->group_count)
        ask(lookup);
    else
        succeed(lookup);
}

static enum group_result result_of(int http_status, const char *code) {
    if (http_status == 403)
        return GROUPS_FORBIDDEN;
    if (http_status == 404 && strcmp(code, "Request_ResourceNotFound") == 0)
        return GROUPS_NOT_FOUND;
    return http_status == 429 ? GROUPS_THROTTLED : GROUPS_FAILED;
}

static const char *advice(const struct group_lookup *lookup, enum group_result result) {
    if (result == GROUPS_FORBIDDEN && lookup->is_app)
        return "; grant barkeep's identity the application permissions Application.Read.All and "
               "GroupMember.Read.All of Microsoft Graph, with admin consent";
    if (result == GROUPS_FORBIDDEN)
        return "; grant barkeep's identity the application permissions User.Read.All and "
               "GroupMember.Read.All of Microsoft Graph, with admin consent";
    if (result == GROUPS_NOT_FOUND)
        return "; the tenant's directory does not know the caller any more";
    return "";
}

static void take_refusal(struct group_lookup *lookup, const struct http_client_response *response) {
    char code[64];
    graph_answer_code(response->body, code, sizeof code);
    struct group_answer answer = {.result = result_of(response->http_status, code),
                                  .retry_after_sec = response->retry_after_sec};
    error_set(&answer.error, STATUS_IO, "Graph answered %d%s%s%s", response->http_status,
              *code ? " " : "", code, advice(lookup, answer.result));
    finish(lookup, &answer);
}

static void on_answer(void *owner, const struct http_client_response *response) {
    struct group_lookup *lookup = owner;
    lookup->call = NULL;
    if (response->status != STATUS_OK) {
        lookup->tenant->url[0] = '\0'; /* Graph may have moved */
        fail(lookup, GROUPS_FAILED, response->error.text);
    } else if (response->http_status == 200) {
        take_members(lookup, response->body);
    } else if (response->http_status == 401 && !lookup->has_new_token) {
        lookup->has_new_token = true;
        azure_identity_invalidate(lookup->graph->identity, lookup->tenant->id,
                                  lookup->graph->entra->graph_url);
        ask_for_token(lookup);
    } else {
        take_refusal(lookup, response);
    }
}

/* After a 401 the identity may still hold the very token that was refused: it is renewed once a
 * minute at most. */
static void on_token(void *owner, struct secret *token, const struct error *err) {
    struct group_lookup *lookup = owner;
    lookup->waits_for_token = false;
    if (!token) {
        fail(lookup, GROUPS_NO_TOKEN, err->text);
    } else if (lookup->token && secret_eq(token, lookup->token)) {
        fail(lookup, GROUPS_FAILED, "Graph refuses the token of barkeep's identity");
    } else {
        secret_unref(lookup->token);
        lookup->token = secret_ref(token);
        ask(lookup);
    }
}

static void ask_for_token(struct group_lookup *lookup) {
    const struct graph *graph = lookup->graph;
    lookup->waits_for_token = true;
    azure_identity_get(graph->identity, lookup->tenant->id, graph->entra->graph_url, on_token,
                       lookup);
}

static void on_metadata(void *owner, const struct http_client_response *response) {
    struct group_lookup *lookup = owner;
    struct error err = {""};
    lookup->call = NULL;
    if (response->status != STATUS_OK)
        fail(lookup, GROUPS_FAILED, response->error.text);
    else if (response->http_status != 200)
        fail(lookup, GROUPS_FAILED, "the authority does not give its metadata");
    else if (graph_answer_url(response->body, lookup->graph->entra, lookup->tenant->url, &err) !=
             STATUS_OK)
        fail(lookup, GROUPS_FAILED, err.text);
    else
        ask_for_token(lookup);
}

static void ask_for_metadata(struct group_lookup *lookup) {
    struct error err = {""};
    struct buf url;
    buf_init(&url, METADATA_URL_SIZE);
    buf_printf(&url, "%s/%s/v2.0/.well-known/openid-configuration", lookup->graph->entra->authority,
               lookup->tenant->id);
    buf_append_char(&url, '\0');
    const struct http_client_request request = {
        .method = "GET",
        .url = url.ptr,
        .timeout_ms = TIMEOUT_MS,
        .max_body_bytes = METADATA_MAX_DOCUMENT_BYTES,
    };
    if (buf_ok(&url))
        lookup->call = http_client_send(lookup->graph->client, &request, on_metadata, lookup, &err);
    else
        error_set(&err, STATUS_LIMIT, "the metadata's address is too long");
    buf_done(&url);
    if (!lookup->call)
        fail(lookup, GROUPS_FAILED, err.text);
}

void group_lookup_start(struct group_lookup *lookup) {
    const struct graph *graph = lookup->graph;
    lookup->is_member = calloc(graph->group_count + 1, sizeof *lookup->is_member);
    if (!lookup->is_member)
        fail(lookup, GROUPS_FAILED, "no memory for the groups");
    else if (graph->group_count == 0)
        succeed(lookup);
    else if (!graph->identity)
        fail(lookup, GROUPS_NO_TOKEN, "no `identity` is configured");
    else if (*graph_url(lookup))
        ask_for_token(lookup);
    else
        ask_for_metadata(lookup);
}

void group_lookup_cancel(struct group_lookup *lookup) {
    if (lookup->call)
        http_call_cancel(lookup->call);
    if (lookup->waits_for_token)
        azure_identity_forget(lookup->graph->identity, lookup);
    let_go(lookup);
}
