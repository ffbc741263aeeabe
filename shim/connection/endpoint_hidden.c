/*
 * Numbers that the shim uses itself, out of the program's reach. They are made by fcntl(2) and known a moment
 * later, and in that moment other threads may close a range of numbers, or put something at just this one. May run
 * in signal handlers: makes system calls only.
 */
#include "connection/endpoint_table.h"

#include <sys/stat.h>

#include "base/fork_lock.h"
#include "base/process.h"
#include "base/signals.h"
#include "fd/own.h"
#include "base/raw_syscall.h"

atomic_int endpoint_reserved;

static atomic_int ranges; /* calls that are closing a range */

enum { HIDE_TIMEOUT_MS = 50 }; /* this may be under a lock that the other call waits for */

void endpoint_begin_range(void)
{
    atomic_fetch_add(&ranges, 1);
}

void endpoint_end_range(void)
{
    atomic_fetch_sub(&ranges, 1);
}

void endpoint_forget_calls(void)
{
    atomic_store(&ranges, 0);
    for (int fd = endpoint_next(0); fd >= 0; fd = endpoint_next((unsigned)fd + 1))
        if (atomic_load(&endpoint_table[fd]) == (ENDPOINT_HIDDEN | ENDPOINT_PASSING))
            endpoint_unreserve(fd, true);
}

int endpoint_lowest_kept(unsigned first, unsigned last, uint32_t generation)
{
    if (atomic_load(&endpoint_count) == 0 && atomic_load(&endpoint_reserved) == 0)
        return -1;
    for (int fd = endpoint_next(first); fd >= 0 && (unsigned)fd <= last; fd = endpoint_next((unsigned)fd + 1)) {
        const uint64_t word = atomic_load(&endpoint_table[fd]);
        if ((word & ENDPOINT_HIDDEN) != 0 ||
            ((word & ENDPOINT_CLOSING) != 0 && word != endpoint_table_closing(generation)))
            return fd;
    }
    return -1;
}

/* Whether both numbers are of one file. */
static bool is_same_file(int fd, int other)
{
    struct stat status = {0}, other_status = {0};
    return raw_syscall(SYS_fstat, fd, &status) == 0 && raw_syscall(SYS_fstat, other, &other_status) == 0 &&
           status.st_dev == other_status.st_dev && status.st_ino == other_status.st_ino;
}

/* What this takes is left alone by ranges that begin from now on; those that have begun are waited for. */
static bool take(int number, uint64_t closing)
{
    uint64_t before;
    for (int round = 0; !endpoint_table_try(number, closing, &before); round++)
        if ((before & (ENDPOINT_CLOSING | ENDPOINT_FOREIGN)) == 0 || !endpoint_wait(round, HIDE_TIMEOUT_MS))
            return false;
    for (int round = 0; atomic_load(&ranges) > 0 && endpoint_wait(round, HIDE_TIMEOUT_MS); round++)
        continue;
    return true;
}

/*
 * The kernel has just made `number` a duplicate of `fd`. It is closing, so that nobody else acts on it, until it is
 * known whether it still is that duplicate: then it is hidden, else it stays what it has become.
 */
static bool hide(int number, int fd, uint64_t hidden)
{
    const uint32_t generation = endpoint_next_generation();
    if (!take(number, endpoint_table_closing(generation)))
        return false;
    const bool is_ours = process_sandboxed || is_same_file(fd, number);
    if (is_ours)
        atomic_fetch_add(&endpoint_reserved, 1);
    endpoint_vacate_as(number, generation, is_ours ? hidden : 0);
    return is_ours;
}

static int duplicate(int fd, int at_least, uint64_t word)
{
    enum { TRIES = 8 };
    int hidden = -1;
    if (process_is_vfork_child()) /* the table is its parent's */
        return -1;
    signals_pin();
    process_block_forks();
    for (int i = 0; i < TRIES && hidden < 0; i++) {
        const int number = own_duplicate_high(fd, at_least);
        if (number < 0 || number >= ENDPOINT_FDS) {
            (void)raw_syscall(SYS_close, number);
            break;
        }
        hidden = hide(number, fd, word) ? number : -1;
    }
    process_unblock_forks();
    signals_unpin();
    return hidden;
}

int endpoint_reserve_duplicate(int fd, int at_least)
{
    return duplicate(fd, at_least, ENDPOINT_HIDDEN);
}

int endpoint_keep_open(int fd)
{
    return duplicate(fd, OWN_FIRST, ENDPOINT_HIDDEN | ENDPOINT_PASSING);
}

bool endpoint_unhide(int hidden, uint32_t generation)
{
    if ((unsigned)hidden >= ENDPOINT_FDS)
        return false;
    const uint64_t word = atomic_load(&endpoint_table[hidden]);
    return (word & ENDPOINT_HIDDEN) != 0 &&
           endpoint_table_exchange(hidden, word, endpoint_table_closing(generation));
}

void endpoint_unreserve(int fd, bool close)
{
    const uint32_t generation = endpoint_next_generation();
    signals_pin();
    process_block_forks();
    atomic_fetch_sub(&endpoint_reserved, 1);
    const bool was_hidden = endpoint_unhide(fd, generation);
    if (was_hidden && close)
        (void)raw_syscall(SYS_close, fd);
    endpoint_vacate(fd, generation);
    process_unblock_forks();
    signals_unpin();
}
