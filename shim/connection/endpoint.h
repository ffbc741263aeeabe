/*
 * A process's view of its sealed connections: which descriptors are sealed, which connection each belongs to, and
 * where the program watches it. Private to the process; the connections themselves may be shared. Every interposed
 * call begins with endpoint_is_sealed(), one load.
 */
#ifndef PFSWRAP_CONNECTION_ENDPOINT_H
#define PFSWRAP_CONNECTION_ENDPOINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "connection/connection.h"

enum {
    ENDPOINT_FDS = 1 << 20,        /* higher numbers are never sealed: such a connection is refused */
    ENDPOINT_INTERESTS = 2,        /* epoll instances a connection is remembered in */
    CONNECTION_PIECE_BYTES = 1408, /* of memory, for one connection without its buffers */
};
_Static_assert(sizeof(struct connection) <= CONNECTION_PIECE_BYTES, "a connection fits its piece of memory");

/* Where the program watches the descriptor: epoll_ctl(2)'s arguments as the program gave them (interest.h). */
struct interest {
    int epoll; /* the epoll instance's number + 1; 0: a free entry */
    int fd;
    struct epoll_event event;
    uint32_t registered; /* the events that the kernel was given, which are others while a handshake holds back */
    uint32_t seen;       /* of the bytes ever taken from the kernel, those that no event is due for any more */
    bool indexed : 1;    /* can be found by its epoll instance and data */
    bool expects_writable : 1; /* the kernel says so once, since it was asked anew: no news of anybody */
    bool held_back : 1;     /* a handshake was under way at the last event; who has completed it, took what came */
    bool told_writable : 1; /* edge-triggered, and the program has had it before the handshake was complete */
    bool fired : 1;         /* one shot, and the program has had it */
};

/* Why poll and epoll have to look at a connection. */
enum { ATTENTION_NONE, ATTENTION_OPEN, ATTENTION_HANDSHAKE };

/* Whether the background thread goes on with it. */
enum { BACKGROUND_NONE, BACKGROUND_LISTED, BACKGROUND_AT_WORK /* it is inside, or has just been */ };

struct region;

struct endpoint {
    _Atomic(struct connection *) connection; /* NULL: this endpoint is free */
    _Atomic int descriptors;                 /* the program's numbers for it, here */
    _Atomic int fd;             /* one of them; after the last is closed, our hidden duplicate, or -1 */
    _Atomic uint8_t background; /* whether the background thread has it on its list */
    _Atomic uint8_t attention;  /* why it is counted in endpoint_attention */
    uint32_t index;             /* of this endpoint */
    int32_t piece;              /* of private memory, where calls work on the connection */
    int kept; /* while an exec is tried whose program gets it: a hidden duplicate of the socket; else 0 */
    struct holder parcel;                          /* and what stands for this process then */
    struct region *region;                         /* the shared mapping it is kept in; NULL: in that piece */
    struct interest interests[ENDPOINT_INTERESTS]; /* guarded by the connection's lock */
    uint64_t turn;       /* so is interest_turn() when the kernel was last given other events for them; 0: never */
    atomic_int visitors; /* threads that are about to lock it; outlives the endpoint */
};

/* 0: not ours. ENDPOINT_HIDDEN: a number the shim uses itself. Else the endpoint's index + 1, and the flag below.
 */
extern _Atomic uint32_t endpoint_table[ENDPOINT_FDS];
enum {
    ENDPOINT_CLOEXEC = 0x40000000,
    ENDPOINT_HIDDEN = 0x20000000,
    ENDPOINT_CLOSING = 0x10000000, /* no endpoint's any more, but the kernel has yet to close it */
    ENDPOINT_INDEX = 0x0fffffff,
};

/* How many endpoints there are in this process; and how many of them poll and epoll have to look at (readiness.h).
 */
extern atomic_int endpoint_count, endpoint_attention;

/* How many numbers are reserved for the shim without being any connection's (endpoint_reserve()). */
extern atomic_int endpoint_reserved;

/* Whether calls on `fd` are the shim's affair. A number that is hidden is: it is not open to the program. */
static inline bool endpoint_is_sealed(int fd)
{
    return (unsigned)fd < ENDPOINT_FDS &&
           __builtin_expect(atomic_load_explicit(&endpoint_table[fd], memory_order_relaxed) != 0, false);
}

enum endpoint_result {
    ENDPOINT_ENTERED, /* the lock is held */
    ENDPOINT_NONE,    /* not a sealed descriptor (any more): make the real call */
    ENDPOINT_ERROR,   /* errno says why: EDEADLK or EAGAIN, a handler came in between; EBADF, a hidden number */
};

