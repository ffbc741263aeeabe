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
#include "fd/table.h"

enum {
    ENDPOINT_REGISTRATIONS = 2,    /* epoll instances that are remembered for one connection */
    CONNECTION_BLOCK_BYTES = 1408, /* of memory, for one connection without its buffers */
};
_Static_assert(sizeof(struct connection) <= CONNECTION_BLOCK_BYTES, "a connection fits its block of memory");

/* One epoll_ctl(2) call on the connection, with the program's own arguments (readiness/registration.h). */
struct registration {
    int epoll; /* the epoll instance's number + 1; 0: a free entry */
    int fd;
    struct epoll_event event;
    uint32_t registered; /* the events that the kernel has, which differ from the program's during a handshake */
    uint32_t seen;       /* how many of the bytes that came from the kernel are accounted for by earlier events */
    bool indexed : 1;    /* it can be found by its epoll instance and data */
    bool expects_writable : 1;  /* the kernel reports writable once, because it was asked again: not news */
    bool held_back : 1;         /* a handshake was under way at the last event, and may have consumed what came */
    bool reported_writable : 1; /* edge-triggered, and reported to the program before the handshake was complete */
    bool fired : 1;             /* EPOLLONESHOT, and reported to the program */
};

/* Whether poll and epoll have to look at a connection's events before the program gets them. */
enum { FILTER_NONE, FILTER_OPEN, FILTER_HANDSHAKE };

/* Whether the background thread works on the connection (connection/background.h). */
enum { BACKGROUND_NONE, BACKGROUND_LISTED, BACKGROUND_AT_WORK /* it is inside, or has just been */ };

struct segment;

struct endpoint {
    atomic_int refcount;                     /* threads that are about to lock it; not cleared when it is freed */
    _Atomic uint32_t generation;             /* of its connection; no two connections have the same */
    _Atomic(struct connection *) connection; /* NULL: this endpoint is free */
    struct segment *segment;                 /* the shared segment the connection is in; NULL: it is in `block` */
    _Atomic int descriptors;                 /* how many numbers the program has for it in this process */
    _Atomic int fd;                          /* one of them; after the last is closed, a hidden duplicate, or -1 */
    uint32_t index;                          /* of this endpoint */
    int32_t block;                           /* of private memory, where calls work on the connection */
    int kept;                   /* during an exec that passes the connection on: a hidden duplicate of the socket */
    struct holder handoff;      /* and the holder that stands for this process then */
    bool streamed;              /* stdio has a stream on it, made before it was connected */
    _Atomic uint8_t background; /* BACKGROUND_ */
    _Atomic uint8_t filter;     /* FILTER_ */
    uint64_t identity;          /* of the socket (fd_socket_identity()); 0: not known */
    uint64_t epoch; /* registration_epoch() when the kernel last got other events for it; 0: never. Locked */
    struct registration registrations[ENDPOINT_REGISTRATIONS]; /* locked */
};

/* How many endpoints this process has; and how many of them have a filter. */
extern atomic_int endpoint_count, endpoint_filtered;

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
    /* dup2(2) wants the hidden number `fd`, which is not an endpoint's: what is there moves to another number. */
    void (*make_way)(int fd);
    /* This thread is about to wait for a peer, which may be another descriptor of its own. */
    void (*waiting)(void);
};
extern const struct endpoint_observer *const endpoint_observers[]; /* ends with NULL */

#define ENDPOINT_RAISE(event, ...)                                                                                 \
    do {                                                                                                           \
        for (const struct endpoint_observer *const *observer_ = endpoint_observers; *observer_ != NULL;            \
             observer_++)                                                                                          \
            if ((*observer_)->event != NULL)                                                                       \
                (*observer_)->event(__VA_ARGS__);                                                                  \
    } while (0)

enum endpoint_result {
    ENDPOINT_ENTERED, /* the lock is held */
    ENDPOINT_NONE,    /* a foreign number: make the real call */
    ENDPOINT_ERROR, /* see errno. EDEADLK or EAGAIN: this is a signal handler inside a call; EBADF: a hidden number
                     */
};

/*
 * Locks the connection behind `fd`. If its last owner died inside, the connection is poisoned; if a fork has wiped
 * it, it fails. The caller calls endpoint_leave(), and does not block in between.
 */
enum endpoint_result endpoint_enter(int fd, struct endpoint **endpoint, struct connection **connection);
void endpoint_leave(struct connection *connection);

/* The same by endpoint. False: it is free, or this thread holds the lock already. */
bool endpoint_enter_at(struct endpoint *endpoint, struct connection **connection);

