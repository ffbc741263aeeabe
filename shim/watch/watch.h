/*
 * The wire plane on sockets: TCP connections that are not sealed are watched from their beginning until the reader
 * (wire/wire.h) has a verdict, and not a byte longer. Nothing is delayed or changed; a connection the policy
 * refuses is cut, and its calls fail with ECONNRESET from then on. Interposed calls ask watch_is_on(), one load.
 */
#ifndef PFSWRAP_WATCH_WATCH_H
#define PFSWRAP_WATCH_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "connection/endpoint.h"
#include "policy/policy.h"

enum { WATCH_FDS = 1 << 20 }; /* connections with higher numbers are refused, if anything is */

/* 0: not watched; else the record's index + 1. */
extern _Atomic uint32_t watch_table[WATCH_FDS];

/* Whether there is a record for the number. */
static inline bool watch_is_recorded(int fd)
{
    return (unsigned)fd < WATCH_FDS &&
           __builtin_expect(atomic_load_explicit(&watch_table[fd], memory_order_relaxed) != 0, false);
}

/*
 * Whether calls on `fd` are looked at. Never for a sealed one, whatever is recorded: a program may connect a socket
 * again, this time to an address that a rule seals, in another thread even.
 */
static inline bool watch_is_on(int fd)
{
    return watch_is_recorded(fd) && !endpoint_is_sealed(fd);
}

/* Once, before main(): what the policy asks for. */
void watch_start(const struct policy *policy);

/* Whether the policy asks for anything here: else no call below does. */
bool watch_is_wanted(void);

/* Whether it may refuse a connection, so that none may go where it is not seen. */
bool watch_enforces(void);

/* `fd` has been connected, or is about to be, to `address`; or has been accepted. Keep errno. */
void watch_connected(int fd, const struct sockaddr *address, socklen_t length);
void watch_accepted(int fd);

/*
 * `fd` was there when the process started, before main(): a connection on which nothing has passed is watched. At
 * 0, 1 and 2 the start waits for the client's first byte where plaintext is refused. Or it has come in a message.
 */
void watch_inherited(int fd);
void watch_received_descriptor(int fd);

/* `copy` is another number for `fd`; `fd` is closed or replaced; so is each number in a range. Keep errno. */
void watch_copied(int fd, int copy);
void watch_end(int fd);
void watch_end_range(unsigned first, unsigned last);

/*
 * Before a system call filter goes up: plaintext that the policy lets through is no longer watched. What still is
 * makes no system call of its own any more, since the filter may end the process for one: a connection is cut
 * without being shut down, its event has no addresses, and connections that begin behind the filter are not
 * watched.
 */
void watch_before_sandbox(void);

/* Whether this is a child of vfork(), where the policy wants anything watched. */
bool watch_is_vfork_child(void);

/*
 * Before bytes are sent: 0, and *turn for watch_sent(); or -1 with errno ECONNRESET, and the connection is cut.
 * Afterwards: what the call returned. `caller` is an address in whoever sends.
 */
int watch_before_send(int fd, const struct iovec *vectors, size_t count, const void *caller, uint32_t *turn);
void watch_sent(int fd, const struct iovec *vectors, size_t count, ssize_t sent, uint32_t turn);

/* After bytes were received, `got` of them: what the program is to be told, which is -1 and ECONNRESET if it is
 * cut. */
ssize_t watch_received(int fd, const struct iovec *vectors, size_t count, ssize_t got, int flags,
                       const void *caller);

/*
 * Before a call that moves bytes nobody here sees: 0 for one that sends a file's (they are no hello), or -1 with
 * ECONNRESET. watch_before_stream(): before a stream of stdio's is made of it, whose first byte would be plaintext:
 * only where that is refused at once. watch_refuses_unseen(): whether a call that moves a pipe's, or bytes at a
 * time of its own, has to be refused.
 */
int watch_before_file(int fd, const void *caller);
int watch_before_stream(int fd, const void *caller);
bool watch_refuses_unseen(int fd);

/* In an interposed function. */
#define WATCH_CALLER __builtin_return_address(0)

/* The body of a call that sends `count` vectors, if `fd` is watched; falls through if not. */
#define WATCH_SEND_(fd, vectors, vector_count, real_call)                                                          \
    if (watch_is_on(fd)) {                                                                                         \
        uint32_t turn_;                                                                                            \
        if (watch_before_send(fd, vectors, vector_count, WATCH_CALLER, &turn_) != 0)                               \
            return -1;                                                                                             \
        ssize_t sent_ = real_libc()->real_call;                                                                    \
        watch_sent(fd, vectors, vector_count, sent_, turn_);                                                       \
        return sent_;                                                                                              \
    }

/* The same for one that receives. */
#define WATCH_RECEIVE_(fd, vectors, vector_count, flags, real_call)                                                \
    if (watch_is_on(fd))                                                                                           \
        return watch_received(fd, vectors, vector_count, real_libc()->real_call, flags, WATCH_CALLER);

/* One buffer as a vector, in the place of the two vector arguments. */
#define WATCH_ONE(bytes, size) (&(struct iovec){.iov_base = (void *)(uintptr_t)(bytes), .iov_len = (size)}), 1
#define WATCH_SEND(...) WATCH_SEND_(__VA_ARGS__)
#define WATCH_RECEIVE(...) WATCH_RECEIVE_(__VA_ARGS__)

#endif
