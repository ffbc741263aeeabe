/*
 * A plane is a way in which connections are protected (docs/ARCHITECTURE.md). It is one constant structure, and one
 * line of the list `planes` in shim/order.c. The interposed calls know this list only: they ask the planes in their
 * order, and name none of them. A function that a plane does not need is NULL.
 */
#ifndef PFSWRAP_FD_PLANE_H
#define PFSWRAP_FD_PLANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "fd/operations.h"
#include "fd/table.h"

struct policy;
struct process_observer;

/*
 * A plane has a number in one of two ways. The first plane of the list takes the number over: the kernel's bytes
 * are not the program's, and the table calls the number sealed. Every other plane has a record of the connection,
 * and the number stays foreign (plane_add_record()). No number has two planes.
 */
struct plane {
    struct fd_operations operations; /* of the descriptors that it has */

    /* --- what the policy wants --- */

    /* Called once, before main(). */
    void (*start)(const struct policy *policy);
    /* Whether the plane has to see new connections. If not, the functions below need not be called. */
    bool (*is_wanted)(void);
    /* Whether the plane may have numbers. Does not read the policy, which is_wanted() may do. */
    bool (*is_started)(void);
    /* Whether it may refuse a connection, so that calls must not move bytes past it (io_uring). */
    bool (*enforces)(void);

    /* --- new connections --- */

    /* connect(2), in place of the kernel's call. Its result with errno; FD_FOREIGN: not this plane's. */
    int (*connect)(int fd, const struct sockaddr *address, socklen_t length);
    /*
     * The kernel has connected the foreign number, or will. The first plane that does not return FD_FOREIGN has it.
     * 0: it goes on. -1 with errno: the call must fail. Keeps errno otherwise.
     */
    int (*connected)(int fd, const struct sockaddr *address, socklen_t length);
    /* Flags of accept4(2) that the plane needs in addition: a number must not be inherited before it is known. */
    int accept_flags;
    /*
     * The kernel has accepted `fd` from `listener`. `flags` are the program's. Returns what the program gets: the
     * number, or -1 with errno after the number was closed. FD_FOREIGN: not this plane's. Keeps errno otherwise.
     * `peer`: the peer's address, in as many bytes as its family has; NULL: it is not known.
     */
    int (*accepted)(int fd, int listener, int flags, const struct sockaddr *peer);
    /* accept(2) has failed with EMFILE. Whether a number is free now. */
    bool (*make_room)(void);
    /*
     * The process was started with `fd`, or has received it in a message (SCM_RIGHTS). Whether the number is this
     * plane's now. Keeps errno.
     */
    bool (*inherited)(int fd);
    bool (*imported)(int fd);
    /* After inherited() for every number of the process. */
    void (*inherited_all)(void);

    /* The kernel has done epoll_ctl(2) for a number that no plane answers for. It may be connected later. */
    void (*epoll_noted)(int epoll, int operation, int fd, const struct epoll_event *event);

    /* --- waits for descriptors, in a process in which a plane filters events (fd/events.h) --- */

    /* Before each wait. */
    void (*before_wait)(void);
    /* Does what is due at `now_ms`, without an event. Returns when something is due next; UINT64_MAX: never. */
    uint64_t (*sweep)(uint64_t now_ms);
    /*
     * epoll_wait(2) has reported `count` events, in this epoch. Removes those that the program must not get.
     * Returns how many are left, at the beginning of the array.
     */
    int (*epoll_reported)(int epoll, struct epoll_event *events, int count, uint64_t epoch);

    /* --- the end of connections --- */

    /*
     * Everything about closing `fd` but the system call: the number is closing in this generation afterwards
     * (fd/change.h), or hidden if it must stay open. `is_replaced`: dup2(2) will replace it. False: not this
     * plane's.
     */
    bool (*release)(int fd, uint32_t generation, bool is_replaced);
    /* The kernel has closed a foreign number, which another thread has made known since. Keeps errno. */
    void (*closed)(int fd);
    /* The number no longer has this word, which was the plane's (fd_dropped()). */
    void (*dropped)(int fd, uint64_t word);
    /* CLOSE_RANGE_CLOEXEC for the numbers in [first, last] (close_range(2)). */
    void (*close_range_on_exec)(unsigned first, unsigned last);
    /* The process ends: every connection is closed. */
    void (*exit)(void);
    /*
     * Before an exec(3); the new program will have the shared object if it is `preloaded`. Then the process is
     * replaced, or exec_failed() follows. Both keep errno, and are called in children of vfork(2), too.
     */
    void (*before_exec)(bool preloaded);
    void (*exec_failed)(void);

    /* --- the process --- */