/*
 * Locks the connection behind `fd`. What a dead owner left is poisoned; what a fork has wiped is failed. The caller
 * gives it back with endpoint_leave() and does not block in between.
 */
enum endpoint_result endpoint_enter(int fd, struct endpoint **endpoint, struct connection **connection);
void endpoint_leave(struct connection *connection);

/* The same for an endpoint itself. False: it is free, or this thread is in it already. */
bool endpoint_enter_at(struct endpoint *endpoint, struct connection **connection);

/*
 * A new connection under `rule` for descriptor `fd`, which nobody else uses yet: connected or about to be. It is
 * entered (locked) on return. `cloexec`: the program's wish; the kernel's flag is set always. NULL with errno:
 * EMFILE (too high a number), ENOMEM.
 */
struct connection *endpoint_open(int fd, uint16_t rule, bool initiator, bool nonblocking, bool cloexec,
                                 struct endpoint **endpoint);

/*
 * An endpoint for a connection that is kept at `home` in `region`, for descriptor `fd`, a socket of that connection
 * which nobody else uses yet. Entered on return. NULL with errno, as above.
 */
struct connection *endpoint_open_at(int fd, struct region *region, struct connection *home, bool cloexec,
                                    struct endpoint **endpoint);

/* Lets go of a connection that turned out not to be ours: `fd` and its duplicates are plain from now on. Locked. */
void endpoint_abandon(struct endpoint *endpoint, struct connection *connection);

/* `copy` has become another number for the same connection. */
void endpoint_add(struct endpoint *endpoint, int copy, bool cloexec);

/*
 * `fd` is no number of the endpoint any more; returns how many are left. As long as it is open in the kernel it
 * must not pass for one that was never sealed: it counts as closing, and calls on it wait, until endpoint_vacate().
 */
int endpoint_remove(struct endpoint *endpoint, int fd);

/* The kernel has closed or replaced what was closing: one number, or all in a range. */
void endpoint_vacate(int fd);
void endpoint_vacate_range(unsigned first, unsigned last);

/* The process ends: the endpoint's numbers stay open in the kernel, and out of reach for other threads. */
void endpoint_retire(struct endpoint *endpoint);

/*
 * An exec ends the other threads wherever they are. From endpoint_begin_exec() on none of them is inside a
 * connection; they wait until the exec has happened, or failed and endpoint_end_exec() says so.
 */
void endpoint_begin_exec(void);
void endpoint_end_exec(void);

/* Frees the endpoint, whose connection this process no longer has. Locked; the lock is gone afterwards. */
void endpoint_free(struct endpoint *endpoint, struct connection *connection);

/* The lowest number of the endpoint from `from` on; -1: none. */
int endpoint_number(const struct endpoint *endpoint, int from);

/* Endpoint number `index`, below endpoint_limit(), or NULL if nothing is there. */
struct endpoint *endpoint_at(uint32_t index);
uint32_t endpoint_limit(void);

/* The program's wish about close-on-exec. */
bool endpoint_cloexec(int fd);
void endpoint_set_cloexec(int fd, bool cloexec);

/* The endpoint that `fd` is a number of, hidden or not; NULL: none. */
struct endpoint *endpoint_of(int fd);

/*
 * The connection's phase or blocking mode has changed: whether poll and epoll have to look at it is found out anew,
 * and epoll instances get the events that suit it now. Locked.
 */
void endpoint_settle(int fd, const struct connection *connection);

/* Sets it for every sealed descriptor in a range. */
void endpoint_set_cloexec_range(unsigned first, unsigned last);

/* The lowest number from `first` on that is in the table, hidden or not; -1: none. */
int endpoint_next(unsigned first);

/* Whether the shim itself uses this number for a connection; and the lowest such in a range, -1: none. */
static inline bool endpoint_is_hidden(int fd)
{
    return endpoint_is_sealed(fd) && (atomic_load(&endpoint_table[fd]) & ENDPOINT_HIDDEN) != 0;
}
static inline bool endpoint_is_closing(int fd)
{
    return endpoint_is_sealed(fd) && (atomic_load(&endpoint_table[fd]) & ENDPOINT_CLOSING) != 0;
}
int endpoint_lowest_hidden(unsigned first, unsigned last);

/* Hides `fd`, a descriptor of the shim's that is no connection's; and the end of that, with or without closing it.
 */
void endpoint_reserve(int fd);
void endpoint_unreserve(int fd, bool close);

/* Hides `fd` as a number of this endpoint that the program must not reach; and the reverse: it is closing then. */
void endpoint_hide(struct endpoint *endpoint, int fd);
void endpoint_unhide(int fd);

#endif
