/* Keys and certificates out of a PFX, bag by bag. PKCS12_parse() would do but for two things: it
 * takes the first of several keys without a word, and it derives keys over as many rounds as the
 * file says, which is hours when a vault lies.
 *
 * Key Vault writes no password; some programs take that as none at all and some as an empty string,
 * which derive different keys, so both are tried. What only the ciphers of old can open (RC2) is
 * opened with OpenSSL's legacy provider in a library context of its own: the process never has
 * them. */
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include "vault/certificate_parts.h"

/* Rounds of key derivation over all tries together: a tenth of a second or so. Key Vault and
 * OpenSSL write 2000 and 2048 for each of three derivations. */
#define MAX_ROUNDS 400000

struct pfx_reader {
    PKCS12 *pfx;
    OSSL_LIB_CTX *library; /* NULL: the process's own */
    const char *password;  /* NULL or "" */
    int64_t rounds_left;
    bool is_undecrypted; /* rightly encrypted as far as can be seen, but it does not open */
    struct certificate_parts *parts;
    struct error why;
};

static enum status refuse(struct pfx_reader *reader, const char *why) {
    return error_set(&reader->why, STATUS_INVALID, "%s", why);
}

static enum status refuse_undecrypted(struct pfx_reader *reader) {
    reader->is_undecrypted = true;
    return refuse(reader, "the PFX cannot be decrypted");
}

static bool spend(struct pfx_reader *reader, const ASN1_INTEGER *rounds) {
    int64_t count = 0;
    if (ASN1_INTEGER_get_int64(&count, rounds) != 1 || count < 1 || count > reader->rounds_left)
        return false;
    reader->rounds_left -= count;
    return true;
}

static bool spend_pbkdf2(struct pfx_reader *reader, const X509_ALGOR *derivation) {
    if (OBJ_obj2nid(derivation->algorithm) != NID_id_pbkdf2)
        return false;
    PBKDF2PARAM *param =
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), derivation->parameter);
    const bool is_fine = param && spend(reader, param->iter);
    PBKDF2PARAM_free(param);
    return is_fine;
}

static bool spend_pbes2(struct pfx_reader *reader, const X509_ALGOR *algorithm) {
    PBE2PARAM *param = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
    const bool is_fine = param && spend_pbkdf2(reader, param->keyfunc);
    PBE2PARAM_free(param);
    return is_fine;
}

static bool spend_pbe(struct pfx_reader *reader, const X509_ALGOR *algorithm) {
    PBEPARAM *param = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
    const bool is_fine = param && spend(reader, param->iter);
    PBEPARAM_free(param);
    return is_fine;
}

/* What it takes to decrypt with `algorithm`. */
static bool spend_algorithm(struct pfx_reader *reader, const X509_ALGOR *algorithm) {
    return OBJ_obj2nid(algorithm->algorithm) == NID_pbes2 ? spend_pbes2(reader, algorithm)
                                                          : spend_pbe(reader, algorithm);
}

static enum status refuse_work(struct pfx_reader *reader) {
    return refuse(reader, "the PFX is encrypted in a way that is not known, or at a cost that is "
                          "out of bounds");
}

static enum status add_key(struct pfx_reader *reader, const PKCS8_PRIV_KEY_INFO *wrapped) {
    return certificate_parts_add_key(reader->parts, EVP_PKCS82PKEY(wrapped), &reader->why);
}

static enum status add_shrouded_key(struct pfx_reader *reader, const PKCS12_SAFEBAG *bag) {
    const X509_ALGOR *algorithm = NULL;
    X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, NULL);
    if (!spend_algorithm(reader, algorithm))
        return refuse_work(reader);
    PKCS8_PRIV_KEY_INFO *wrapped =
        PKCS12_decrypt_skey_ex(bag, reader->password, 0, reader->library, NULL);
    if (!wrapped)
        return refuse_undecrypted(reader);
    const enum status status = add_key(reader, wrapped);
    PKCS8_PRIV_KEY_INFO_free(wrapped);
    return status;
}

static enum status add_bag(struct pfx_reader *reader, const PKCS12_SAFEBAG *bag) {
    switch (PKCS12_SAFEBAG_get_nid(bag)) {
    case NID_keyBag:
        return add_key(reader, PKCS12_SAFEBAG_get0_p8inf(bag));
    case NID_pkcs8ShroudedKeyBag:
        return add_shrouded_key(reader, bag);
    case NID_certBag:
        return certificate_parts_add_certificate(reader->parts, PKCS12_SAFEBAG_get1_cert(bag),
                                                 &reader->why);
    default:
        return STATUS_OK;
    }
}

