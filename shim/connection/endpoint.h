/*
 * Endpoints: this process's view of its sealed connections. An endpoint says which descriptor numbers a connection
 * has here, and where the program has registered it with epoll. Endpoints are private to the process; the
 * connections themselves may be in shared memory. The table of descriptors (fd/table.h) leads from a number to its
 * endpoint.
 */
#ifndef PFSWRAP_CONNECTION_ENDPOINT_H
#define PFSWRAP_CONNECTION_ENDPOINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "connection/connection.h"
#include "fd/change.h"
#include "fd/hidden.h"
#include "fd/plane.h"
#include "fd/table.h"

enum {
    ENDPOINT_REGISTRATIONS = 2,       /* epoll instances that are remembered for one connection */
    CONNECTION_BLOCK_BYTES = 832,     /* of memory, for one connection without its buffers */
    CONNECTION_EXCHANGE_BYTES = 1536, /* the same for its exchange of keys (keyexchange.h) */
    CONNECTION_SLOT_BYTES = CONNECTION_BLOCK_BYTES + 2 * CONNECTION_BUFFER_BYTES + CONNECTION_EXCHANGE_BYTES,
};
_Static_assert(sizeof(struct connection) <= CONNECTION_BLOCK_BYTES, "a connection fits its block of memory");

/* One epoll_ctl(2) call on the connection, with the program's own arguments (readiness/registration.h). */
struct registration {
    int epoll; /* the epoll instance's number + 1; 0: a free entry */
    int fd;
    struct epoll_event event;
    uint32_t registered; /* the events that the kernel has, which differ from the program's during a handshake */
    uint32_t seen;       /* connection->rx_total (its low half) at the last event, or when it was registered */
    bool indexed : 1;    /* it is in the table of registrations */
    bool expects_writable : 1;  /* the next EPOLLOUT only repeats what was known before the kernel got new events */
    bool held_back : 1;         /* at the last event, a handshake may have consumed the bytes that caused it */
    bool reported_writable : 1; /* edge-triggered, and the program got EPOLLOUT before the handshake was complete */
    bool fired : 1;             /* EPOLLONESHOT, and the program got the event */
};

/* Whether poll and epoll check the connection's events before the program gets them (readiness/). */
enum {
    FILTER_NONE,
    FILTER_OPEN,      /* a part of a frame, received or to be sent, may cause spurious events */
    FILTER_HANDSHAKE, /* the events are those of the handshake */
};

/* Whether the background thread works on the connection (connection/background.h). */
enum {
    BACKGROUND_NONE,
    BACKGROUND_LISTED,
    BACKGROUND_AT_WORK, /* it is listed, and the thread works on it now */
};

struct segment;

struct endpoint {
    /* Still valid after it is freed: other threads may just look at it. */
    atomic_int refcount;         /* threads that are about to lock it */
    _Atomic uint32_t generation; /* of its connection; each connection has its own */
    uint32_t index;              /* of this endpoint in its pool; never changes */
    /* Other threads may read these at any time, also while the endpoint is taken again. */
    _Atomic uint8_t background;              /* BACKGROUND_ */
    _Atomic uint8_t filter;                  /* FILTER_ */
    _Atomic(struct connection *) connection; /* NULL: this endpoint is free */
    _Atomic int descriptors;                 /* how many numbers the program has for it in this process */
    _Atomic int fd;                          /* one of them; after the last is closed, a hidden duplicate, or -1 */
    /* The rest begins with `segment`, and is 0 in an endpoint that has just been taken. */
    struct segment *segment; /* the shared segment the connection is in; NULL: it is in `block` */
    struct binding binding;  /* the state that its connection has in this process */
    int32_t block;           /* index of the private memory where calls work on the connection */
    int kept;                /* during an exec(3) that exports the connection: a hidden duplicate; else 0 */
    struct holder handoff;   /* during the exec: the handoff socket that replaces this process as a holder */
    bool streamed;           /* stdio had a stream on it before it was connected */
    uint32_t counted_by;     /* the mark of the last fork that counted its child as a holder (transfer/share.c) */
    uint64_t until_ms;       /* closed, and kept for a handoff socket until this clock_ms() at most; 0: it is not */
    uint64_t identity;       /* of the socket (fd_socket_identity()); 0: not known */
    uint64_t epoch;          /* events_epoch() when the kernel last got other events; 0: never. Needs the lock */
    struct registration registrations[ENDPOINT_REGISTRATIONS]; /* needs the lock */
};

/* How many endpoints this process has. */
extern atomic_int endpoint_count;

/*
 * What other modules do when something happens to an endpoint. Each event is raised in one place, and the observers
 * are called in the order of shim/order.c. An entry may be NULL. "Locked": the caller holds the connection's lock.
 */
