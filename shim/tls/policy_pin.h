/*
 * The policy that this thread's call into libssl goes by. A connection goes by one policy from the moment at which
 * its settings are enforced until its handshake is verified, also if a reload replaces the policy meanwhile.
 * Settings of contexts go by the newest one. Policies are never freed (config/snapshot.h).
 */
#ifndef PFSWRAP_TLS_POLICY_PIN_H
#define PFSWRAP_TLS_POLICY_PIN_H

#include <stddef.h>

#include "config/init.h"

extern __thread const struct policy *tls_policy_pinned __attribute__((tls_model("initial-exec")));

/* The pinned policy, else the newest one. */
static inline const struct policy *tls_policy(void)
{
    return tls_policy_pinned != NULL ? tls_policy_pinned : pfswrap_policy();
}

/* Pins a policy; NULL: none. Returns the one that was pinned before. */
static inline const struct policy *tls_policy_pin(const struct policy *policy)
{
    const struct policy *before = tls_policy_pinned;
    tls_policy_pinned = policy;
    return before;
}

#endif
