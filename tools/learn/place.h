/*
 * Addresses of a log, as strictly as a rule needs them.
 */
#ifndef PFSWRAP_TOOLS_LEARN_PLACE_H
#define PFSWRAP_TOOLS_LEARN_PLACE_H

#include "policy/policy.h"

enum place {
    PLACE_OPEN,    /* *address is the place: one address and one port */
    PLACE_SEALED,  /* a rule of the policy seals there */
    PLACE_ALLOWED, /* the policy lets it pass as it is */
    PLACE_UNKNOWN, /* the text is no address of one machine with a port */
};

/* Reads ADDRESS:PORT or [IPV6]:PORT, and asks the policy about plaintext there, which may change to TLS later. */
enum place place_find(const struct policy *policy, enum policy_direction direction, const char *text,
                      bool becomes_tls, struct policy_address *address);

#endif
