/*
 * fcntl(2) makes a duplicate, and a moment later its number becomes hidden in the table. In that moment another
 * thread may close a range of numbers, or replace exactly this one. So a number becomes hidden only after a check
 * that it still is that duplicate. May run in signal handlers: makes system calls only.
 */
#include "fd/hidden.h"

#include <sys/stat.h>

#include "base/fork_lock.h"
#include "base/process.h"
#include "base/raw_file.h"
#include "base/signals.h"
#include "fd/own.h"

atomic_int fd_reserved;

static atomic_int ranges; /* calls of close_range() that are under way */

enum { HIDE_TIMEOUT_MS = 50 }; /* short, since the other call may wait for a lock that this caller holds */

void fd_begin_range(void)
{
    atomic_fetch_add(&ranges, 1);
}

void fd_end_range(void)
{
    atomic_fetch_sub(&ranges, 1);
}

void fd_forget_calls(void)
{
    atomic_store(&ranges, 0);
    for (int fd = fd_next(0); fd >= 0; fd = fd_next((unsigned)fd + 1))
        if (atomic_load(&fd_table[fd]) == (FD_WORD_HIDDEN | FD_WORD_TEMPORARY))
            fd_unreserve(fd, true);
}

int fd_lowest_kept(unsigned first, unsigned last, uint32_t generation)
{
    for (int fd = fd_next(first); fd >= 0 && (unsigned)fd <= last; fd = fd_next((unsigned)fd + 1)) {
        const uint64_t word = atomic_load(&fd_table[fd]);
        if ((word & FD_WORD_HIDDEN) != 0 || ((word & FD_WORD_CLOSING) != 0 && word != fd_word_closing(generation)))
            return fd;
    }
    return -1;
}

/* Whether both numbers refer to the same file. */
static bool is_same_file(int fd, int other)
{
    struct stat status = {0}, other_status = {0};
    return raw_fstat(fd, &status) == 0 && raw_fstat(other, &other_status) == 0 &&
           status.st_dev == other_status.st_dev && status.st_ino == other_status.st_ino;
}

/* A close_range() that begins from now on leaves the number alone. One that has begun before is waited for. */
static bool take(int number, uint64_t closing)
{
    uint64_t before;
    for (int round = 0; !fd_table_try(number, closing, &before); round++)
        if ((before & (FD_WORD_CLOSING | FD_WORD_FOREIGN)) == 0 || !fd_wait(round, HIDE_TIMEOUT_MS))
            return false;
    for (int round = 0; atomic_load(&ranges) > 0 && fd_wait(round, HIDE_TIMEOUT_MS); round++)
        continue;
    return true;
}

/*
 * The kernel has just made `number` a duplicate of `fd`, a socket with this identity (0: or any other file). The
 * number is closing during the check, so that no other call acts on it. If it still is that duplicate, it becomes
 * hidden. Otherwise it belongs to another thread.
 */
static bool hide(int number, int fd, uint64_t identity, uint64_t hidden)
{
    const uint32_t generation = fd_next_generation();
    if (!take(number, fd_word_closing(generation)))
        return false;
    const bool is_duplicate =
        process_sandboxed || (identity != 0 && fd_socket_identity(number) == identity) || is_same_file(fd, number);
    if (is_duplicate)
        atomic_fetch_add(&fd_reserved, 1);
    fd_vacate_as(number, generation, is_duplicate ? hidden : 0);
    return is_duplicate;
}

static int duplicate(int fd, int at_least, uint64_t identity, uint64_t word)
{
    enum { TRIES = 8 };
    int hidden = -1;
    if (process_is_vfork_child()) /* it shares its parent's table, but not its descriptors */
        return -1;
    signals_pin();
    process_block_forks();
    for (int i = 0; i < TRIES && hidden < 0; i++) {
        const int number = own_duplicate_high(fd, at_least);
        if (number < 0 || number >= FD_TABLE_SIZE) {
            (void)raw_syscall(SYS_close, number);
            break;
        }
        hidden = hide(number, fd, identity, word) ? number : -1;
    }
    process_unblock_forks();
    signals_unpin();
    return hidden;
}

int fd_reserve_duplicate(int fd, int at_least)
{
    return duplicate(fd, at_least, 0, FD_WORD_HIDDEN);
}

int fd_reserve_socket(int fd, int at_least, uint64_t identity)
{
    return duplicate(fd, at_least, identity, FD_WORD_HIDDEN);
}

int fd_keep_open(int fd)
{
    return duplicate(fd, OWN_FIRST, 0, FD_WORD_HIDDEN | FD_WORD_TEMPORARY);
}

bool fd_unhide(int hidden, uint32_t generation)
{
    if ((unsigned)hidden >= FD_TABLE_SIZE)
        return false;
    const uint64_t word = atomic_load(&fd_table[hidden]);
    return (word & FD_WORD_HIDDEN) != 0 && fd_table_exchange(hidden, word, fd_word_closing(generation));
}

void fd_unreserve(int fd, bool close)
{
    const uint32_t generation = fd_next_generation();
    signals_pin();
    process_block_forks();
    atomic_fetch_sub(&fd_reserved, 1);
    const bool was_hidden = fd_unhide(fd, generation);
    if (was_hidden && close)
        (void)raw_syscall(SYS_close, fd);
    fd_vacate(fd, generation);
    process_unblock_forks();
    signals_unpin();
}
