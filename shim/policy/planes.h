/*
 * Which planes this build contains. A policy that asks for a plane that is absent is refused by policy_supported(),
 * so that no file is accepted and then ignored. Whoever adds a plane turns its line to 1, and only then.
 */
#ifndef PFSWRAP_POLICY_PLANES_H
#define PFSWRAP_POLICY_PLANES_H

enum {
    POLICY_HAS_WIRE_PLANE = 1, /* [wire], and plaintext = in rules */
    POLICY_HAS_SEAL_PLANE = 1, /* seal = require and prefer */
};

#endif
