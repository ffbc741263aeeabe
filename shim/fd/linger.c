/*
 * A marked number has FD_WORD_LINGER in its word (fd/table.h). The close of a blocking descriptor waits itself. For
 * a non-blocking one, a hidden duplicate keeps the socket open, and a thread that exists only meanwhile closes it.
 * The destructor covers what the program leaves open. Waiting uses system calls and clock_nanosleep(3) only.
 */
#include "fd/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/large.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/transport.h"
#include "fd/hidden.h"
#include "fd/own.h"
#include "fd/table.h"

enum { KEPT_MAX = 64, BEING_MADE = -1, MICROSECOND = 1000 };

/* A hidden duplicate. */
struct kept {
    atomic_int number_plus_1; /* 0: a free entry; BEING_MADE */
    _Atomic uint64_t until_ms;
};
LARGE static struct kept kept[KEPT_MAX];
static atomic_int kept_count;
static atomic_bool works;           /* the thread exists, or is being made */
static bool may_make_thread = true; /* in a child that libc has not made, the locks of libc may be taken */

static atomic_bool used; /* a number may be marked */

static bool is_marked(int fd)
{
    const uint64_t word = fd_word(fd);
    return (word & FD_WORD_FOREIGN) != 0 && (word & FD_WORD_LINGER) != 0;
}

/* Closes the duplicate. */
static void let_go(struct kept *entry, int number)
{
    int expected = number + 1;
    if (!atomic_compare_exchange_strong(&entry->number_plus_1, &expected, 0))
        return;
    fd_unreserve(number, true);
    atomic_fetch_sub(&kept_count, 1);
}

/* Closes the duplicates whose peer's kernel has everything, or has had LINGER_MS; `all`: every one. */
static void let_go_of(bool all)
{
    for (int i = 0; i < KEPT_MAX; i++) {
        const int number = atomic_load(&kept[i].number_plus_1) - 1;
        if (number >= 0 &&
            (all || clock_ms() >= atomic_load(&kept[i].until_ms) || transport_unacknowledged(number) == 0))
            let_go(&kept[i], number);
    }
}

static void *work(void *nothing)
{
    enum { PAUSE_US = 2000 };
    do {
        while (atomic_load(&kept_count) > 0) {
            struct timespec pause = {.tv_nsec = (long)PAUSE_US * MICROSECOND};
            let_go_of(false);
            (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        }
        atomic_store(&works, false);
    } while (atomic_load(&kept_count) > 0 && !atomic_exchange(&works, true));
    return nothing;
}

/* Makes the thread if it does not exist, with all signals blocked. False: there is none. */
static bool ensure_thread(void)
{
    enum { STACK_BYTES = 64 * 1024 };
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (atomic_exchange(&works, true))
        return true;
    bool made = false;
    if (may_make_thread && pthread_attr_init(&attributes) == 0) {
        (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
        (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        made = pthread_create(&thread, &attributes, work, NULL) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void)pthread_attr_destroy(&attributes);
    }
    if (!made)
        atomic_store(&works, false);
    return made;
}

/* Keeps a duplicate of the descriptor. Without a free number, entry or thread, nothing is kept. */
static void keep(int fd)
{
    const int number = fd_reserve_duplicate(fd, OWN_FIRST);
    for (int i = 0; i < KEPT_MAX && number >= 0; i++) {
        int none = 0;
        if (!atomic_compare_exchange_strong(&kept[i].number_plus_1, &none, BEING_MADE))
            continue;
        atomic_store(&kept[i].until_ms, clock_ms() + LINGER_MS);
        atomic_fetch_add(&kept_count, 1);
        atomic_store(&kept[i].number_plus_1, number + 1);
        if (!ensure_thread())
            let_go(&kept[i], number);
        return;
    }
    if (number >= 0)
        fd_unreserve(number, true);
}

static void after_fork_in_child(enum process_fork kind)
{
    may_make_thread = kind == PROCESS_FORK_LIBC;
    atomic_store(&works, false);
    let_go_of(true);
    for (int i = 0; i < KEPT_MAX; i++)
        atomic_store(&kept[i].number_plus_1, 0);
    atomic_store(&kept_count, 0);
    for (int fd = atomic_exchange(&used, false) ? fd_next_known(0) : -1; fd >= 0;
         fd = fd_next_known((unsigned)fd + 1))
        if (is_marked(fd))
            (void)fd_set_flag(fd, FD_WORD_LINGER, false);
}

const struct process_observer linger_process_observer = {.after_fork_in_child = after_fork_in_child};

void linger_mark(int fd)
{
    process_check();
    atomic_store(&used, true);
    (void)fd_set_flag(fd, FD_WORD_LINGER, true);
}

/* Waits while *waited, in microseconds, is below the limit. Adds the time it took. fd -1: for the duplicates. */
static void wait_until_sent(int fd, long *waited)
{
    enum { FIRST_WAIT_US = 100, LONGEST_WAIT_US = 10000 };
    for (long wait = FIRST_WAIT_US;
         *waited < LINGER_MS * 1000L && (fd >= 0 ? transport_unacknowledged(fd) : atomic_load(&kept_count)) > 0;
         *waited += wait) {
        struct timespec pause = {.tv_nsec = wait * MICROSECOND};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        wait = wait * 2 < LONGEST_WAIT_US ? wait * 2 : LONGEST_WAIT_US;
    }
}

static bool is_nonblocking(int fd)
{
    const long flags = process_sandboxed ? 0 : raw_syscall(RAW_FCNTL, fd, F_GETFL, 0);
    return flags > 0 && (flags & O_NONBLOCK) != 0;
}

static void linger_on(int fd, long *waited)
{
    /* In an unseen child of a fork, the second question takes the marks away. */
    if (!is_marked(fd) || process_is_vfork_child() || !is_marked(fd))
        return;
    const int error = errno;
    (void)fd_set_flag(fd, FD_WORD_LINGER, false);
    if (!is_nonblocking(fd))
        wait_until_sent(fd, waited);
    else if (transport_unacknowledged(fd) > 0)
        keep(fd);
    errno = error;
}

void linger_before_close(int fd)
{
    long waited = 0;
    linger_on(fd, &waited);
}

void linger_before_close_range(unsigned first, unsigned last)
{
    long waited = 0;
    for (int fd = atomic_load(&used) ? fd_next_known(first) : -1; fd >= 0 && (unsigned)fd <= last;
         fd = fd_next_known((unsigned)fd + 1))
        linger_on(fd, &waited);
}

/* At exit, the kernel closes what the program left open, and the duplicates. */
__attribute__((destructor)) static void linger_at_exit(void)
{
    long waited = 0;
    linger_before_close_range(0, UINT_MAX);
    wait_until_sent(-1, &waited);
}