/* The same if the endpoint still is for the connection of this generation. False: that connection is gone. */
bool endpoint_enter_again(struct endpoint *endpoint, uint32_t generation, struct connection **connection);

/*
 * A new connection under `rule` for `fd`, which the kernel has just given out, so that no other thread can mean it
 * yet. Locked on return. `cloexec`: the program's flag; the kernel's is always set. Returns NULL with errno: EMFILE
 * (the number is too high), ENOMEM.
 */
struct connection *endpoint_open(int fd, uint16_t rule, bool initiator, bool nonblocking, bool cloexec,
                                 struct endpoint **endpoint);

/*
 * The same for a number that the program already had, and may use in several threads: one of them registers it.
 * *note: the word before. Returns NULL with errno, EALREADY: another thread has registered the number.
 */
struct connection *endpoint_register(int fd, uint16_t rule, bool initiator, bool nonblocking, bool cloexec,
                                     struct endpoint **endpoint, uint64_t *note);

/*
 * An endpoint for a connection that is in `slot` of `segment`, and for `fd`, a socket of it that no other thread
 * uses yet. Locked on return. Returns NULL with errno as above.
 */
struct connection *endpoint_open_at(int fd, struct segment *segment, struct connection *slot, bool cloexec,
                                    struct endpoint **endpoint);

/*
 * The connection will not be sealed: its numbers become foreign. Under `seal = require` this needs the kernel's
 * answer, here and now, that there is no connection, and that no thread is about to make one; otherwise the
 * connection fails. Called locked; unlocked on return.
 */
void endpoint_abandon(struct endpoint *endpoint, struct connection *connection);

/* The connection's socket is now at its first number (endpoint_open_at()): remembers its identity. Locked. */
void endpoint_note_socket(struct endpoint *endpoint);

/*
 * Whether the kernel has the connection's socket at this number. Between registering a number and connecting it,
 * and after closing a foreign number, this finds out whether another thread was faster.
 */
bool endpoint_has_socket(const struct endpoint *endpoint, int fd);

/*
 * In a child of a fork: numbers that are not the connection's socket here, because another thread of the parent was
 * changing them. They become foreign and stay open. Returns how many numbers are left. Locked.
 */
int endpoint_drop_strangers(struct endpoint *endpoint);

/* `copy`, which the kernel has just given out, or which this call has claimed, is one more number. */
void endpoint_add(struct endpoint *endpoint, int copy, bool cloexec);

/*
 * The same for a number that the program already had, if its word still is `word`, a foreign one, and the kernel
 * has the socket there. The program's close-on-exec flag is the kernel's. Returns whether it was added. Locked.
 */
bool endpoint_add_noted(struct endpoint *endpoint, int copy, uint64_t word);

/* `fd` becomes closing, and is no longer the endpoint's. Returns how many numbers the endpoint has left. Locked. */
int endpoint_remove(struct endpoint *endpoint, int fd, uint32_t generation);

/* The process ends: the endpoint's numbers stay open in the kernel, hidden from other threads. */
void endpoint_retire(struct endpoint *endpoint);

/* `hidden`, a reserved duplicate or one of the endpoint's numbers, becomes the endpoint's hidden number. */
void endpoint_hide(struct endpoint *endpoint, int hidden);

/*
 * exec(3) ends the other threads wherever they are. From endpoint_begin_exec() on, no other thread is inside a
 * connection: each waits until the exec has happened, or until endpoint_end_exec() says that it failed.
 */
void endpoint_begin_exec(void);
void endpoint_end_exec(void);

/* This process no longer has the connection: frees the endpoint. Called locked; unlocked on return. */
void endpoint_free(struct endpoint *endpoint, struct connection *connection);

/* The lowest number of the endpoint from `from` on; -1: there is none. */
int endpoint_number(const struct endpoint *endpoint, int from);

/* The endpoint with this index, which is below endpoint_limit(); NULL: it is free. */
struct endpoint *endpoint_at(uint32_t index);
uint32_t endpoint_limit(void);

/* The endpoint that `fd` is a number of, hidden or not; NULL: there is none. */
struct endpoint *endpoint_of(int fd);

/* The connection's phase or blocking mode may have changed: finds out the filter again, and raises `changed`.
 * Locked. */
void endpoint_update(int fd, const struct connection *connection);

/* A number of an endpoint turned out to be another file's (fd/change.h). For shim/order.c. */
extern const struct fd_observer endpoint_fd_observer;

#endif
