/*
 * A context or a connection, as the target of a control call. Both take the same commands for the same settings.
 */
#ifndef PFSWRAP_TLS_TARGET_H
#define PFSWRAP_TLS_TARGET_H

#include "tls/libssl.h"

struct tls_target {
    struct libssl *lib;
    SSL_CTX *context;
    SSL *ssl; /* NULL: the target is the context */
};

static inline long tls_target_ctrl(const struct tls_target *target, int command, long value, void *pointer)
{
    return target->ssl != NULL ? target->lib->SSL_ctrl(target->ssl, command, value, pointer)
                               : target->lib->SSL_CTX_ctrl(target->context, command, value, pointer);
}

#endif
