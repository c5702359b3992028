/* OpenSSL's texts are for those who know OpenSSL; these say what to look at. */
#include "proxy/tls_problem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stddef.h>

struct row {
    long code;
    const char *text;
};

#define UNKNOWN_ISSUER "the upstream's certificate is issued by an authority that is not trusted"
#define OTHER_HOST "the upstream's certificate is for another host"
#define NOT_TLS "the upstream does not speak TLS on this port"
#define NOTHING_IN_COMMON "the upstream and barkeep have no TLS version or cipher in common"
#define CUT "the upstream cut the TLS connection"

static const struct row verify_rows[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "the upstream's certificate has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "the upstream's certificate is not valid yet"},
    {X509_V_ERR_HOSTNAME_MISMATCH, OTHER_HOST},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, OTHER_HOST},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "the upstream's certificate is self-signed"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, UNKNOWN_ISSUER},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, UNKNOWN_ISSUER},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, UNKNOWN_ISSUER},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, UNKNOWN_ISSUER},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "the signature of the upstream's certificate is wrong"},
    {X509_V_ERR_INVALID_PURPOSE, "the upstream's certificate is not for servers"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, "the upstream's key is too weak"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, "the key of the upstream's authority is too weak"},
    {X509_V_ERR_CA_MD_TOO_WEAK, "the upstream's certificate is signed with a weak hash"},
};

static const struct row reason_rows[] = {
    {SSL_R_WRONG_VERSION_NUMBER, NOT_TLS},
    {SSL_R_HTTP_REQUEST, NOT_TLS},
    {SSL_R_HTTPS_PROXY_REQUEST, NOT_TLS},
    {SSL_R_UNSUPPORTED_PROTOCOL, NOTHING_IN_COMMON},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, NOTHING_IN_COMMON},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
     "the upstream refused the handshake: it accepts none of what was offered, or wants a client "
     "certificate"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "the upstream wants a client certificate"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the upstream refused the client certificate"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, "the upstream refused the client certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "the upstream refused the client certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the upstream says the client certificate has expired"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the upstream refused the client certificate"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA,
     "the upstream does not trust the authority of the client certificate"},
    {SSL_R_TLSV1_UNRECOGNIZED_NAME, "the upstream does not serve this host name"},
    {SSL_R_UNEXPECTED_EOF_WHILE_READING, CUT},
};

static const char *find(const struct row *rows, size_t count, long code) {
    for (size_t i = 0; i < count; i++) {
        if (rows[i].code == code) {
            return rows[i].text;
        }
    }
    return NULL;
}

bool tls_problem_is_alert(unsigned long queued) {
    return ERR_GET_REASON(queued) >= SSL_AD_REASON_OFFSET;
}

bool tls_problem_is_http(unsigned long queued) {
    int reason = ERR_GET_REASON(queued);
    return reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST;
}

const char *tls_problem_text(unsigned long queued, long verify_result) {
    int reason = ERR_GET_REASON(queued);
    const char *text = NULL;
    if (queued == 0) {
        return CUT;
    }
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        text = find(verify_rows, sizeof verify_rows / sizeof *verify_rows, verify_result);
        return text ? text : "the upstream's certificate is not acceptable";
    }
    text = find(reason_rows, sizeof reason_rows / sizeof *reason_rows, reason);
    if (!text && tls_problem_is_alert(queued)) {
        text = "the upstream refused the TLS connection";
    }
    return text ? text : "the TLS connection to the upstream failed";
}
