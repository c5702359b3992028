/* Pieces of configurations that the tests of refusals put together. */
#ifndef BARKEEP_TESTS_REFUSAL_CASE_H
#define BARKEEP_TESTS_REFUSAL_CASE_H

#include "config_case.h"

#define ROUTE(rest) "routes:\n- name: r\n  upstream: http://127.0.0.1:3000\n" rest
#define ENTRA(rest) "entra:\n  tenant: " TENANT "\n  audience: " CLIENT "\n" rest
#define ISSUER(name, metadata, issuer, audience, tenant)                                           \
    ENTRA("  issuers:\n    - name: " name "\n      metadata: " metadata "\n      issuer: " issuer  \
          "\n      audience: " audience "\n      tenant: " tenant)
#define C_METADATA "https://c.example/x"
#define C_ISSUER "https://c.example/"
#define VAULTS                                                                                     \
    "identity: {managed: system}\nvaults: {prod: \"https://x.vault.azure.net\", local: "           \
    "\"file:/s\"}\n"
#define CREDENTIAL(value) VAULTS "credentials:\n  c: " value

#endif
