/* Secrets that were written into the file. Nobody can tell a secret from a name for certain: what
 * is looked for is what generators make and what fields are called. Nothing found is repeated. */
#include "config/config_parts.h"

#define LEAST_RUN 20
#define LEAST_TURNS 3

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Words joined by dashes, dates and camel case turn rarely from letters to digits; what a generator
 * made does so all the time. */
static bool is_random(struct slice run) {
    size_t turns = 0;
    char last = '\0';
    if (run.len < LEAST_RUN || config_is_guid(run))
        return false;
    for (size_t i = 0; i < run.len; i++) {
        char c = run.ptr[i];
        if (!is_digit(c) && !is_letter(c))
            continue;
        turns += last && is_digit(c) != is_digit(last) ? 1 : 0;
        last = c;
    }
    return turns >= LEAST_TURNS;
}

/* How well-known issuers begin their keys and tokens. */
static bool has_known_start(struct slice text) {
    static const char *const STARTS[] = {"eyJ",   "ghp_",  "gho_",        "github_pat_", "glpat-",
                                         "xoxb-", "xoxp-", "sk-",         "sk_live_",    "hvs.",
                                         "dapi",  "SG.",   "AccountKey=", "-----BEGIN"};
    for (size_t i = 0; i < sizeof STARTS / sizeof *STARTS; i++) {
        if (slice_starts_with(text, slice_of_str(STARTS[i])) && text.len >= LEAST_RUN)
            return true;
    }
    return false;
}

/* A dot parts the words of a host name, but not what Entra makes, which has a tilde. */
static bool is_run_byte(char c, bool has_tilde) {
    return is_letter(c) || is_digit(c) || (c && strchr("_-~+=", c)) || (c == '.' && has_tilde);
}

static bool looks_secret(struct slice text) {
    bool has_tilde = slice_index(text, '~') != text.len;
    while (text.len > 0) {
        size_t len = 0;
        while (len < text.len && is_run_byte(text.ptr[len], has_tilde))
            len++;
        if (is_random(slice_of(text.ptr, len)) || has_known_start(text))
            return true;
        text = slice_skip(text, len + 1);
    }
    return false;
}

static bool is_named_like_a_secret(const char *name) {
    static const char *const WORDS[] = {"password", "passwd",  "secret",  "token",
                                        "apikey",   "api-key", "api_key", "authorization"};
    char lower[64] = "";
    for (size_t i = 0; name[i] && i + 1 < sizeof lower; i++)
        lower[i] = (char)(is_letter(name[i]) ? name[i] | 0x20 : name[i]);
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (strstr(lower, WORDS[i]))
            return true;
    }
    return false;
}

static bool has_secret(const struct config_template *template) {
    for (size_t i = 0; i < template->count; i++) {
        if (template->parts[i].secret != CONFIG_NONE)
            return true;
    }
    return false;
}

static bool any_literal_looks_secret(const struct config_template *template) {
    for (size_t i = 0; i < template->count; i++) {
        if (template->parts[i].secret == CONFIG_NONE && looks_secret(template->parts[i].literal))
            return true;
    }
    return false;
}

static void check_fields(struct loader *loader, const struct node *fields,
                         const struct config_credential *credential) {
    bool holds_any = false;
    for (size_t i = 0; i < credential->field_count; i++)
        holds_any = holds_any || has_secret(&credential->fields[i].value);
    const struct node *node = fields ? fields->first : NULL;
    for (size_t i = 0; node && i < credential->field_count; i++, node = node->next) {
        const struct config_credential_field *field = &credential->fields[i];
        bool is_named = is_named_like_a_secret(field->name) && !has_secret(&field->value);
        if (any_literal_looks_secret(&field->value))
            loader_warning(loader, node,
                           "looks like a secret written out, which everyone who reads this file "
                           "can use; put it into a vault, write {VAULT/NAME} here, and have it "
                           "changed where it was issued");
        else if (is_named && holds_any) /* else the whole credential is warned of */
            loader_warning(loader, node,
                           "is called like a secret and names none of a vault; put the value into "
                           "a vault and write {VAULT/NAME} here");
    }
}

void config_check_literals(struct loader *loader) {
    static const char *const KINDS[] = {"headers", "query", "cookie"};
    const struct config *config = loader->config;
    const struct node *credentials = node_find(loader->root, SLICE("credentials"));
    const struct node *node = credentials ? credentials->first : NULL;
    for (size_t i = 0; node && i < config->credential_count; i++, node = node->next) {
        const struct config_credential *credential = &config->credentials[i];
        for (size_t kind = 0; kind < sizeof KINDS / sizeof *KINDS; kind++)
            if (node_find(node, slice_of_str(KINDS[kind])))
                check_fields(loader, node_find(node, slice_of_str(KINDS[kind])), credential);
        const struct node *basic = node_find(node, SLICE("basic"));
        const struct node *username = basic ? node_find(basic, SLICE("username")) : NULL;
        if (username && any_literal_looks_secret(&credential->username))
            loader_warning(loader, username,
                           "looks like a secret written out; put it into a vault and write "
                           "{secret: VAULT/NAME} here");
    }
}
