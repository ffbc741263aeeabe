/*
 * Modules that report the handshakes of a TLS library. The inspection of connections sees the same handshakes as
 * bytes, and asks here so that it does not report them a second time.
 */
#ifndef PFSWRAP_AUDIT_HANDSHAKE_REPORTER_H
#define PFSWRAP_AUDIT_HANDSHAKE_REPORTER_H

#include <stdbool.h>
#include <stddef.h>

struct handshake_reporter {
    /* Whether `caller`, an address in code, lies in a library whose handshakes the module reports. */
    bool (*covers)(const void *caller);
};

/* All reporters, with a NULL pointer at the end (shim/order.c). */
extern const struct handshake_reporter *const handshake_reporters[];

/* Whether one of them covers `caller`; false for NULL. */
static inline bool handshake_is_reported(const void *caller)
{
    bool is_covered = false;
    for (const struct handshake_reporter *const *reporter = handshake_reporters;
         caller != NULL && *reporter != NULL && !is_covered; reporter++)
        is_covered = (*reporter)->covers(caller);
    return is_covered;
}

#endif
