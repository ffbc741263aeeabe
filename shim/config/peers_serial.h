/*
 * The serial number of a signed peers file only goes up. A process remembers the last one, and so do its children
 * of a fork. `peers-state` names a file that keeps it for programs that start later.
 */
#ifndef PFSWRAP_CONFIG_PEERS_SERIAL_H
#define PFSWRAP_CONFIG_PEERS_SERIAL_H

#include "policy/policy.h"
#include "seal/signed_peers.h"

/*
 * Whether this version may be used: it is not older than one that this process had or that the state file has, and
 * no other content had its number. Reads only. Returns 0, or -1 with *error filled.
 */
int peers_serial_check(const struct policy *policy, const struct signed_peers *version, struct policy_error *error);

/*
 * The same, and the version is the last one from now on, here and in the state file. Returns 0, or -1 with *error
 * filled: an older version is refused, and so is a newer one that cannot be written down. One thread at a time.
 */
int peers_serial_keep(const struct policy *policy, const struct signed_peers *version, struct policy_error *error);

#endif
