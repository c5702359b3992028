/* Holding one version of a secret: value, number, end and bounds go together. */
#include "vault/held_version.h"

static void set_hosts(struct held_version *held, const char *hosts) {
    held->has_hosts = hosts != NULL;
    held->hosts[0] = '\0';
    if (hosts && strlen(hosts) < sizeof held->hosts)
        memcpy(held->hosts, hosts, strlen(hosts) + 1);
}

void held_version_set(struct held_version *held, const struct fetch_outcome *outcome) {
    struct secret *value = secret_ref(outcome->value);
    secret_unref(held->value);
    held->value = value;
    memcpy(held->version, outcome->version, strlen(outcome->version) + 1);
    held->expires_sec = outcome->expires_sec;
    set_hosts(held, outcome->hosts);
}

void held_version_drop(struct held_version *held) {
    secret_unref(held->value);
    *held = (struct held_version){0};
}

void held_version_copy(struct held_version *to, const struct held_version *from) {
    *to = *from;
    to->value = from->value ? secret_ref(from->value) : NULL;
}

void held_version_move(struct held_version *to, struct held_version *from) {
    secret_unref(to->value);
    *to = *from;
    *from = (struct held_version){0};
}

bool held_version_is(const struct held_version *held, const struct fetch_outcome *outcome) {
    return held->value && strcmp(held->version, outcome->version) == 0 &&
           secret_eq(held->value, outcome->value);
}

bool held_version_has_hosts_of(const struct held_version *held,
                               const struct fetch_outcome *outcome) {
    const char *hosts = held_version_hosts(held);
    if (!hosts || !outcome->hosts)
        return !hosts && !outcome->hosts;
    return strcmp(hosts, outcome->hosts) == 0;
}

const char *held_version_hosts(const struct held_version *held) {
    return held->has_hosts ? held->hosts : NULL;
}
