/* Remarks on an explanation: what was not looked at, and what in the request itself is odd. */
#include "config/quote.h"
#include "proxy/explanation.h"

static bool depends_on_client(const struct explanation *explanation) {
    for (const struct explained_rule *rule = explanation->first_rule; rule; rule = rule->next) {
        if (rule->step.entry->when.clients.count) {
            return true;
        }
    }
    return false;
}

static void note_the_unlooked_at(struct explanation *explanation) {
    if (explanation->question->has_body && !explanation->mcp) {
        explain_note(explanation, &explanation->notes, "body",
                     "the body is not looked at: no rule of this route depends on it");
    }
    if (explanation->asks_graph) {
        explain_note(explanation, &explanation->notes, "groups",
                     "barkeep would ask Microsoft Graph which of the groups that rules name the "
                     "caller is in, and decide with the answer; without one it is 503 "
                     "groups_unavailable");
    }
    if (!explanation->question->client && depends_on_client(explanation)) {
        explain_note(explanation, &explanation->notes, "client",
                     "no --client given: conditions on the client's address count as not met");
    }
}

static bool has_lower_case(const char *text) {
    for (; *text; text++) {
        if (*text >= 'a' && *text <= 'z') {
            return true;
        }
    }
    return false;
}

static void note_method(struct explanation *explanation) {
    const char *method = explanation->question->method;
    if (has_lower_case(method)) {
        explain_note(explanation, &explanation->notes, "method",
                     arena_printf(&explanation->arena,
                                  "methods are compared with their case, and HTTP's own are upper "
                                  "case: %s is another method than the one so spelt",
                                  QUOTE(slice_of_str(method))));
    }
}

/* The path up to and with the slash after the segment that makes it ambiguous, or all of it. */
static struct slice ambiguous_part(struct explanation *explanation, struct slice path) {
    struct request_path reading;
    char *bytes = arena_alloc(&explanation->arena, path.len);
    for (size_t len = 1; bytes && len <= path.len; len++) {
        bool ends_segment = len == path.len || path.ptr[len - 1] == '/';
        if (ends_segment &&
            request_path_canonical(slice_of(path.ptr, len), bytes, &reading) == PATH_AMBIGUOUS) {
            return slice_of(path.ptr, len);
        }
    }
    return path;
}

static struct slice last_segment(struct slice path) {
    size_t end = path.len;
    if (end > 0 && path.ptr[end - 1] == '/') {
        end--;
    }
    size_t start = end;
    while (start > 0 && path.ptr[start - 1] != '/') {
        start--;
    }
    return slice_of(path.ptr + start, end - start);
}

static const char *why_ambiguous(struct slice segment) {
    if (segment.len == 0) {
        return "two slashes in a row: some servers take them for one";
    }
    if (slice_eq(segment, SLICE(".."))) {
        return "it leads above the root";
    }
    if (slice_index(segment, ';') < segment.len) {
        return "some servers cut it off at the semicolon";
    }
    return "what it encodes or resembles some servers take for a dot segment, a slash or the end "
           "of "
           "a name";
}

static void note_ambiguity(struct explanation *explanation) {
    struct slice target = slice_of_str(explanation->question->target);
    struct slice path, query;
    bool has_query;
    if (explanation->reason != REASON_PATH_AMBIGUOUS || explanation->path ||
        !slice_starts_with(target, SLICE("/"))) {
        return;
    }
    request_target_split(target, &path, &query, &has_query);
    struct slice part = ambiguous_part(explanation, path);
    struct slice segment = last_segment(part);
    explain_note(explanation, &explanation->notes, "path",
                 arena_printf(&explanation->arena, "%s at the end of %s: %s",
                              segment.len ? QUOTE(segment) : "an empty segment", QUOTE(part),
                              why_ambiguous(segment)));
}

void explain_notes(struct explanation *explanation) {
    note_method(explanation);
    note_ambiguity(explanation);
    note_the_unlooked_at(explanation);
}
