/*
 * Settings that are logged and passed through, since nothing in the policy depends on them. Finite-field
 * Diffie-Hellman parameters are for ciphers that are never allowed. The security level also sets the minimum key
 * length of certificates, which the policy leaves to the program.
 */
#include "config/override.h"
#include "base/interposed.h"
#include "tls/report.h"
#include "tls/state.h"

static void report_level(int before, int level)
{
    static const char *const names[] = {"0", "1", "2", "3", "4", "5"};
    if (level >= 0 && level < before && level < (int)(sizeof names / sizeof names[0]))
        override_report("security-level", names[level], "for certificates only");
}

PFSWRAP_EXPORT void SSL_CTX_set_security_level(SSL_CTX *context, int level)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return;
    if (!libssl_is_inside(lib, CALLER))
        report_level(lib->SSL_CTX_get_security_level(context), level);
    lib->SSL_CTX_set_security_level(context, level);
}

PFSWRAP_EXPORT void SSL_set_security_level(SSL *ssl, int level)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return;
    if (!libssl_is_inside(lib, CALLER))
        report_level(lib->SSL_get_security_level(ssl), level);
    lib->SSL_set_security_level(ssl, level);
}

PFSWRAP_EXPORT int SSL_CTX_set0_tmp_dh_pkey(SSL_CTX *context, EVP_PKEY *parameters)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL || lib->SSL_CTX_set0_tmp_dh_pkey == NULL)
        return 0;
    if (parameters != NULL && !libssl_is_inside(lib, CALLER))
        report_dh_parameters();
    return lib->SSL_CTX_set0_tmp_dh_pkey(context, parameters);
}

PFSWRAP_EXPORT int SSL_set0_tmp_dh_pkey(SSL *ssl, EVP_PKEY *parameters)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL || lib->SSL_set0_tmp_dh_pkey == NULL)
        return 0;
    if (parameters != NULL && !libssl_is_inside(lib, CALLER))
        report_dh_parameters();
    return lib->SSL_set0_tmp_dh_pkey(ssl, parameters);
}

PFSWRAP_EXPORT void SSL_CTX_set_tmp_dh_callback(SSL_CTX *context, DH *(*callback)(SSL *ssl, int export, int bits))
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return;
    if (callback != NULL)
        report_dh_parameters();
    lib->SSL_CTX_set_tmp_dh_callback(context, callback);
}

PFSWRAP_EXPORT void SSL_set_tmp_dh_callback(SSL *ssl, DH *(*callback)(SSL *ssl, int export, int bits))
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return;
    if (callback != NULL)
        report_dh_parameters();
    lib->SSL_set_tmp_dh_callback(ssl, callback);
}
