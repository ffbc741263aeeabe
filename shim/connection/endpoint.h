/*
 * A process's view of its sealed connections: which descriptors are sealed, which connection each belongs to, and
 * where the program inspects it. Private to the process; the connections themselves may be shared. Every interposed
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
    ENDPOINT_REGISTRATIONS = 2,    /* epoll instances a connection is remembered in */
    CONNECTION_BLOCK_BYTES = 1408, /* of memory, for one connection without its buffers */
};
_Static_assert(sizeof(struct connection) <= CONNECTION_BLOCK_BYTES, "a connection fits its piece of memory");

/* Where the program inspects the descriptor: epoll_ctl(2)'s arguments as the program gave them (registration.h). */
struct registration {
    int epoll; /* the epoll instance's number + 1; 0: a free entry */
    int fd;
    struct epoll_event event;
    uint32_t registered; /* the events that the kernel was given, which are others while a handshake holds back */
    uint32_t seen;       /* of the bytes ever taken from the kernel, those that no event is due for any more */
    bool indexed : 1;    /* can be found by its epoll instance and data */
    bool expects_writable : 1; /* the kernel says so once, since it was asked anew: no news of anybody */
    bool held_back : 1; /* a handshake was under way at the last event; who has completed it, took what came */
    bool reported_writable : 1; /* edge-triggered, and the program has had it before the handshake was complete */
    bool fired : 1;             /* one shot, and the program has had it */
};

/* Why poll and epoll have to look at a connection. */
enum { FILTER_NONE, FILTER_OPEN, FILTER_HANDSHAKE };

/* Whether the background thread goes on with it. */
enum { BACKGROUND_NONE, BACKGROUND_LISTED, BACKGROUND_AT_WORK /* it is inside, or has just been */ };

struct segment;

struct endpoint {
    atomic_int refcount;                     /* threads that are about to lock it; outlives what follows */
    _Atomic uint32_t generation;             /* of the connection it is for: no two connections have the same */
    _Atomic(struct connection *) connection; /* NULL: this endpoint is free */
    struct segment *segment;                 /* the shared mapping it is kept in; NULL: in `piece` */
    _Atomic int descriptors;                 /* the program's numbers for it, here */
    _Atomic int fd;             /* one of them; after the last is closed, our hidden duplicate, or -1 */
    uint32_t index;             /* of this endpoint */
    int32_t piece;              /* of private memory, where calls work on the connection */
    int kept;                   /* while an exec is tried whose program gets it: a hidden duplicate of the socket */
    struct holder handoff;      /* and what stands for this process then */
    bool streamed;              /* there is a stream of stdio's, made before it was connected */
    _Atomic uint8_t background; /* whether the background thread has it on its list */
    _Atomic uint8_t attention;  /* why it is counted in endpoint_filtered */
    uint32_t promised;          /* the last fork that has counted its child as a holder (share.c) */
    uint64_t cookie;            /* the socket's (base/socket_cookie.h); 0: not known */
    uint64_t epoch; /* registration_epoch() when the kernel was last given other events for it; 0: never. Guarded by
                      the lock */
    struct registration registrations[ENDPOINT_REGISTRATIONS]; /* guarded by the connection's lock */
};

/*
 * One word for each number:
 *
 *     foreign   0                          no sealed connection: calls go to the kernel
 *               ENDPOINT_FOREIGN, id       the same; ENDPOINT_NOTED: a socket with several numbers or a stream,
 * which may yet be connected; ENDPOINT_CLAIMED: dup2(2) is replacing it sealed    generation, index + 1      a
 * number of that endpoint; ENDPOINT_CLOEXEC is the program's wish hidden    ENDPOINT_HIDDEN            the shim's
 * own: not open to the program closing   ENDPOINT_CLOSING, id       the kernel is about to close or to replace it
 *
 * A sealed or hidden number becomes closing first, and a closing one foreign by the call that made it closing,
 * which the id says: after the kernel has closed or replaced the number, or when the kernel has no connection
 * there. Until then every call on the number waits (endpoint_is_sealed()). So no call ever takes a number for
 * foreign that is still a sealed connection's, and no call takes a number that the kernel has given out anew for
 * the connection that had it before. A number becomes sealed by one compare-and-swap, before the kernel is told to
 * connect. tests/unit/connection/test_numbers.c explores the orders in which threads can do these steps.
 */
