/*
 * The keys that a policy's rules need: loaded from the files [seal] names into one keyring, with what each sealing
 * rule asks of its channels. Knows the policy and the seal library, no socket; interposes nothing, so that the
 * tools can say before a program starts what it would refuse then.
 */
#ifndef PFSWRAP_KEYS_IN_FORCE_H
#define PFSWRAP_KEYS_IN_FORCE_H

#include <stdbool.h>

#include <pfswrap/seal.h>

#include "policy/policy.h"

/*
 * Loads identities, psks and peers if any rule of `policy` seals, and does nothing otherwise. Call once, before
 * there are threads and before the process gives up a user, a root directory or privileges: files must be its own
 * or root's. `policy` must stay where it is. Returns 0, or -1 with *error filled: a file that cannot be read, that
 * others may read or change, or that holds no key; a name in a rule that no line of the peers file has; no memory.
 * A peer whose keys have all expired is no error here: each connection asks for the day it is made.
 */
int keys_load(const struct policy *policy, struct policy_error *error);

/*
 * The same for a process that a protected one has executed, perhaps after it had given up its user. If this user
 * may not read one of the files, the process gets no keys at all, and this returns KEYS_WITHHELD with *error saying
 * which file it was. From then on connections that a rule seals are refused (pfswrap_seal_init() returns
 * E_NO_IDENTITY for each), and connections that the process has inherited go on. Every other problem is an error,
 * as in keys_load().
 */
enum { KEYS_WITHHELD = 1 };
int keys_load_child(const struct policy *policy, struct policy_error *error);

/* Whether a rule seals. Without one, no key is loaded and nothing about sealing may cost anything. */
bool keys_in_use(void);

/*
 * What holds for the channels of `rule`: one of the loaded policy's rules, with seal != off. Read-only, valid for
 * the life of the process, usable from any thread and in a forked child.
 */
const struct pfswrap_seal_config *keys_config(const struct policy_rule *rule);

#endif
