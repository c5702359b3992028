/* PKCS#12 as Key Vault hands it out: without password, in standard base64. azure.md D.9. */
#ifndef BARKEEP_STANDIN_PFX_H
#define BARKEEP_STANDIN_PFX_H

#include <stdbool.h>

/* The first certificate of `chain_pem` is the key's, the others go along; `key_pem` NULL leaves the
 * key out. `is_legacy`: RC2-40 and 3DES, which OpenSSL 3 reads with its legacy provider only. The
 * caller frees; NULL when OpenSSL cannot (no legacy provider installed). */
char *pfx_encode(const char *key_pem, const char *chain_pem, bool is_legacy);
/* Key (PKCS#8), then the chain. The caller frees; NULL when it is not one of ours. */
char *pfx_to_pem(const char *pfx_base64);

#endif
