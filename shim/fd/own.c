/*
 * The shim's own files. The table of descriptors has FD_WORD_OWN for their numbers. A small array of atomics says
 * which number each file has now, so that signal handlers and children of fork() and vfork() can read it without a
 * lock.
 */
#include "fd/own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/filter.h"
#include "base/fork.h"
#include "base/libc.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "fd/change.h"

struct descriptor {
    atomic_int number_plus_1; /* 0: a free slot */
    atomic_int users;         /* between acquire and release */
};

static struct descriptor slots[OWN_MAX];

static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    for (int i = 0; i < OWN_MAX; i++)
        atomic_store(&slots[i].users, 0); /* those were threads of the parent */
}

const struct process_observer own_process_observer = {.after_fork_in_child = after_fork_in_child};

int own_duplicate_high(int fd, int at_least)
{
    long high = raw_syscall(RAW_FCNTL, fd, F_DUPFD_CLOEXEC, at_least);
    struct rlimit limit = {0};
    /* The limit is below that number, or no number from there on is free: as high as possible. */
    if ((high == -EINVAL || high == -EMFILE) && filter_allows(SYS_prlimit64) &&
        raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0)
        for (int lower = limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur - 1 : INT_MAX; lower > 2 && high < 0;
             lower /= 2)
            high = raw_syscall(RAW_FCNTL, fd, F_DUPFD_CLOEXEC, lower);
    return (int)high;
}

/* The kernel has just given out the number, so the table's word for it is out of date. */
static void mark(int fd)
{
    if (fd < FD_TABLE_SIZE)
        fd_dropped(fd, fd_table_put(fd, FD_WORD_FOREIGN | FD_WORD_OWN));
}

int own_take(int fd, struct descriptor **taken)
{
    const int high = own_duplicate_high(fd, OWN_FIRST);
    real_libc()->close(fd);
    if (high < 0)
        return high;
    for (int i = 0; i < OWN_MAX; i++) {
        int expected = 0;
        if (atomic_compare_exchange_strong(&slots[i].number_plus_1, &expected, high + 1)) {
            mark(high);
            *taken = &slots[i];
            return 0;
        }
    }
    real_libc()->close(high);
    return -EMFILE;
}

void own_close(struct descriptor *descriptor)
{
    if (descriptor == NULL)
        return;
    int number = atomic_exchange(&descriptor->number_plus_1, 0) - 1;
    if (number < 0)
        return;
    (void)fd_set_flag(number, FD_WORD_OWN, false);
    real_libc()->close(number);
}

void own_forget(struct descriptor *descriptor)
{
    const int number = descriptor != NULL ? atomic_exchange(&descriptor->number_plus_1, 0) - 1 : -1;
    if (number >= 0)
        (void)fd_set_flag(number, FD_WORD_OWN, false);
}

int own_acquire(struct descriptor *descriptor)
{
    atomic_fetch_add(&descriptor->users, 1);
    return atomic_load(&descriptor->number_plus_1) - 1;
}

void own_release(struct descriptor *descriptor)
{
    atomic_fetch_sub(&descriptor->users, 1);
}

static void slot_move(struct descriptor *slot, int fd)
{
    int moved = own_duplicate_high(fd, fd + 1);
    if (moved < 0)
        moved = own_duplicate_high(fd, OWN_FIRST);
    int expected = fd + 1;
    if (!atomic_compare_exchange_strong(&slot->number_plus_1, &expected, moved + 1)) {
        if (moved >= 0)
            real_libc()->close(moved);
        return;
    }
    if (moved >= 0)
        mark(moved);
    (void)fd_set_flag(fd, FD_WORD_OWN, false);
    /* A thread that has just read the old number needs microseconds. The loop ends also if that thread has died. */
    enum { SPINS = 10000 };
    for (int i = 0; i < SPINS && atomic_load(&slot->users) > 0; i++)
        sched_yield();
}

void own_make_way(int fd)
{
    if (!fd_is_own(fd) || process_is_vfork_child())
        return;
    int error = errno;
    for (int i = 0; i < OWN_MAX; i++)
        if (atomic_load(&slots[i].number_plus_1) == fd + 1)
            slot_move(&slots[i], fd);
    errno = error;
}

int own_lowest(unsigned first, unsigned last)
{
    int lowest = -1;
    for (int i = 0; i < OWN_MAX; i++) {
        int number = atomic_load_explicit(&slots[i].number_plus_1, memory_order_relaxed) - 1;
        if (number >= 0 && (unsigned)number >= first && (unsigned)number <= last && (lowest < 0 || number < lowest))
            lowest = number;
    }
    return lowest;
}
