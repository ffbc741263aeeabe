/*
 * The keys that the rules of a policy need. The files that [seal] names are loaded into one keyring, and each rule
 * that seals gets the settings of its channels. The tools use this file as well, to report what is wrong with the
 * keys before a program starts.
 */
#ifndef PFSWRAP_CONFIG_KEYS_H
#define PFSWRAP_CONFIG_KEYS_H

#include <stdbool.h>

#include <pfswrap/seal.h>

#include "policy/policy.h"

/*
 * Loads identities, preshared keys and peers if a rule of `policy` seals, else does nothing. Called once, before
 * there are threads, and before the process changes its user or its root directory: the files must belong to its
 * user or to root. `policy` must stay where it is.
 *
 * Returns 0, or -1 with *error filled: a file cannot be read, can be read or written by others, or contains no key;
 * a rule has a name that is not in the peers file; or there is no memory. A peer whose keys have all expired is not
 * an error, because the date is compared for each connection.
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

/*
 * The same once more, while the process runs: new keys for `policy`, which stay beside those that are in use. They
 * are made even if no rule seals. NULL with *error filled.
 */
struct keys;
const struct keys *keys_make(const struct policy *policy, struct policy_error *error);

/* Wipes and unmaps them; NULL is ignored. Nothing may use them any more. Makes system calls only. */
void keys_free(const struct keys *keys);

/* Whether both are for the same policy, and the files had the same content. */
bool keys_are_equal(const struct keys *one, const struct keys *other);

/* The keys of keys_load() or keys_load_child(); NULL if no rule seals. */
const struct keys *keys_first(void);

/* The settings for the channels of the rule with this index in the keys' policy. */
const struct pfswrap_seal_config *keys_config_in(const struct keys *keys, size_t index);

/* Whether a rule seals, so that keys were loaded or withheld. */
bool keys_in_use(void);

/* What the signature of the peers file says; `serial` is 0 if it has none. And the serial number; 0 without `keys`.
 */
struct signed_peers;
const struct signed_peers *keys_signed_peers(const struct keys *keys);
uint64_t keys_peers_serial(const struct keys *keys);

/*
 * The keys are about to be in force: from now on, the serial number of their peers file only goes up. Returns 0, or
 * -1 with *error filled: an older file, or a state file that cannot be written. NULL is nothing to do.
 */
int keys_keep_serial(const struct keys *keys, struct policy_error *error);

/* What the policy says for this key of the keyring: a path, or agent:NAME, which may have several keys. */
const char *keys_identity_name(const struct keys *keys, size_t index);
const char *keys_psk_name(const struct keys *keys, size_t index);

/* The keyring; NULL if `keys` is NULL. */
const struct pfswrap_keyring *keys_keyring(const struct keys *keys);

/*
 * The settings for the channels of `rule`, which must be a rule of the policy of keys_load() that seals. For
 * processes that read their files once. They are in read-only memory.
 */
const struct pfswrap_seal_config *keys_config(const struct policy_rule *rule);

#endif
