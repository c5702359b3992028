/* Header values with secrets in them: "Token {prod/influx-token}". */
#include "config/config_parts.h"

/* Where the run of literal bytes at the start of `text` ends: at a brace or at the end. */
static size_t literal_run(struct slice text) {
    size_t n = 0;
    while (n < text.len && text.ptr[n] != '{' && text.ptr[n] != '}')
        n++;
    return n;
}

/* Takes one piece of `*text` into `part`: a secret (false in *out_is_literal), or literal bytes. */
static bool take_piece(struct loader *loader, const struct node *node, struct slice *text,
                       struct config_template_part *out_part) {
    *out_part = (struct config_template_part){.secret = CONFIG_NONE};
    size_t run = literal_run(*text);
    if (run == 0 && text->ptr[0] == '{' && !slice_starts_with(*text, SLICE("{{"))) {
        size_t end = slice_index(*text, '}');
        if (end == text->len) {
            loader_error(loader, node, "has a `{` without `}`; write {{ for a brace");
            return false;
        }
        struct slice reference = slice_of(text->ptr + 1, end - 1);
        *text = slice_skip(*text, end + 1);
        out_part->secret = config_secret_refer(loader, node, reference);
        return out_part->secret != CONFIG_NONE;
    }
    bool is_pair = run == 0 &&
                   (slice_starts_with(*text, SLICE("{{")) || slice_starts_with(*text, SLICE("}}")));
    size_t taken = run > 0 ? run : 1;
    out_part->literal = slice_of(text->ptr, taken);
    *text = slice_skip(*text, is_pair ? 2 : taken);
    return true;
}

static size_t count_pieces(struct slice text) {
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '{' || text.ptr[i] == '}' ? 2 : 0;
    return count;
}

/* Joins literals that stand next to each other; their bytes move to the arena. */
static void add_part(struct config_template *template, const struct config_template_part *part,
                     char *literals) {
    struct config_template_part *last =
        template->count > 0 ? &template->parts[template->count - 1] : NULL;
    if (part->secret != CONFIG_NONE || !last || last->secret != CONFIG_NONE) {
        last = &template->parts[template->count++];
        *last = (struct config_template_part){slice_of(literals, 0), part->secret};
    }
    if (part->literal.len > 0)
        memcpy(literals, part->literal.ptr, part->literal.len);
    last->literal.len += part->literal.len;
}

bool config_read_template(struct loader *loader, const struct node *node,
                          struct config_template *out_template) {
    if (node->kind == NODE_MAPPING) {
        loader_error(loader, node,
                     "must be text; put a template that begins with a brace in quotes");
        return false;
    }
    if (node->kind == NODE_BROKEN)
        return false;
    if (node->kind != NODE_STRING || node->text.len == 0) {
        loader_error(loader, node, "must be text with {VAULT/NAME} in it; put it in quotes");
        return false;
    }
    struct slice text = node->text;
    struct config_template template = {0};
    template.parts = loader_array(loader, count_pieces(text), sizeof *template.parts);
    char *literals = loader_array(loader, text.len, 1);
    if (!template.parts || !literals)
        return false;
    while (text.len > 0) {
        struct config_template_part part;
        if (!take_piece(loader, node, &text, &part))
            return false;
        add_part(&template, &part, literals);
        literals += part.literal.len;
    }
    *out_template = template;
    return true;
}

bool config_template_literal(struct loader *loader, struct slice text,
                             struct config_template *out_template) {
    struct config_template template = {.count = 1};
    template.parts = loader_array(loader, 1, sizeof *template.parts);
    if (!template.parts)
        return false;
    template.parts[0].literal = slice_of(loader_copy(loader, text), text.len);
    template.parts[0].secret = CONFIG_NONE;
    *out_template = template;
    return true;
}
