/* What may stop a good token before anybody looks at permissions. */
#include "vault_gate.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "must.h"

void vault_gate_done(struct vault_gate *gate) {
    free(gate->claims);
    free(gate->refused_token);
    *gate = (struct vault_gate){0};
}

enum status vault_gate_set_network(struct vault_gate *gate, const char *name, struct error *err) {
    static const char *const names[] = {
        [NETWORK_OPEN] = "open", [NETWORK_FIREWALL] = "firewall", [NETWORK_PRIVATE] = "private"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(names[i], name) == 0) {
            gate->network = (enum network)i;
            return STATUS_OK;
        }
    return error_set(err, STATUS_INVALID, "network must be open, firewall or private");
}

bool vault_gate_throttles(struct vault_gate *gate) {
    if (gate->throttled > 0) {
        gate->throttled--;
        return true;
    }
    if (gate->limit == 0)
        return false;
    uint64_t now_ms = clock_monotonic_ms();
    if (now_ms >= gate->window_end_ms) {
        gate->window_end_ms = now_ms + (uint64_t)gate->window_ms;
        gate->in_window = 0;
    }
    return ++gate->in_window > gate->limit;
}

void vault_gate_ask_claims(struct vault_gate *gate, const char *claims, bool takes_any_client) {
    free(gate->claims);
    free(gate->refused_token);
    gate->claims = claims ? must_strdup(claims) : NULL;
    gate->refused_token = NULL;
    gate->takes_any_client = takes_any_client;
}

static bool is_capable(const json_t *payload) {
    const json_t *capabilities = json_object_get(payload, "xms_cc");
    for (size_t i = 0; i < json_array_size(capabilities); i++) {
        const char *name = json_string_value(json_array_get(capabilities, i));
        if (name && strcmp(name, "cp1") == 0)
            return true;
    }
    return false;
}

bool vault_gate_refuses_token(struct vault_gate *gate, struct slice token, const json_t *payload) {
    if (!gate->claims)
        return false;
    if (!gate->refused_token) {
        gate->refused_token = must_printf("%.*s", (int)token.len, token.ptr);
        return true;
    }
    bool is_refused = slice_eq(token, slice_of_str(gate->refused_token));
    return is_refused || (!gate->takes_any_client && !is_capable(payload));
}