extern _Atomic uint64_t endpoint_table[ENDPOINT_FDS];
enum {
    ENDPOINT_CLOEXEC = 0x40000000,
    ENDPOINT_HIDDEN = 0x20000000,
    ENDPOINT_CLOSING = 0x10000000,
    ENDPOINT_FOREIGN = 0x08000000,
    ENDPOINT_INDEX = 0x03ffffff,
    ENDPOINT_GENERATION_SHIFT = 32, /* and of an id, which is a generation, too */
    ENDPOINT_NOTED = 1,             /* with ENDPOINT_FOREIGN, these three */
    ENDPOINT_STREAM = 2,
    ENDPOINT_CLAIMED = 4,
    ENDPOINT_PASSING = 0x04000000, /* with ENDPOINT_HIDDEN */
};

/* How many endpoints there are in this process; and how many of them poll and epoll have to look at (readiness.h).
 */
extern atomic_int endpoint_count, endpoint_filtered;

/* How many numbers are reserved for the shim without being any connection's (endpoint_reserve_duplicate()). */
extern atomic_int endpoint_reserved;

/*
 * The word for `fd`, once the number is no longer closing: waits up to 10 seconds for a closer that a busy machine
 * keeps from going on. Keeps errno.
 */
uint64_t endpoint_settled_word(int fd);

/*
 * Whether calls on `fd` must not go to the kernel as they are. True for hidden numbers, too. For one that is
 * closing the answer waits: the kernel may have given the number to the program again already. One load and one
 * compare for foreign descriptors that nothing is noted of.
 */
static inline bool endpoint_is_sealed(int fd)
{
    if ((unsigned)fd >= ENDPOINT_FDS)
        return false;
    const uint64_t word = atomic_load_explicit(&endpoint_table[fd], memory_order_relaxed);
    if (__builtin_expect(word == 0, true))
        return false;
    if (__builtin_expect((word & (ENDPOINT_CLOSING | ENDPOINT_FOREIGN)) == 0, true))
        return true;
    const uint64_t settled = endpoint_settled_word(fd);
    return settled != 0 && (settled & ENDPOINT_FOREIGN) == 0;
}

