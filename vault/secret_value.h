/* What may become a secret value, wherever it comes from. security.md 8 I 190. */
#ifndef BARKEEP_VAULT_SECRET_VALUE_H
#define BARKEEP_VAULT_SECRET_VALUE_H

#include "core/secret.h"

/* Key Vault's own limit (azure.md D.2); files keep to it too. */
#define SECRET_VALUE_MAX_BYTES (25 * 1024)

/* Copies `bytes` into secret memory when they may go into a request: 1 byte to 25 KiB of printable
 * ASCII, no space at either end; line breaks in a PEM document only. STATUS_INVALID, _LIMIT or
 * _NO_MEMORY otherwise; err says what is wrong and never quotes. */
enum status secret_value_new(struct slice bytes, struct secret **out_value, struct error *err);

/* True when a byte is CR, LF, NUL, another control byte (HTAB too) or DEL. */
bool secret_value_has_control_bytes(struct slice bytes);

#endif
