/* The tenant of azure.md A.6, for everybody who does not bring a seed. Every secret value says
 * "canary", so that a test can search logs and answers for leaks. */
#include "seed.h"

#define JSON(...) #__VA_ARGS__

// clang-format off
const char default_seed[] = JSON({
    "tenants": [
        {"id": "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4", "domains": ["fabrikam.example"]}
    ],
    "apps": [
        {"name": "orders-gw", "client_id": "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6",
         "oid": "5e6f7081-92a3-4b4c-8d5e-6f70a1b2c3d4", "uris": ["api://orders-gw"],
         "token_version": 2, "secret": "canary-orders-gw-client-secret",
         "federated": [{"issuer": "https://oidc.cluster.example/7d2e0c41",
                        "subject": "system:serviceaccount:edge:barkeep"}],
         "roles": {"00000003-0000-0000-c000-000000000000":
                   ["User.Read.All", "Application.Read.All", "GroupMember.Read.All"]}},
        {"name": "caller", "client_id": "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
         "oid": "17b9e4f2-0c3d-4e5a-b6c7-d8e9f0a1b2c3", "secret": "canary-caller-client-secret~1",
         "redirect_uris": {"web": ["https://portal.fabrikam.example/back"]},
         "roles": {"8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6": ["Orders.Read.All"]}},
        {"name": "deployer", "client_id": "d3b0c1a2-5f6e-4d7c-9b8a-0f1e2d3c4b5a",
         "oid": "a6d5c4b3-f2e1-4d0c-8b9a-7f6e5d4c3b2a", "secret": "canary-deployer-client-secret"},
        {"name": "stock", "client_id": "e4f50617-2839-4a5b-8c6d-7e8f9a0b1c2d",
         "oid": "f5061728-394a-4b5c-9d6e-8f9a0b1c2d3e", "uris": ["api://stock"],
         "token_version": 2, "scopes": ["Stock.Read", "Stock.Write"]},
        {"name": "desktop", "client_id": "a9b8c7d6-e5f4-4a3b-8c2d-1e0f9a8b7c6d",
         "oid": "0b1c2d3e-4f50-4617-8283-94a5b6c7d8e9",
         "redirect_uris": {"native": ["http://localhost/callback", "http://127.0.0.1",
                                      "https://desktop.fabrikam.example/back"]}}
    ],
    "users": [
        {"oid": "e0d1c2b3-a495-4867-9588-776655443322", "name": "Mira Okafor",
         "upn": "mira.okafor@fabrikam.example",
         "groups": ["6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"]},
        {"oid": "5b60718a-92a3-4b4c-8d5e-6f708192a3b4", "name": "Ines Varga",
         "upn": "ines.varga@fabrikam.example", "groups": []}
    ],
    "managed_identities": [
        {"client_id": "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3",
         "oid": "94a5b6c7-d8e9-4f0a-8b1c-2d3e4f506172",
         "roles": {"00000003-0000-0000-c000-000000000000":
                   ["User.Read.All", "Application.Read.All", "GroupMember.Read.All"]},
         "resource_id": "/subscriptions/0a1b2c3d-4e5f-4607-8182-93a4b5c6d7e8/resourcegroups/edge/providers/Microsoft.ManagedIdentity/userAssignedIdentities/gw-proxy"}
    ],
    "vaults": {
        "orders-kv": {
            "secrets": {
                "rabbit-admin": "canary-rabbit-admin-7f3a",
                "rabbit-viewer": "canary-rabbit-viewer-19c4",
                "influx-token": "canary-influx-token-b2d8",
                "upstream-api-key": {"value": "canary-upstream-api-key-c5e1",
                                     "contentType": "text/plain", "tags": {"owner": "orders"}},
                "retired-key": {"value": "canary-retired-key-40aa", "enabled": false},
                "expired-key": {"value": "canary-expired-key-e812", "exp": 1577836800}
            },
            "keys": {"gw-signing": {"kty": "RSA"}, "gw-ec": {"kty": "EC"}},
            "certificates": {
                "gw-client": {"subject": "CN=orders-gw,O=Fabrikam"},
                "gw-client-pem": {"subject": "CN=orders-gw-pem,O=Fabrikam", "kty": "EC",
                                  "contentType": "application/x-pem-file", "issuer": "self"}
            },
            "assignments": [
                {"principal": "94a5b6c7-d8e9-4f0a-8b1c-2d3e4f506172",
                 "role": "Key Vault Secrets User", "scope": "/"},
                {"principal": "5e6f7081-92a3-4b4c-8d5e-6f70a1b2c3d4",
                 "role": "Key Vault Secrets User", "scope": "/"},
                {"principal": "a6d5c4b3-f2e1-4d0c-8b9a-7f6e5d4c3b2a",
                 "role": "Key Vault Secrets Officer", "scope": "/"}
            ]
        }
    }
});
// clang-format on
