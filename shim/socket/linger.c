/*
 * The marks are one byte a descriptor, and a count that is zero in nearly every process, so that a close elsewhere
 * costs one load. A mark belongs to the process that made it: a child that closes its copy waits for nothing.
 */
#include "socket/linger.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fork.h"
#include "base/process.h"

enum { LINGER_FDS = 65536 }; /* higher numbers are not marked */

static atomic_uchar marks[LINGER_FDS];
static atomic_int mark_count;

static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    if (atomic_load(&mark_count) == 0)
        return;
    memset((void *)marks, 0, sizeof marks);
    atomic_store(&mark_count, 0);
}

const struct process_observer linger_process_observer = {.after_fork_in_child = after_fork_in_child};

void linger_mark(int fd)
{
    if (fd < 0 || fd >= LINGER_FDS)
        return;
    process_check();
    if (atomic_exchange(&marks[fd], 1) == 0)
        atomic_fetch_add(&mark_count, 1);
}

/* Nothing left to send, or nobody to send it to: a connection that was reset keeps its count (tcp(7)). */
static bool nothing_to_wait_for(int fd)
{
    int queued = 0;
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (ioctl(fd, SIOCOUTQ, &queued) != 0 || queued == 0)
        return true;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 || info.tcpi_state == TCP_CLOSE;
}

/* Waits as long as *waited, in microseconds, to which it adds what it took, is below the limit. */
static void wait_until_sent(int fd, long *waited)
{
    enum { FIRST_WAIT_US = 100, LONGEST_WAIT_US = 10000, MICROSECOND = 1000 };
    int error = errno;
    for (long wait = FIRST_WAIT_US; *waited < LINGER_MS * 1000L && !nothing_to_wait_for(fd); *waited += wait) {
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
    if (atomic_load(&marks[fd]) == 0 || process_is_vfork_child())
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

/* At exit the kernel closes what the program left open. */
__attribute__((destructor)) static void linger_at_exit(void)
{
    linger_before_close_range(0, LINGER_FDS - 1);
}
