/*
 * Key exchange groups: the policy's, in its order, are given to each new context; lists that a program sets later
 * lose what the policy does not have. libssl has no getter for a connection's own groups, so this happens when they
 * are set; the security callback refuses what comes another way.
 */
#ifndef PFSWRAP_TLS_GROUPS_H
#define PFSWRAP_TLS_GROUPS_H

#include "tls/state.h"
#include "tls/target.h"

/* Gives the target the policy's groups. Returns NULL, or why it cannot be done. */
const char *tls_groups_begin(const struct tls_target *target);

/* Whether an SSL_ctrl() or SSL_CTX_ctrl() command sets groups. */
bool tls_groups_concerns(int command);

/* Makes such a call, then takes away what the policy does not allow. Returns what the library returned. */
long tls_groups_set(const struct tls_target *target, int command, long value, void *pointer);

/*
 * The part of `list` (as SSL_CTX_set1_groups_list(3) takes it) that the policy allows, into `kept` (`size` bytes);
 * the policy's own groups if there is none. Returns whether anything had to go; false leaves `kept` undefined. A
 * list with a name that is in no registry is left for the library to judge (false).
 */
bool tls_groups_keep_allowed(const struct libssl *lib, const char *list, char *kept, size_t size);

/* Whether `group`, an IANA number, may be used under the policy. */
bool tls_group_is_allowed(uint16_t group);

/* The IANA number of a group that the library names by its NID, or by the number itself where it has no NID. */
uint16_t tls_group_of_nid(int nid);

#endif
