/*
 * Key exchange groups: each new context gets the policy's, in the policy's order, and a list that a program sets
 * later is judged by the library and then replaced by them. libssl has no getter for a connection's own groups, so
 * this happens when they are set; the security callback refuses what comes another way.
 */
#ifndef PFSWRAP_TLS_GROUPS_H
#define PFSWRAP_TLS_GROUPS_H

#include "tls/state.h"
#include "tls/target.h"

/* Gives the target the policy's groups. Returns NULL, or why it cannot be done. */
const char *tls_groups_begin(const struct tls_target *target);

/* Whether an SSL_ctrl() or SSL_CTX_ctrl() command sets groups. */
bool tls_groups_concerns(int command);

/* Makes such a call, then gives the target the policy's groups again. Returns what the library returned. */
long tls_groups_set(const struct tls_target *target, int command, long value, void *pointer);

/* Whether `group`, an IANA number, may be used under the policy. */
bool tls_group_is_allowed(uint16_t group);

/* The IANA number of a group that the library names by its NID, or by the number itself where it has no NID. */
uint16_t tls_group_of_nid(int nid);

#endif
