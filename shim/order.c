/*
 * Who is called when something happens, and in which order. A module below declares the array, this file fills it
 * in, and nothing else leads upward. The arrays are constant and read-only after relocation.
 */
#include <stddef.h>

#include "audit/handshake_reporter.h"
#include "base/process.h"
#include "config/init.h"
#include "connection/endpoint.h"
#include "connection/endpoint_word.h"
#include "fd/program_socket.h"
#include "gnutls/library.h"
#include "inspect/inspect.h"
#include "readiness/registration.h"
#include "socket/sealed_operations.h"
#include "tls/libssl.h"
#include "transfer/relay_address.h"
#include "transfer/share.h"

/* A child of a fork that nothing announced: connections first, since everything else may use them. */
const struct process_observer *const process_observers[] = {&share_process_observer, NULL};

/* The policy is loaded, and a rule seals. */
const struct config_observer *const config_observers[] = {&share_config_observer, NULL};

/* A number changed its kind without its old owner knowing. Each observer looks at words of its own kind only. */
const struct fd_observer *const fd_observers[] = {&endpoint_fd_observer, &inspect_fd_observer, NULL};

/* epoll first: it needs the connection's numbers as they were. */
const struct endpoint_observer *const endpoint_observers[] = {&registration_endpoint_observer,
                                                              &share_endpoint_observer, NULL};

/* What each kind of descriptor does. */
const struct fd_operations *const fd_operations[FD_KINDS] = {
    [FD_KIND_SEALED] = &sealed_operations,
    [FD_KIND_INSPECTED] = &inspect_operations,
};

/* Unix sockets that stand for TCP connections. */
const struct address_resolver *const address_resolvers[] = {&relay_address_resolver, NULL};

/* Which module reports the handshakes of which TLS library. */
const struct handshake_reporter *const handshake_reporters[] = {&libssl_reporter, &gnutls_reporter, NULL};
