/*
 * Key exchange groups. Each new context gets the policy's groups, in the policy's order. From lists that a program
 * sets later, the other groups are removed. This happens when the list is set, since libssl has no getter for a
 * connection's groups. The security callback refuses groups that were set in another way.
 */
#ifndef PFSWRAP_TLS_GROUPS_H
#define PFSWRAP_TLS_GROUPS_H

#include "tls/state.h"
#include "tls/target.h"

/* Sets the policy's groups. Returns NULL, or why this is impossible. */
const char *tls_groups_begin(const struct tls_target *target);

/* Whether an SSL_ctrl() or SSL_CTX_ctrl() command sets groups. */
bool tls_groups_concerns(int command);

/* Makes such a call, then removes the groups that the policy does not allow. Returns what libssl returned. */
long tls_groups_set(const struct tls_target *target, int command, long value, void *pointer);

/*
 * Copies the groups of `list` (SSL_CTX_set1_groups_list(3)) that the policy allows to `kept` (`size` bytes); if
 * there are none, the policy's groups that the library knows, which may be an empty string before the first
 * context. Returns whether a group was removed; otherwise `kept` is undefined. Also returns false for a list with a
 * name that is not in IANA's registry: libssl decides about it.
 */
bool tls_groups_keep_allowed(const struct libssl *lib, const char *list, char *kept, size_t size);

/* Whether the policy allows `group`, an IANA number. */
bool tls_group_is_allowed(uint16_t group);

/*
 * The IANA number of a group, given as libssl's NID. For a group without a NID, libssl uses a marked IANA number.
 */
uint16_t tls_group_of_nid(int nid);

#endif