struct endpoint_observer {
    /* The phase or the blocking mode has changed. `completed`: a handshake has just ended. Locked. */
    void (*changed)(struct endpoint *endpoint, const struct connection *connection, bool completed);
    /* `fd` is about to be closed, and the program keeps other numbers. Locked. */
    void (*number_closing)(struct endpoint *endpoint, int fd);
    /* The program's last number is about to be closed. Locked. */
    void (*closing)(struct endpoint *endpoint);
    /* The numbers are about to become foreign, and stay open. Locked. */
    void (*abandoned)(struct endpoint *endpoint);
    /* The endpoint is about to be freed. Locked. */
    void (*freed)(struct endpoint *endpoint);
    /* The connection's memory is no longer used here. Not locked. */
    void (*memory_unused)(struct endpoint *endpoint);
    /* The program needs `fd` for dup2(2). It is hidden and not an endpoint's: its file moves to another number. */
    void (*make_way)(int fd);
    /* This thread is about to wait for a peer, and the peer may be in this same thread. */
    void (*waiting)(void);
    /* Whether the other end of this connection is in this process, in a handshake: sets *found. Locked. */
    void (*peer_sought)(const struct connection *connection, bool *found);
};
extern const struct endpoint_observer *const endpoint_observers[]; /* ends with NULL */

#define ENDPOINT_RAISE(event, ...)                                                                                 \
    do {                                                                                                           \
        for (const struct endpoint_observer *const *observer_ = endpoint_observers; *observer_ != NULL;            \
             observer_++)                                                                                          \
            if ((*observer_)->event != NULL)                                                                       \
                (*observer_)->event(__VA_ARGS__);                                                                  \
    } while (0)

/* The results of endpoint_enter() that are no errors. */
enum {
    ENDPOINT_NONE,    /* a foreign number: make the real call */
    ENDPOINT_ENTERED, /* the lock is held */
};

/*
 * Locks the connection behind `fd`. The connection fails if a thread died with its lock, or if a fork has wiped its
 * memory. The caller calls endpoint_leave(), and does not block in between. Returns ENDPOINT_ENTERED,
 * ENDPOINT_NONE, or a negative errno value: -EBADF for a hidden number, and -EDEADLK (for a non-blocking descriptor
 * -EAGAIN) if this thread has the lock already, since this is a signal handler that interrupted a call.
 */
int endpoint_enter(int fd, struct endpoint **endpoint, struct connection **connection);

/* What a call on the number returns if endpoint_enter() has not entered it: FD_FOREIGN, or -1 with errno. */
static inline int endpoint_call_result(int not_entered)
{
    return not_entered == ENDPOINT_NONE ? FD_FOREIGN : fd_call_result(not_entered);
}

void endpoint_leave(struct connection *connection);

/* The same for an endpoint. False: it is free, or this thread has the lock already. */
bool endpoint_enter_at(struct endpoint *endpoint, struct connection **connection);

/* The same without waiting. False: also if another thread or process has the lock. */
bool endpoint_try_at(struct endpoint *endpoint, struct connection **connection);

/* Whether this thread has the lock: the caller is a signal handler that interrupted a call on the connection. */
bool endpoint_is_locked_here(const struct endpoint *endpoint);

/* The same, if the endpoint still has the connection of this generation. False: that connection has ended. */
bool endpoint_enter_again(struct endpoint *endpoint, uint32_t generation, struct connection **connection);

/*
 * Makes a connection under `rule` for `fd`, which the kernel has just given out, so that no other thread uses it
 * yet. `rule` is one of pfswrap_policy(), or NULL for a connection that the caller is about to lose. The connection
 * is locked on return. `cloexec`: the program's flag; the kernel's is always set. Returns 0, or a negative errno
 * value: -EMFILE (the number is too high), -ENOMEM, or -ESTALE: the policy has been replaced, and the rule must be
 * looked up again.
 */
int endpoint_open(int fd, const struct policy_rule *rule, bool initiator, bool nonblocking, bool cloexec,
                  struct endpoint **endpoint, struct connection **connection);

/*
 * The same for a number that the program already has, so that several threads may use it. *note: the word that the
 * table had for it. Returns as above, or -EALREADY: another thread has registered the number.
 */
int endpoint_register(int fd, const struct policy_rule *rule, bool initiator, bool nonblocking, bool cloexec,
                      struct endpoint **endpoint, struct connection **connection, uint64_t *note);

/*
 * Makes an endpoint for a connection that is in `slot` of `segment`, under `rule` (as above). `fd` is its socket,
 * and no other thread uses it yet. The connection is locked on return. Returns 0, or a negative errno value:
 * -EMFILE, -ENOMEM, -ESTALE, or -EAGAIN (this is a signal handler that interrupted a call).
 */
