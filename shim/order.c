/*
 * The order in which modules are notified of what other modules below them do. A lower module declares its
 * observers and calls them; it does not know who they are. These arrays say so, in one place, and are read-only
 * from the start.
 */
#include <stddef.h>

#include "base/fork.h"
#include "fd/own.h"
#include "inspect/inspect.h"
#include "socket/linger.h"
#include "tls/libssl.h"
#include "transfer/share.h"

/*
 * In a child of a fork the shim's own descriptors come first, since audit events may be written from then on.
 * Sealed connections come before inspected ones: a descriptor that turns out to be sealed is not inspected.
 */
const struct process_observer *const process_observers[] = {
    &own_process_observer,     &libssl_owner_process_observer, &share_process_observer,
    &inspect_process_observer, &linger_process_observer,       NULL,
};
