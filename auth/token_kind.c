/* One registration can be client and API at once, so that the audience alone does not tell an ID
 * token from an access token, and roles do not either: several signs together do (azure.md A.9). */
#include "auth/token_kind.h"

#include <stdarg.h>
#include <stdio.h>

#define MAX_SUBJECT_BYTES 128

static const struct {
    const char *audience;
    const char *service;
} services[] = {
    {"00000003-0000-0000-c000-000000000000", "Microsoft Graph"},
    {"https://graph.microsoft.com", "Microsoft Graph"},
    {"https://graph.microsoft.com/", "Microsoft Graph"},
    {"https://graph.microsoft.us", "Microsoft Graph"},
    {"https://graph.microsoft.us/", "Microsoft Graph"},
    {"https://dod-graph.microsoft.us", "Microsoft Graph"},
    {"https://dod-graph.microsoft.us/", "Microsoft Graph"},
    {"https://microsoftgraph.chinacloudapi.cn", "Microsoft Graph"},
    {"https://microsoftgraph.chinacloudapi.cn/", "Microsoft Graph"},
    {"https://management.azure.com", "Azure Resource Manager"},
    {"https://management.azure.com/", "Azure Resource Manager"},
    {"https://management.core.windows.net/", "Azure Resource Manager"},
    {"https://vault.azure.net", "Azure Key Vault"},
    {"https://vault.azure.net/", "Azure Key Vault"},
    {"https://vault.usgovcloudapi.net", "Azure Key Vault"},
    {"https://vault.azure.cn", "Azure Key Vault"},
};

__attribute__((format(printf, 2, 3))) static bool refuse(char *out_detail, const char *format,
                                                         ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out_detail, TOKEN_KIND_DETAIL_SIZE, format, args);
    va_end(args);
    return false;
}

const char *token_kind_service(struct slice audience) {
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (slice_eq_str(audience, services[i].audience))
            return services[i].service;
    return NULL;
}

void token_kind_scope(const struct config_strings *audiences,
                      char out_scope[TOKEN_KIND_SCOPE_SIZE]) {
    const char *chosen = audiences->count ? audiences->items[0] : "api://...";
    for (size_t i = audiences->count; i-- > 0;)
        if (slice_starts_with(slice_of_str(audiences->items[i]), SLICE("api://")))
            chosen = audiences->items[i];
    (void)snprintf(out_scope, TOKEN_KIND_SCOPE_SIZE, "%.80s/.default", chosen);
}

static bool has_no_foreign_marks(const struct token_claims *claims, const struct token_form *form,
                                 char *out_detail) {
    if (claims->id_token_mark)
        return refuse(out_detail,
                      "the token holds \"%s\": an ID token; request an access token for scope %s",
                      claims->id_token_mark, form->scope);
    if (claims->is_bound)
        return refuse(out_detail,
                      "the token is bound to a key (cnf); request one of type Bearer "
                      "for scope %s",
                      form->scope);
    if (claims->idtyp.is_present && !claims->idtyp.text.ptr)
        return refuse(out_detail, "the token's idtyp is not a string");
    return true;
}

static bool read_client(const struct token_claims *claims, const struct token_form *form,
                        struct slice *out_app, char *out_detail) {
    struct slice azp = claims->azp.text, appid = claims->appid.text;
    struct slice app = form->version == 1 || (form->version == 0 && !azp.ptr) ? appid : azp;
    if (!config_is_guid(app))
        return refuse(out_detail,
                      "the token names no client application (%s), as ID tokens do; request an "
                      "access token for scope %s",
                      form->version == 1 ? "appid" : "azp", form->scope);
    *out_app = app;
    return true;
}

static bool is_usable_subject(struct slice sub) {
    for (size_t i = 0; i < sub.len; i++)
        if (sub.ptr[i] <= 0x20 || sub.ptr[i] > 0x7e)
            return false;
    return sub.len > 0 && sub.len <= MAX_SUBJECT_BYTES;
}

static bool read_id(const struct token_claims *claims, const struct token_form *form,
                    struct slice *out_id, char *out_detail) {
    bool takes_sub = form->version == 0 && !claims->oid.is_present;
    struct slice id = takes_sub ? claims->sub.text : claims->oid.text;
    if (takes_sub ? !is_usable_subject(id) : !config_is_guid(id))
        return refuse(out_detail, "the token names no object id (oid)%s",
                      form->version == 0 ? " and no usable sub" : "");
    *out_id = id;
    return true;
}

/* An application's token has no person behind it: its subject is the application. */
static bool is_about_its_client(const struct token_claims *claims, const struct token_form *form,
                                const struct token_kind *kind) {
    struct slice sub = claims->sub.text;
    return !claims->idtyp.is_present && !slice_is_empty(sub) &&
           (slice_eq(sub, claims->oid.text) || (form->version == 0 && slice_eq(sub, kind->app)));
}

/* A user's token has scp; an application's has roles and says, or shows, that it is one. */
static bool read_principal(const struct token_claims *claims, const struct token_form *form,
                           struct token_kind *kind, char *out_detail) {
    bool says_app = slice_eq_str(claims->idtyp.text, "app");
    if (claims->scp.is_present) {
        if (says_app)
            return refuse(out_detail, "an app-only token cannot hold scp");
        if (claims->scopes.count == 0)
            return refuse(out_detail, "the token's scp names no scope; request scope %s",
                          form->scope);
        kind->principal = PRINCIPAL_USER;
        return true;
    }
    bool is_app = says_app || is_about_its_client(claims, form, kind);
    if (is_app && claims->roles.count == 0)
        return refuse(out_detail,
                      "the application has no app role assigned on this API; assign it "
                      "one, then request scope %s",
                      form->scope);
    if (!is_app)
        return refuse(out_detail,
                      claims->roles.count == 0
                          ? "the token has neither scp nor roles, as ID tokens do; request an "
                            "access token for scope %s"
                          : "the token has no scp and does not say that it is an application's "
                            "(idtyp); request an access token for scope %s",
                      form->scope);
    kind->principal = PRINCIPAL_APP;
    return true;
}

bool token_kind_read(const struct token_claims *claims, const struct token_form *form,
                     struct token_kind *out_kind, char out_detail[TOKEN_KIND_DETAIL_SIZE]) {
    struct token_kind kind = {0};
    if (!has_no_foreign_marks(claims, form, out_detail) ||
        !read_client(claims, form, &kind.app, out_detail) ||
        !read_id(claims, form, &kind.id, out_detail) ||
        !read_principal(claims, form, &kind, out_detail))
        return false;
    *out_kind = kind;
    return true;
}
