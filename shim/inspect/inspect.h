/*
 * The wire plane on sockets: TCP connections that are not sealed are inspected from their beginning until the
 * reader (wire/wire.h) has a verdict, and not a byte longer. Nothing is delayed or changed; a connection the policy
 * refuses is cut, and its calls fail with ECONNRESET from then on. Interposed calls ask fd_is_inspected(), one
 * load.
 */
#ifndef PFSWRAP_INSPECT_INSPECT_H
#define PFSWRAP_INSPECT_INSPECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "fd/change.h"
#include "fd/operations.h"
#include "policy/policy.h"

/* In a child of a fork: locks that threads of the parent held are free. */
extern const struct process_observer inspect_process_observer;

/* Once, before main(): what the policy asks for. */
void inspect_start(const struct policy *policy);

/* Whether the policy asks for anything here: else no call below does. */
bool inspect_is_wanted(void);

/* Whether it may refuse a connection, so that none may go where it is not seen. */
bool inspect_enforces(void);

/* `fd` has been connected, or is about to be, to `address`; or has been accepted. Keep errno. */
void inspect_connected(int fd, const struct sockaddr *address, socklen_t length);
void inspect_accepted(int fd);

/*
 * `fd` was there when the process started, before main(): a connection on which nothing has passed is inspected. At
 * 0, 1 and 2 the start waits for the client's first byte where plaintext is refused. Or it has come in a message.
 */
void inspect_inherited(int fd);
void inspect_received_descriptor(int fd);

/*
 * `copy`, a foreign number, is another number for `fd`, which may be inspected. Keeps errno.
 */
void inspect_copied(int fd, int copy);

/*
 * The same for a number that dup2(2) is replacing: what its word (fd/table.h) needs to say so, 0 where `fd` is not
 * inspected. The caller stores that word, or hands it to fd_dropped().
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

/* For shim/order.c: a number that was inspected has changed its kind. */
extern const struct fd_observer inspect_fd_observer;

/*
 * Before a system call filter goes up: plaintext that the policy lets through is no longer inspected. What still is
 * makes no system call of its own any more, since the filter may end the process for one: a connection is cut
 * without being shut down, its event has no addresses, and connections that begin behind the filter are not
 * inspected.
 */
void inspect_before_sandbox(void);

/*
 * Before bytes are sent: 0, and *generation for inspect_sent(); or -1 with errno ECONNRESET, and the connection is
 * cut. Afterwards: what the call returned. `caller` is an address in whoever sends.
 */
int inspect_before_send(int fd, const struct iovec *vectors, size_t count, const void *caller,
                        uint32_t *generation);
void inspect_sent(int fd, const struct iovec *vectors, size_t count, ssize_t sent, uint32_t generation);

/* After bytes were received, `got` of them: what the program is to be told, which is -1 and ECONNRESET if it is
 * cut. */
ssize_t inspect_received(int fd, const struct iovec *vectors, size_t count, ssize_t got, int flags,
                         const void *caller);

/*
 * Before a call that moves bytes nobody here sees: 0 for one that sends a file's (they are no hello), or -1 with
 * ECONNRESET. inspect_before_stream(): before a stream of stdio's is made of it, whose first byte would be
 * plaintext: only where that is refused at once. inspect_refuses_unseen(): whether a call that moves a pipe's, or
 * bytes at a time of its own, has to be refused.
 */
int inspect_before_file(int fd, const void *caller);
int inspect_before_stream(int fd, const void *caller);
bool inspect_refuses_unseen(int fd);

/* For shim/order.c. */
extern const struct fd_operations inspect_operations;

#endif
