/*
 * A mark is FD_WORD_LINGER in the word of the number (fd/table.h).
 */
#include "fd/linger.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <time.h>

#include "base/process.h"
#include "base/transport.h"
#include "fd/table.h"

static atomic_bool used; /* there may be marks */

static bool is_marked(int fd)
{
    const uint64_t word = fd_word(fd);
    return (word & FD_WORD_FOREIGN) != 0 && (word & FD_WORD_LINGER) != 0;
}

static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
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

/* Waits while *waited, in microseconds, is below the limit. Adds the time it took. */
static void wait_until_sent(int fd, long *waited)
{
    enum { FIRST_WAIT_US = 100, LONGEST_WAIT_US = 10000, MICROSECOND = 1000 };
    int error = errno;
    for (long wait = FIRST_WAIT_US; *waited < LINGER_MS * 1000L && transport_unacknowledged(fd) > 0;
         *waited += wait) {
        struct timespec pause = {.tv_nsec = wait * MICROSECOND};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        wait = wait * 2 < LONGEST_WAIT_US ? wait * 2 : LONGEST_WAIT_US;
    }
    errno = error;
}

static void linger_on(int fd, long *waited)
{
    /* In an unseen child of a fork, the second question takes the marks away. */
    if (!is_marked(fd) || process_is_vfork_child() || !is_marked(fd))
        return;
    (void)fd_set_flag(fd, FD_WORD_LINGER, false);
    wait_until_sent(fd, waited);
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

/* At exit, the kernel closes what the program left open. */
__attribute__((destructor)) static void linger_at_exit(void)
{
    linger_before_close_range(0, UINT_MAX);
}