int endpoint_open_at(int fd, const struct policy_rule *rule, struct segment *segment, struct connection *slot,
                     bool cloexec, struct endpoint **endpoint, struct connection **connection);

/*
 * The connection is not sealed: its numbers become foreign. Under `seal = require` the kernel must confirm first
 * that the socket is not connected, and no thread may be inside connect(2). Otherwise the connection fails. Called
 * locked; unlocked on return.
 */
void endpoint_abandon(struct endpoint *endpoint, struct connection *connection);

/* Remembers the identity of the socket at endpoint->fd. Locked. */
void endpoint_note_socket(struct endpoint *endpoint);

/*
 * The same after endpoint_register(), which does not do it: the connection is that of the socket which has the
 * number now. Returns false if the kernel says that there is none: another thread has closed the number since the
 * caller looked at it. From the registration on, others wait for the connection's lock. Locked.
 */
bool endpoint_note_registered(struct endpoint *endpoint, int fd);

/*
 * Whether the kernel has the connection's socket at this number. Callers ask this after they have closed a foreign
 * number: another thread may have registered it meanwhile.
 */
bool endpoint_has_socket(const struct endpoint *endpoint, int fd);

/*
 * In a child of a fork: another thread of the parent may have been changing the numbers. Those that are not the
 * connection's socket in this process become foreign and stay open. Returns how many numbers are left. Locked.
 */
int endpoint_drop_mismatched(struct endpoint *endpoint);

/* Adds the number `copy`, which the kernel has just given out or which this call has claimed. */
void endpoint_add(struct endpoint *endpoint, int copy, bool cloexec);

/*
 * The same for a number that the program already has, if its word is still `word` (a foreign one) and the kernel
 * has the socket there. The program's close-on-exec flag is the one that the kernel had. Returns whether the number
 * was added. Locked.
 */
bool endpoint_add_noted(struct endpoint *endpoint, int copy, uint64_t word);

/*
 * Removes `fd`, which becomes closing. Returns how many numbers the endpoint has left; or -1, and nothing has
 * changed: the endpoint no longer has this number. Locked.
 */
int endpoint_remove(struct endpoint *endpoint, int fd, uint32_t generation);

/* At exit: the endpoint's numbers become hidden from other threads, and stay open in the kernel. */
void endpoint_retire(struct endpoint *endpoint);

/* `hidden`, a reserved duplicate or one of the endpoint's numbers, becomes the endpoint's hidden number. */
void endpoint_hide(struct endpoint *endpoint, int hidden);

/*
 * exec(3) ends the other threads wherever they are. After endpoint_begin_exec(), no other thread has a connection's
 * lock: each one waits until the exec has happened, or until endpoint_end_exec() is called because it failed.
 */
void endpoint_begin_exec(void);
void endpoint_end_exec(void);

/* The private memory where calls work on the endpoint's connection. A fork wipes it. */
struct connection *endpoint_private(const struct endpoint *endpoint);

/*
 * In a child of a fork: resets what belonged to the calls and the background work of the parent's threads.
 * `is_idle`: no call of this thread is under way, so the memory that those calls had taken from the pools is freed.
 */
void endpoint_after_fork(bool is_idle);

/* Frees the endpoint: this process no longer has the connection. Called locked; unlocked on return. */
void endpoint_free(struct endpoint *endpoint, struct connection *connection);

/* The endpoint's lowest number that is at least `from`; -1: there is none. */
int endpoint_number(const struct endpoint *endpoint, int from);

/* The endpoint with this index, which an endpoint has had; NULL: it is free. */
struct endpoint *endpoint_at(uint32_t index);

/*
 * All endpoints, one after another: the one after `previous`, which may have been freed since; NULL: the first.
 * Returns NULL at the end. Endpoints that other threads make meanwhile may be among them.
 */
struct endpoint *endpoint_next(const struct endpoint *previous);

/* As endpoint_next(), without those whose connection cannot be entered; *connection is locked
 * (endpoint_enter_at()). */
struct endpoint *endpoint_enter_next(const struct endpoint *previous, struct connection **connection);

/* The endpoint that has the number `fd`, hidden or not; NULL: there is none. */
struct endpoint *endpoint_of(int fd);

/*
 * The connection's phase or blocking mode may have changed: sets the filter of the endpoint that has `fd`, and
 * raises `changed`. Locked.
 */
void endpoint_update(int fd, const struct connection *connection);

/*
 * The kernel has given out a number that, by its word, still belonged to a connection here (fd_dropped()). A system
 * call that passed no interposed function has closed it. So the connection has one number less.
 */
void endpoint_dropped(int fd, uint64_t word);

#endif
