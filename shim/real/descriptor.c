/*
 * The shim's own descriptors: a small table of atomics, so that it can be read from signal handlers and from
 * children of fork() and vfork() without a lock.
 */
#include "real/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "real/kernel.h"
#include "real/libc.h"

struct descriptor {
    atomic_int number_plus_1; /* 0: a free slot */
    atomic_int users;         /* between acquire and release */
};

static struct descriptor slots[DESCRIPTOR_OWN_MAX];
static atomic_int table_pid; /* whose descriptor table the slots speak of */

static void child_took_over(void)
{
    atomic_store(&table_pid, (int)getpid());
    for (int i = 0; i < DESCRIPTOR_OWN_MAX; i++)
        atomic_store(&slots[i].users, 0);
}

int descriptor_duplicate_high(int fd, int at_least)
{
    /* The kernel's own call: `fd` may be one that the shim keeps from the program. */
    long high = KERNEL_3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, at_least);
    struct rlimit limit;
    /* The limit is below that number, or all from there on are taken: as high as it goes. */
    if ((high == -EINVAL || high == -EMFILE) && KERNEL_4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0)
        for (int lower = limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur - 1 : INT_MAX; lower > 2 && high < 0;
             lower /= 2)
            high = KERNEL_3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, lower);
    if (high >= 0)
        return (int)high;
    errno = (int)-high;
    return -1;
}

struct descriptor *descriptor_own(int fd)
{
    static atomic_bool registered;
    if (!atomic_exchange(&registered, true)) {
        atomic_store(&table_pid, (int)getpid());
        pthread_atfork(NULL, NULL, child_took_over);
    }
    int high = descriptor_duplicate_high(fd, DESCRIPTOR_OWN_FIRST);
    int error = errno;
    real_libc()->close(fd);
    if (high < 0) {
        errno = error;
        return NULL;
    }
    for (int i = 0; i < DESCRIPTOR_OWN_MAX; i++) {
        int expected = 0;
        if (atomic_compare_exchange_strong(&slots[i].number_plus_1, &expected, high + 1))
            return &slots[i];
    }
    real_libc()->close(high);
    errno = EMFILE;
    return NULL;
}

void descriptor_close(struct descriptor *descriptor)
{
    if (descriptor == NULL)
        return;
    int number = atomic_exchange(&descriptor->number_plus_1, 0) - 1;
    if (number >= 0)
        real_libc()->close(number);
}

void descriptor_forget(struct descriptor *descriptor)
{
    if (descriptor != NULL)
        atomic_store(&descriptor->number_plus_1, 0);
}

int descriptor_acquire(struct descriptor *descriptor)
{
    atomic_fetch_add(&descriptor->users, 1);
    return atomic_load(&descriptor->number_plus_1) - 1;
}

void descriptor_release(struct descriptor *descriptor)
{
    atomic_fetch_sub(&descriptor->users, 1);
}

bool descriptor_is_own(int fd)
{
    for (int i = 0; i < DESCRIPTOR_OWN_MAX; i++)
        if (fd >= 0 && atomic_load_explicit(&slots[i].number_plus_1, memory_order_relaxed) == fd + 1)
            return true;
    return false;
}

static void slot_move(struct descriptor *slot, int fd)
{
    int moved = descriptor_duplicate_high(fd, fd + 1);
    if (moved < 0)
        moved = descriptor_duplicate_high(fd, DESCRIPTOR_OWN_FIRST);
    int expected = fd + 1;
    if (!atomic_compare_exchange_strong(&slot->number_plus_1, &expected, moved + 1)) {
        if (moved >= 0)
            real_libc()->close(moved);
        return;
    }
    /* Whoever has just read the old number is done in microseconds; one who died in between must not hold us up. */
    enum { PATIENCE = 10000 };
    for (int i = 0; i < PATIENCE && atomic_load(&slot->users) > 0; i++)
        sched_yield();
}

void descriptor_make_way(int fd)
{
    if (!descriptor_is_own(fd) || atomic_load(&table_pid) != (int)getpid())
        return;
    int error = errno;
    for (int i = 0; i < DESCRIPTOR_OWN_MAX; i++)
        if (atomic_load(&slots[i].number_plus_1) == fd + 1)
            slot_move(&slots[i], fd);
    errno = error;
}

int descriptor_lowest_own(unsigned first, unsigned last)
{
    int lowest = -1;
    for (int i = 0; i < DESCRIPTOR_OWN_MAX; i++) {
        int number = atomic_load_explicit(&slots[i].number_plus_1, memory_order_relaxed) - 1;
        if (number >= 0 && (unsigned)number >= first && (unsigned)number <= last && (lowest < 0 || number < lowest))
            lowest = number;
    }
    return lowest;
}
