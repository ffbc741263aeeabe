/*
 * The wire plane on sockets: TCP connections that are not sealed are inspected from their first byte until the
 * reader (wire/wire.h) has a verdict. Nothing is delayed or changed. A connection that the policy refuses is cut:
 * from then on its calls fail with ECONNRESET. A plane (fd/plane.h), with a
 * record of each connection. Runs in signal handlers, too.
 */
#ifndef PFSWRAP_INSPECT_INSPECT_H
#define PFSWRAP_INSPECT_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config/snapshot.h"
#include "fd/change.h"
#include "fd/plane.h"
#include "policy/policy.h"

/* Reads the policy's settings. Once, before main(). */
void inspect_start(const struct policy *policy);

/* Whether the policy has any setting for this module. If not, no other function here has to be called. */
bool inspect_is_wanted(void);

/* Whether the policy may refuse a connection here. Then no bytes may be moved by calls that are not interposed. */
bool inspect_enforces(void);

/*
 * `fd` has been connected, or will be, to `address`; `fd` has been accepted from `listener` (-1: not known). Both
 * keep errno. False: the connection must be inspected, and cannot be. It has been cut, and the call that made it
 * must fail.
 */
bool inspect_connected(int fd, const struct sockaddr *address, socklen_t length);
bool inspect_accepted(int fd, int listener);

/*
 * A connection that another process has made is inspected if no byte has passed on it yet. inspect_inherited(): the
 * process was started with `fd`; called before main(). If plaintext is refused, and `fd` is 0, 1 or 2, it waits for
 * the client's first byte. inspect_received_descriptor(): `fd` came in a message.
 */
void inspect_inherited(int fd);
void inspect_received_descriptor(int fd);

/* The foreign number `copy` is a duplicate of `fd`, which may be inspected. Keeps errno. */
void inspect_copied(int fd, int copy);

/*
 * The same for a number that dup2(2) is replacing. Returns the bits for its word in the table (fd/table.h); 0: `fd`
 * is not inspected. The caller stores them, or passes them to fd_dropped().
 */
uint64_t inspect_share(int fd);

/*
 * Whether `fd` is inspected, and its record is of the socket that it is now. A record of another socket is removed:
 * that socket was closed without an interposed call (fclose(3)), and the kernel has given the number out again. To
 * be asked before the record is passed on, or makes another record unnecessary. In a sandbox the record counts as
 * right. Keeps errno.
 */
bool inspect_is_current(int fd);

/* The number is no longer inspected. Keeps errno. */
void inspect_end(int fd);

/*
 * To be called before a system call filter is installed (seccomp(2)). Plaintext that the policy allows is no longer
 * inspected. For other connections the inspection makes no more system calls, since the filter might end the
 * process for one: a connection is cut without shutdown(2), its event has no addresses, and connections that begin
 * later are not inspected.
 */
void inspect_before_sandbox(void);

/*
 * To be called before stdio gets a stream on `fd`: its bytes pass no interposed call. Where plaintext is refused,
 * the connection is cut. Returns 0, or -1 with ECONNRESET. `caller`: a return address in the program, or NULL.
 */
int inspect_before_stream(int fd, const void *caller);

/* The number no longer has its record (struct plane, `dropped`). */
void inspect_dropped(int fd, uint64_t word);

/* For shim/order.c. */
extern const struct process_observer inspect_process_observer; /* in a child of a fork: unlocks the records */
extern const struct plane inspect_plane;
extern const struct snapshot_observer inspect_snapshot_observer; /* a reload: settings for new connections */

#endif
