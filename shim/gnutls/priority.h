/*
 * The interposed calls that set priorities, and the priorities of sessions whose program sets none.
 */
#ifndef PFSWRAP_GNUTLS_PRIORITY_H
#define PFSWRAP_GNUTLS_PRIORITY_H

#include "gnutls/library.h"

/* The library's default, restricted to the policy. It is created once and stays valid. NULL: this is impossible. */
gnutls_priority_t priority_default(const struct gnutls *lib, bool is_datagram);

#endif