    /* Whether this process has connections that a fork or a request in a ring (io_submit(2)) concerns. */
    bool (*has_connections)(void);
    /* What happens around a fork (base/fork.h), and before a vfork(2); or NULL. */
    const struct process_observer *process;
    void (*before_vfork)(void);
    /* How many threads of the plane there are in this process, after they have begun. */
    unsigned (*threads)(void);
    /*
     * Before a system call filter is installed, and after it, or after it has failed. `sandboxes`: it forbids calls
     * of normal operation. `stops_threads`: the plane's threads could not continue behind it.
     */
    void (*before_filter)(bool sandboxes, bool stops_threads);
    void (*after_filter)(void);
};

extern const struct plane *const planes[]; /* in shim/order.c; ends with NULL */

/*
 * How many connections have a filter: their events are checked before the program gets them (fd/events.h). Each
 * plane counts its own.
 */
extern atomic_int planes_filtering;

/* Calls EVENT of each plane that has it: PLANES_EACH(plane, EVENT) statement. */
#define PLANES_EACH(plane_, event_)                                                                                \
    for (const struct plane *const *at_ = planes, *plane_; (plane_ = *at_) != NULL; at_++)                         \
        if (plane_->event_ != NULL)

/* Whether any plane wants new connections, is started, enforces, has connections (see struct plane). */
bool planes_want(void);
bool planes_started(void);
bool planes_enforce(void);
bool planes_have_connections(void);

/* Whether new connections may be taken over (struct plane). */
bool planes_take_over(void);

/* The sum of their threads, and of their flags for accept4(2). */
unsigned planes_threads(void);
int planes_accept_flags(void);

/* What struct plane says, of the first plane that returns something else than FD_FOREIGN; else FD_FOREIGN. */
int planes_connect(int fd, const struct sockaddr *address, socklen_t length);
int planes_connected(int fd, const struct sockaddr *address, socklen_t length);
int planes_accepted(int fd, int listener, int flags, const struct sockaddr *peer);
bool planes_make_room(void);
void planes_inherited(int fd);
void planes_imported(int fd);
bool planes_release(int fd, uint32_t generation, bool is_replaced);
void planes_before_exec(bool preloaded);
void planes_exec_failed(void);

/* All planes together as a module that is notified of forks. For shim/order.c. */
extern const struct process_observer planes_process_observer;

/* The plane that has the number; NULL: none, or the number is hidden or closing. Does not wait. */
static inline const struct plane *plane_of_word(uint64_t word)
{
    if (!fd_word_is_foreign(word))
        return (word & (FD_WORD_CLOSING | FD_WORD_HIDDEN)) == 0 ? planes[0] : NULL;
    return fd_word_record(word) != 0 ? planes[fd_word_plane(word)] : NULL;
}

/* The plane's record of the number (fd_word_record()); 0: it has none. */
static inline uint32_t plane_record(const struct plane *plane, uint64_t word)
{
    const uint32_t record = fd_word_record(word);
    return record != 0 && planes[fd_word_plane(word)] == plane ? record : 0;
}

/*
 * The plane that has a record of the socket that the number is now; NULL: none. A record of another socket is
 * dropped. Other threads may change the number at any time. Keeps errno.
 */
const struct plane *plane_with_current_record(int fd);

/*
 * The kernel has duplicated `fd`, of which the plane has a record, to `copy` (fd/operations.h, `copied`). And to a
 * number that dup2(2) is replacing (`share`).
 */
static inline void plane_copied(const struct plane *plane, int fd, int copy)
{
    if (plane->operations.copied != NULL)
        plane->operations.copied(fd, copy, fd_word(copy));
}
static inline uint64_t plane_share(const struct plane *plane, int fd)
{
    return plane->operations.share != NULL ? plane->operations.share(fd) : 0;
}

/* The bits of a word that say that the plane has this record, with FD_WORD_FOREIGN. */
uint64_t plane_record_word(const struct plane *plane, uint32_t record);

/*
 * Sets the record of a foreign number that has none. Waits for a call that is replacing the number. Or removes the
 * record from a number that has it. Both return false if the number is not foreign, or has another record.
 */
bool plane_add_record(const struct plane *plane, int fd, uint32_t record);
bool plane_remove_record(const struct plane *plane, int fd, uint32_t record);

/* The operations of a number; NULL: no plane has it. Waits while the number is closing. For hidden ones, too. */
static inline const struct fd_operations *fd_operations_of(int fd)
{
    uint64_t word = fd_word(fd);
    if ((word & (FD_WORD_FOREIGN | FD_WORD_CLOSING)) == FD_WORD_CLOSING)
        word = fd_settled_word(fd);
    if (!fd_word_is_foreign(word))
        return &planes[0]->operations;
    return fd_word_record(word) != 0 ? &planes[fd_word_plane(word)]->operations : NULL;
}

/* The same for a number about which nothing may be recorded: then it costs one load. */
static inline const struct fd_operations *fd_operations_if_known(int fd)
{
    return fd_is_known(fd) ? fd_operations_of(fd) : NULL;
}

#endif
