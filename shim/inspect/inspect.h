/*
 * The wire plane on sockets: TCP connections that are not sealed are inspected from their beginning until the
 * reader (wire/wire.h) has a verdict, and not a byte longer. Nothing is delayed or changed; a connection the policy
 * refuses is cut, and its calls fail with ECONNRESET from then on. Interposed calls ask inspect_is_on(), one load.
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

#include "connection/endpoint.h"
#include "policy/policy.h"

enum { INSPECT_FDS = 1 << 20 }; /* connections with higher numbers are refused, if anything is */

/* 0: not inspected; else the record's index + 1. */
extern _Atomic uint32_t inspect_table[INSPECT_FDS];

/* Whether there is a record for the number. */
static inline bool inspect_is_recorded(int fd)
{
    return (unsigned)fd < INSPECT_FDS &&
           __builtin_expect(atomic_load_explicit(&inspect_table[fd], memory_order_relaxed) != 0, false);
}

/*
 * Whether calls on `fd` are looked at. Never for a sealed one, whatever is recorded: a program may connect a socket
 * again, this time to an address that a rule seals, in another thread even.
 */
static inline bool inspect_is_on(int fd)
{
    return inspect_is_recorded(fd) && !endpoint_is_sealed(fd);
}

/* The records are copied by a fork; their locks are nobody's then. */
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

/* `copy` is another number for `fd`; `fd` is closed or replaced; so is each number in a range. Keep errno. */
void inspect_copied(int fd, int copy);
void inspect_end(int fd);
void inspect_end_range(unsigned first, unsigned last);

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

/* In an interposed function. */
#define INSPECT_CALLER __builtin_return_address(0)

/* The body of a call that sends `count` vectors, if `fd` is inspected; falls through if not. */
#define INSPECT_SEND_(fd, vectors, vector_count, real_call)                                                        \
    if (inspect_is_on(fd)) {                                                                                       \
        uint32_t generation_;                                                                                      \
        if (inspect_before_send(fd, vectors, vector_count, INSPECT_CALLER, &generation_) != 0)                     \
            return -1;                                                                                             \
        ssize_t sent_ = real_libc()->real_call;                                                                    \
        inspect_sent(fd, vectors, vector_count, sent_, generation_);                                               \
        return sent_;                                                                                              \
    }

/* The same for one that receives. */
#define INSPECT_RECEIVE_(fd, vectors, vector_count, flags, real_call)                                              \
    if (inspect_is_on(fd))                                                                                         \
        return inspect_received(fd, vectors, vector_count, real_libc()->real_call, flags, INSPECT_CALLER);

/* One buffer as a vector, in the place of the two vector arguments. */
#define INSPECT_ONE(bytes, size) (&(struct iovec){.iov_base = (void *)(uintptr_t)(bytes), .iov_len = (size)}), 1
#define INSPECT_SEND(...) INSPECT_SEND_(__VA_ARGS__)
#define INSPECT_RECEIVE(...) INSPECT_RECEIVE_(__VA_ARGS__)

#endif
