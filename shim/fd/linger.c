/*
 * A mark is one byte for each descriptor. A count of the marks is zero in nearly every process, so that closing
 * other descriptors costs one load. A mark belongs to the process that made it: a child that closes its copy does
 * not wait.
 */
#include "fd/linger.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/transport.h"

enum { LINGER_FDS = 65536 }; /* higher descriptors are not marked */

static atomic_uchar marks[LINGER_FDS];
static atomic_int mark_count;
static atomic_int marking_pid; /* the process that the marks belong to */

void linger_mark(int fd)
{
    if (fd < 0 || fd >= LINGER_FDS)
        return;
    atomic_store(&marking_pid, (int)getpid());
    if (atomic_exchange(&marks[fd], 1) == 0)
        atomic_fetch_add(&mark_count, 1);
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
    if (atomic_load_explicit(&mark_count, memory_order_relaxed) == 0 || fd < 0 || fd >= LINGER_FDS)
        return;
    if (atomic_load(&marks[fd]) == 0 || atomic_load(&marking_pid) != (int)getpid())
        return;
    if (atomic_exchange(&marks[fd], 0) == 0)
        return;
    atomic_fetch_sub(&mark_count, 1);
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
    for (unsigned fd = first; fd <= last && fd < LINGER_FDS; fd++) {
        if (atomic_load_explicit(&mark_count, memory_order_relaxed) == 0)
            return;
        linger_on((int)fd, &waited);
    }
}

/* At exit, the kernel closes what the program left open. */
__attribute__((destructor)) static void linger_at_exit(void)
{
    linger_before_close_range(0, LINGER_FDS - 1);
}
