/*
 * The order in which modules are notified of what other modules do. A lower module declares an array of observers,
 * and calls them without knowing them; this file fills in the arrays. They are constant, and read-only after
 * relocation. No other way leads upward (docs/ARCHITECTURE.md).
 */
#include <stddef.h>

#include "audit/chain.h"
#include "audit/handshake_reporter.h"
#include "base/fork.h"
#include "base/workspace.h"
#include "config/agent.h"
#include "config/snapshot.h"
#include "connection/endpoint.h"
#include "counters/counters.h"
#include "fd/linger.h"
#include "fd/own.h"
#include "fd/plane.h"
#include "fd/program_socket.h"
#include "gnutls/library.h"
#include "inspect/inspect.h"
#include "readiness/registration.h"
#include "reload/watch.h"
#include "sealed/sealed.h"
#include "tls/libssl.h"
#include "transfer/relay_name.h"
#include "transfer/share.h"

/*
 * The planes, in the order in which they are asked (fd/plane.h). A new plane is one line here. Sealed connections
 * come first: that plane takes numbers over, and a descriptor that turns out to be sealed is not inspected.
 */
const struct plane *const planes[] = {
    &sealed_plane,
    &inspect_plane,
    NULL,
};
_Static_assert(sizeof planes / sizeof planes[0] <= 1 + 4, "a word of the table names one of four planes");

/*
 * In a child of a fork workspaces, counters, the log's chain and the shim's own descriptors come first, since audit
 * events may be written from then on.
 */
const struct process_observer *const process_observers[] = {
    &workspace_process_observer, &counters_process_observer, &chain_process_observer,
    &own_process_observer,       &agent_process_observer,    &planes_process_observer,
    &linger_process_observer,    &watch_process_observer,    NULL,
};

/* A new policy is about to replace the one in force. */
const struct snapshot_observer *const snapshot_observers[] = {&inspect_snapshot_observer, NULL};

/* epoll first: it needs the connection's numbers as they were. */
const struct endpoint_observer *const endpoint_observers[] = {&registration_endpoint_observer,
                                                              &share_endpoint_observer, NULL};

/* Unix sockets that stand for TCP connections. */
const struct address_resolver *const address_resolvers[] = {&relay_address_resolver, NULL};

/* Which module reports the handshakes of which TLS library. */
const struct handshake_reporter *const handshake_reporters[] = {&libssl_reporter, &gnutls_reporter, NULL};