enum endpoint_result {
    ENDPOINT_ENTERED, /* the lock is held */
    ENDPOINT_NONE,    /* a foreign descriptor: make the real call */
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

/* The same, if the endpoint is still for the connection that has this generation. False: that one is gone. */
bool endpoint_enter_again(struct endpoint *endpoint, uint32_t generation, struct connection **connection);

/*
 * A new connection under `rule` for descriptor `fd`, which the kernel has just given out: no other thread can mean
 * it yet. It is entered (locked) on return. `cloexec`: the program's wish; the kernel's flag is set always. NULL
 * with errno: EMFILE (too high a number), ENOMEM.
 */
struct connection *endpoint_open(int fd, uint16_t rule, bool initiator, bool nonblocking, bool cloexec,
                                 struct endpoint **endpoint);

/*
 * The same for a descriptor that the program has had before and may use in several threads: one of them registers
 * it. *note: what was noted of it. NULL with errno EALREADY: another thread has registered it.
 */
struct connection *endpoint_register(int fd, uint16_t rule, bool initiator, bool nonblocking, bool cloexec,
                                     struct endpoint **endpoint, uint64_t *note);

/*
 * An endpoint for a connection that is kept at `slot` in `segment`, for descriptor `fd`, a socket of that
 * connection which nobody else uses yet. Entered on return. NULL with errno, as above.
 */
struct connection *endpoint_open_at(int fd, struct segment *segment, struct connection *slot, bool cloexec,
                                    struct endpoint **endpoint);

/*
 * This process lets go of a connection that is not to be sealed: its numbers are foreign from now on. Where the
 * rule requires a seal that needs the kernel's word, here and now, that there is no connection, and no thread that
 * is about to make one; else the connection fails instead. Locked; the lock is gone afterwards.
 */
void endpoint_abandon(struct endpoint *endpoint, struct connection *connection);

/* The kernel has put the connection's socket at its first number by now (endpoint_open_at()). Locked. */
void endpoint_note_socket(struct endpoint *endpoint);

/*
 * In a child of a fork: numbers that do not stand for the connection's socket in this process, since another thread
 * of the parent was just changing them. They are foreign from now on, and stay open. Locked; returns how many are
 * left.
 */
int endpoint_drop_strangers(struct endpoint *endpoint);

/* `copy`, which the kernel has just given out, or this call has claimed, is another number for the connection. */
void endpoint_add(struct endpoint *endpoint, int copy, bool cloexec);

/*
 * The same for a number that the program has had before, if `word`, a foreign one, is still what the table says of
 * it, and the kernel that it is the socket. The program's wish is the kernel's flag. Returns whether it is. Locked.
 */
bool endpoint_add_noted(struct endpoint *endpoint, int copy, uint64_t word);

/*
 * Closing a number takes three steps: endpoint_remove() or endpoint_claim() makes it closing, the kernel closes or
 * replaces it, endpoint_vacate() makes it foreign. The three are tied together by a new generation, which one call
 * may use for several numbers. Never 0.
 */
uint32_t endpoint_next_generation(void);

/*
 * Waits a little for another thread's step, the `round`th time in a row. False: that has gone on for `most_ms`.
 * Makes no system call in a sandbox.
 */
bool endpoint_wait(int round, int most_ms);

/* `fd` is no number of the endpoint any more, and closing; returns how many the endpoint has left. Locked. */
int endpoint_remove(struct endpoint *endpoint, int fd, uint32_t generation);

/* Whether the number is too high for the process, and nothing is known of it: dup2(2) will say EBADF. */
bool endpoint_is_beyond(int fd);

/*
 * A foreign number becomes closing; or claimed, which lets the other threads' calls pass. *before: its word. False:
 * it is not foreign, or claimed by another call.
 */
bool endpoint_claim(int fd, uint32_t generation, bool passes, uint64_t *before);

/* What is closing or claimed in this generation becomes foreign, with this word. Others stay as they are. */
void endpoint_vacate_as(int fd, uint32_t generation, uint64_t word);
static inline void endpoint_vacate(int fd, uint32_t generation)
{
    endpoint_vacate_as(fd, generation, 0);
}

/* Nothing is noted of the number any more; of all in a range. */
void endpoint_forget_note(int fd);
void endpoint_forget_notes(unsigned first, unsigned last);

/* What is closing in this generation in a range becomes foreign; what the kernel has not closed, `close` closes. */
void endpoint_vacate_range(unsigned first, unsigned last, uint32_t generation, bool close);

/*
 * In a child of a fork: numbers that other threads of the parent were closing, which nobody here goes on with. What
 * the policy seals is closed; what has the number already for something else stays.
 */
void endpoint_end_closing(void);

/*
 * What is noted of a foreign number; 0: nothing, or it is not foreign. The id is the socket's, so that a note is
 * known to be out of date: libc closes descriptors without us (fclose(3)). endpoint_note() notes it; `flags`:
 * ENDPOINT_STREAM or 0. endpoint_noted() is the next number from `first` on with this id, -1: none.
 */
uint32_t endpoint_socket_id(int fd);
uint64_t endpoint_note_of(int fd);
void endpoint_note(int fd, uint32_t id, unsigned flags);
int endpoint_noted(unsigned first, uint32_t id);
static inline uint32_t endpoint_note_id(uint64_t word)
{
    return (uint32_t)(word >> ENDPOINT_GENERATION_SHIFT);
}
static inline uint64_t endpoint_note_word(uint32_t id, unsigned flags)
{
    return id == 0 ? 0 : (uint64_t)id << ENDPOINT_GENERATION_SHIFT | ENDPOINT_FOREIGN | ENDPOINT_NOTED | flags;
}

/* The process ends: the endpoint's numbers stay open in the kernel, and out of reach for other threads. */
void endpoint_retire(struct endpoint *endpoint);

/*
 * An exec ends the other threads wherever they are. From endpoint_begin_exec() on none of them is inside a
 * connection; they wait until the exec has happened, or failed and endpoint_end_exec() says so.
 */
void endpoint_begin_exec(void);
void endpoint_end_exec(void);

/*
 * In a child of a fork: the calls and the background work were those of the parent's threads. `is_idle`: no call of
 * this thread is under way, and what they had taken of the pools is free.
 */
void endpoint_after_fork(bool is_idle);

/* Frees the endpoint, whose connection this process no longer has. Locked; the lock is gone afterwards. */
void endpoint_free(struct endpoint *endpoint, struct connection *connection);

/* The lowest number of the endpoint from `from` on; -1: none. */
int endpoint_number(const struct endpoint *endpoint, int from);

/* Endpoint number `index`, below endpoint_limit(), or NULL if nothing is there. */
struct endpoint *endpoint_at(uint32_t index);
uint32_t endpoint_limit(void);

/* The program's wish about close-on-exec. Setting it returns false for a number that is not sealed (any more). */
static inline bool endpoint_word_cloexec(uint64_t word)
{
    return (word & (ENDPOINT_CLOEXEC | ENDPOINT_CLOSING | ENDPOINT_FOREIGN)) == ENDPOINT_CLOEXEC;
}
bool endpoint_cloexec(int fd);
bool endpoint_set_cloexec(int fd, bool cloexec);

/* The endpoint that `fd` is a number of, hidden or not; NULL: none. */
struct endpoint *endpoint_of(int fd);

/*
 * The connection's phase or blocking mode has changed: whether poll and epoll have to look at it is found out anew,
 * and epoll instances get the events that suit it now. Locked.
 */
void endpoint_settle(int fd, const struct connection *connection);

/* Sets it for every sealed descriptor in a range. */
void endpoint_set_cloexec_range(unsigned first, unsigned last);

/* Whether the table has anything for the number: one load. */
static inline bool endpoint_is_known(int fd)
{
    return (unsigned)fd < ENDPOINT_FDS &&
           __builtin_expect(atomic_load_explicit(&endpoint_table[fd], memory_order_relaxed) != 0, false);
}

/*
 * Whether the kernel has the connection's socket at this number. Between registering a number and telling the
 * kernel to connect, and after closing one that was foreign, this finds out that the other thread has been faster.
 */
bool endpoint_has_socket(const struct endpoint *endpoint, int fd);

/* The lowest number from `first` on that is in the table, hidden or not; -1: none. */
int endpoint_next(unsigned first);

/* Whether the shim itself uses this number for a connection; and the lowest such in a range, -1: none. */
static inline bool endpoint_is_hidden(int fd)
{
    return (unsigned)fd < ENDPOINT_FDS && (atomic_load(&endpoint_table[fd]) & ENDPOINT_HIDDEN) != 0;
}
static inline bool endpoint_is_closing(int fd)
{
    return (unsigned)fd < ENDPOINT_FDS && (atomic_load(&endpoint_table[fd]) & ENDPOINT_CLOSING) != 0;
}

/*
 * The lowest in a range that the program must not close: a hidden number, or one that another call than that of
 * `generation` is closing; -1: none.
 */
int endpoint_lowest_kept(unsigned first, unsigned last, uint32_t generation);

/*
 * A hidden duplicate of `fd` with close-on-exec, which is no connection's, at a number of at least `at_least` if
 * one is free. Returns it, or -1: no number is left. endpoint_unreserve() ends that, with or without closing it.
 * The other one keeps a file open for the length of a call, or until endpoint_claim() takes its number.
 */
int endpoint_reserve_duplicate(int fd, int at_least);
int endpoint_keep_open(int fd);
void endpoint_unreserve(int fd, bool close);

/*
 * close_range(2) computes which numbers are not hidden, and closes those: between the two no number may be hidden
 * that it would close. With signals pinned (signals.h), and not in a child of vfork().
 */
void endpoint_begin_range(void);
void endpoint_end_range(void);

/* In a child of a fork: ranges and numbers kept open for a call, which were other threads'. */
void endpoint_forget_calls(void);

/*
 * `hidden`, a reserved duplicate or a number of its own, becomes a number of this endpoint that the program cannot
 * reach; and the reverse: it is closing then. False: it is not hidden (any more).
 */
void endpoint_hide(struct endpoint *endpoint, int hidden);
bool endpoint_unhide(int hidden, uint32_t generation);

#endif