static enum status add_bags(struct pfx_reader *reader, STACK_OF(PKCS12_SAFEBAG) * bags) {
    enum status status = STATUS_OK;
    for (int i = 0; status == STATUS_OK && i < sk_PKCS12_SAFEBAG_num(bags); i++)
        status = add_bag(reader, sk_PKCS12_SAFEBAG_value(bags, i));
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return status;
}

static enum status add_encrypted_safe(struct pfx_reader *reader, PKCS7 *safe) {
    if (!spend_algorithm(reader, safe->d.encrypted->enc_data->algorithm))
        return refuse_work(reader);
    STACK_OF(PKCS12_SAFEBAG) *bags = PKCS12_unpack_p7encdata(safe, reader->password, 0);
    return bags ? add_bags(reader, bags) : refuse_undecrypted(reader);
}

static enum status add_safe(struct pfx_reader *reader, PKCS7 *safe) {
    /* The grammar lets contents be absent. */
    if (PKCS7_type_is_encrypted(safe) && safe->d.encrypted)
        return add_encrypted_safe(reader, safe);
    STACK_OF(PKCS12_SAFEBAG) *bags = PKCS7_type_is_data(safe) ? PKCS12_unpack_p7data(safe) : NULL;
    return bags ? add_bags(reader, bags) : refuse(reader, "the PFX is broken");
}

static enum status add_safes(struct pfx_reader *reader) {
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(reader->pfx);
    enum status status = STATUS_OK;
    if (!safes)
        return refuse(reader, "the PFX is broken");
    for (int i = 0; status == STATUS_OK && i < sk_PKCS7_num(safes); i++)
        status = add_safe(reader, sk_PKCS7_value(safes, i));
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return status;
}

static enum status check_mac(struct pfx_reader *reader) {
    const ASN1_INTEGER *rounds = NULL;
    if (!PKCS12_mac_present(reader->pfx))
        return STATUS_OK;
    PKCS12_get0_mac(NULL, NULL, NULL, &rounds, reader->pfx);
    if (rounds && !spend(reader, rounds))
        return refuse_work(reader);
    if (PKCS12_verify_mac(reader->pfx, reader->password, 0) != 1)
        return refuse(reader, "the PFX has a password, or is damaged");
    return STATUS_OK;
}

static enum status try_password(struct pfx_reader *reader, const char *password) {
    reader->password = password;
    certificate_parts_done(reader->parts);
    const enum status status = check_mac(reader);
    return status == STATUS_OK ? add_safes(reader) : status;
}

static enum status try_library(struct pfx_reader *reader, OSSL_LIB_CTX *library, struct slice der) {
    const unsigned char *at = (const unsigned char *)der.ptr;
    PKCS12 *pfx = PKCS12_init_ex(NID_pkcs7_data, library, NULL);
    if (!pfx)
        return error_set(&reader->why, STATUS_NO_MEMORY, "no memory left");
    enum status status = STATUS_INVALID;
    reader->pfx = d2i_PKCS12(&pfx, &at, (long)der.len);
    reader->library = library;
    if (!reader->pfx || (const char *)at != der.ptr + der.len)
        status = refuse(reader, "the value is neither PEM nor a PFX in base64");
    else if ((status = try_password(reader, NULL)) != STATUS_OK)
        status = try_password(reader, "");
    PKCS12_free(reader->pfx);
    return status;
}

static enum status try_legacy(struct pfx_reader *reader, struct slice der) {
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *modern = library ? OSSL_PROVIDER_load(library, "default") : NULL;
    OSSL_PROVIDER *legacy = modern ? OSSL_PROVIDER_load(library, "legacy") : NULL;
    enum status status = STATUS_INVALID;
    if (legacy)
        status = try_library(reader, library, der);
    if (legacy)
        OSSL_PROVIDER_unload(legacy);
    if (modern)
        OSSL_PROVIDER_unload(modern);
    OSSL_LIB_CTX_free(library);
    return status;
}

enum status certificate_parts_read_pfx(struct certificate_parts *parts, struct slice der,
                                       struct error *err) {
    struct pfx_reader reader = {.rounds_left = MAX_ROUNDS, .parts = parts};
    if (der.len > INT_MAX)
        return error_set(err, STATUS_LIMIT, "the PFX is too long");
    enum status status = try_library(&reader, NULL, der);
    if (status != STATUS_OK && reader.is_undecrypted)
        status = try_legacy(&reader, der);
    return status == STATUS_OK ? status : error_set(err, status, "%s", reader.why.text);
}
