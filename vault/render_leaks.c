/* What an answer must not repeat of a credential: each secret that went into the request, and for
 * basic the text that was encoded, because its base64 is none of the password's own.
 *
 * A client certificate leaves nothing to look for: its key goes into signatures and never into a
 * request, so that no upstream can repeat it, and the certificate itself is public. */
#include <stdlib.h>

#include "vault/rendering_parts.h"

static enum status set_leaks(struct rendering *rendering, const struct leak_source *sources,
                             size_t count, struct error *err) {
    if (!leak_set_new(sources, count, &rendering->leaks))
        return error_set(err, STATUS_NO_MEMORY,
                         "secret memory has no room for the forms in which answers might repeat "
                         "it; a shorter value may fit");
    rendering->credential.leaks = rendering->leaks;
    return STATUS_OK;
}

enum status render_leaks(struct rendering *rendering, const struct secret_set *secrets,
                         const struct secret_view *views, const struct secret *joined,
                         struct error *err) {
    struct leak_source *sources = calloc(secrets->count + 1, sizeof *sources);
    size_t count = 0;
    if (!sources)
        return render_no_memory(err);
    for (size_t i = 0; i < secrets->count; i++)
        sources[count++] =
            (struct leak_source){secret_bytes(views[secrets->items[i]].value), LEAK_VALUE};
    if (joined)
        sources[count++] = (struct leak_source){secret_bytes(joined), LEAK_VALUE};
    const enum status status = set_leaks(rendering, sources, count, err);
    free(sources);
    return status;
}

enum status render_token_leak(struct rendering *rendering, const struct secret *token,
                              struct error *err) {
    const struct leak_source source = {secret_bytes(token), LEAK_TOKEN};
    return set_leaks(rendering, &source, 1, err);
}
