/*
 * The table of descriptors (fd/table.h): words are read by every call and changed without a lock. Makes system
 * calls only, so it may run in signal handlers and in children of vfork().
 */
#include "fd/table.h"

#include <stddef.h>
#include <sys/resource.h>

#include "base/filter.h"
#include "base/large.h"
#include "base/page.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/trace.h"
#include "fd/change.h"

LARGE _Alignas(PAGE_SMALLEST) _Atomic uint64_t fd_table[FD_TABLE_SIZE];

static atomic_int highest; /* the highest number that the table has ever had a word for */
static atomic_uint last_generation;

enum { CLOSING_TIMEOUT_MS = 10000 };

static bool is_closing(uint64_t word)
{
    return (word & FD_WORD_CLOSING) != 0;
}

static bool is_claimed(uint64_t word)
{
    return (word & FD_WORD_FOREIGN) != 0 && (word & FD_WORD_CLAIMED) != 0;
}

/* Foreign with nothing recorded is 0. */
static uint64_t plain(uint64_t word)
{
    const uint64_t recorded =
        FD_WORD_NOTED | FD_WORD_STREAM | FD_WORD_CLAIMED | FD_WORD_LINGER | FD_WORD_OWN | FD_WORD_RECORD;
    return (word & recorded) != 0 ? word : 0;
}

uint64_t fd_settled_word(int fd)
{
    process_check(); /* in a child of a fork, no thread would finish what the parent's threads were closing */
    for (int round = 0;; round++) {
        const uint64_t word = atomic_load(&fd_table[fd]);
        if (!is_closing(word) || !fd_wait(round, CLOSING_TIMEOUT_MS))
            return word;
    }
}

static void raise_highest(int fd)
{
    int before = atomic_load_explicit(&highest, memory_order_relaxed);
    while (fd > before && !atomic_compare_exchange_weak(&highest, &before, fd))
        continue;
}

uint32_t fd_next_generation(void)
{
    uint32_t generation;
    do
        generation = atomic_fetch_add(&last_generation, 1) + 1;
    while (generation == 0);
    return generation;
}

/* For the trace: what a number becomes. */
__attribute__((unused)) static const char *kind_of(uint64_t word)
{
    if (word == 0)
        return "foreign";
    if ((word & FD_WORD_FOREIGN) != 0)
        return (word & FD_WORD_CLAIMED) != 0 ? "claimed" : fd_word_record(word) != 0 ? "record" : "noted";
    return (word & FD_WORD_CLOSING) != 0 ? "closing" : (word & FD_WORD_HIDDEN) != 0 ? "hidden" : "sealed";
}

static inline void trace(int fd, uint64_t word)
{
    TRACE(FD, kind_of(word), fd, "id", fd_word_id(word));
}

uint64_t fd_table_put(int fd, uint64_t word)
{
    raise_highest(fd);
    trace(fd, word);
    return atomic_exchange(&fd_table[fd], word);
}

uint64_t fd_table_swap(int fd, uint64_t before, uint64_t word)
{
    raise_highest(fd);
    (void)atomic_compare_exchange_strong(&fd_table[fd], &before, word);
    return before;
}

bool fd_table_exchange(int fd, uint64_t before, uint64_t word)
{
    uint64_t now = atomic_load(&fd_table[fd]);
    raise_highest(fd);
    while (fd_word_identity(now) == fd_word_identity(before))
        if (atomic_compare_exchange_weak(&fd_table[fd], &now, word)) {
            trace(fd, word);
            return true;
        }
    return false;
}

bool fd_table_try(int fd, uint64_t word, uint64_t *before)
{
    raise_highest(fd);
    *before = atomic_load(&fd_table[fd]);
    while (fd_word_is_free(*before))
        if (atomic_compare_exchange_weak(&fd_table[fd], before, word)) {
            trace(fd, word);
            return true;
        }
    return false;
}

bool fd_table_take(int fd, uint64_t word, uint64_t *before)
{
    for (int round = 0; !fd_table_try(fd, word, before); round++)
        if (!(is_closing(*before) || is_claimed(*before)) || !fd_wait(round, CLOSING_TIMEOUT_MS))
            return false;
    return true;
}

static int next_with(unsigned first, bool foreign_too)
{
    for (unsigned fd = first; fd <= (unsigned)atomic_load(&highest) && fd < FD_TABLE_SIZE; fd++) {
        const uint64_t word = atomic_load(&fd_table[fd]);
        if (word != 0 && (foreign_too || (word & FD_WORD_FOREIGN) == 0))
            return (int)fd;
    }
    return -1;
}

int fd_next(unsigned first)
{
    return next_with(first, false);
}

int fd_next_known(unsigned first)
{
    return next_with(first, true);
}

bool fd_is_beyond_limit(int fd)
{
    struct rlimit limit = {0};
    return fd > atomic_load(&highest) && !process_sandboxed && filter_allows(SYS_prlimit64) &&
           raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0 && (rlim_t)fd >= limit.rlim_cur;
}

/* --- closing --- */

static uint64_t word_claimed(uint32_t generation)
{
    return (uint64_t)generation << FD_WORD_ID_SHIFT | FD_WORD_FOREIGN | FD_WORD_CLAIMED;
}

bool fd_claim(int fd, uint32_t generation, bool passes, uint64_t *before)
{
    const uint64_t temporary = FD_WORD_HIDDEN | FD_WORD_TEMPORARY;
    const uint64_t word = passes ? word_claimed(generation) : fd_word_closing(generation);
    *before = temporary;
    return (unsigned)fd < FD_TABLE_SIZE &&
           (fd_table_try(fd, word, before) || (*before == temporary && fd_table_exchange(fd, *before, word)));
}

bool fd_vacate_as(int fd, uint32_t generation, uint64_t word)
{
    return (unsigned)fd < FD_TABLE_SIZE && (fd_table_exchange(fd, fd_word_closing(generation), word) ||
                                            fd_table_exchange(fd, word_claimed(generation), word));
}

void fd_vacate_range(unsigned first, unsigned last, uint32_t generation, bool close)
{
    for (int fd = fd_next(first); fd >= 0 && (unsigned)fd <= last; fd = fd_next((unsigned)fd + 1)) {
        if (close && atomic_load(&fd_table[fd]) == fd_word_closing(generation))
            (void)raw_syscall(SYS_close, fd);
        fd_vacate(fd, generation);
    }
}

void fd_end_closing(bool (*must_close)(int fd))
{
    for (int fd = fd_next_known(0); fd >= 0; fd = fd_next_known((unsigned)fd + 1)) {
        const uint64_t word = atomic_load(&fd_table[fd]);
        if (is_closing(word) && must_close(fd))
            (void)raw_syscall(SYS_close, fd);
        if (is_closing(word) || is_claimed(word))
            fd_vacate(fd, fd_word_id(word));
    }
}

/* Nothing is recorded about the number any more, except FD_WORD_OWN. */
void fd_forget(int fd)
{
    uint64_t word = fd_word(fd);
    while (word != 0 && fd_word_is_free(word)) {
        const uint64_t own = plain(word & (FD_WORD_FOREIGN | FD_WORD_OWN));
        if (word == own)
            return;
        if (atomic_compare_exchange_weak(&fd_table[fd], &word, own)) {
            fd_dropped(fd, word);
            return;
        }
    }
}

void fd_forget_range(unsigned first, unsigned last)
{
    for (int fd = fd_next_known(first); fd >= 0 && (unsigned)fd <= last; fd = fd_next_known((unsigned)fd + 1))
        fd_forget(fd);
}

/* --- close-on-exec --- */

bool fd_cloexec(int fd)
{
    return fd_word_cloexec(atomic_load(&fd_table[fd]));
}

bool fd_set_cloexec(int fd, bool cloexec)
{
    uint64_t word = atomic_load(&fd_table[fd]);
    for (;;) {
        if (word == 0 || (word & (FD_WORD_CLOSING | FD_WORD_HIDDEN | FD_WORD_FOREIGN)) != 0)
            return false;
        const uint64_t wished = cloexec ? word | FD_WORD_CLOEXEC : fd_word_identity(word);
        if (atomic_compare_exchange_weak(&fd_table[fd], &word, wished))
            return true;
    }
}

void fd_set_cloexec_range(unsigned first, unsigned last)
{
    for (int fd = fd_next(first); fd >= 0 && (unsigned)fd <= last; fd = fd_next((unsigned)fd + 1))
        (void)fd_set_cloexec(fd, true);
}

/* --- foreign numbers --- */

bool fd_set_flag(int fd, unsigned flag, bool set)
{
    if ((unsigned)fd >= FD_TABLE_SIZE)
        return false;
    raise_highest(fd);
    uint64_t word = atomic_load(&fd_table[fd]);
    while (fd_word_is_free(word)) {
        const uint64_t changed = set ? word | FD_WORD_FOREIGN | flag : plain(word & ~(uint64_t)flag);
        if (atomic_compare_exchange_weak(&fd_table[fd], &word, changed))
            return true;
    }
    return false;
}

/* The record in a word, and the plane that has it. */
static uint64_t record_in(uint64_t word)
{
    return fd_word_record(word) != 0 ? word & (FD_WORD_RECORD | FD_WORD_PLANE) : 0;
}

bool fd_add_record(int fd, uint64_t record_word)
{
    if ((unsigned)fd >= FD_TABLE_SIZE)
        return false;
    raise_highest(fd);
    for (int round = 0;; round++) {
        uint64_t word = atomic_load(&fd_table[fd]);
        while (fd_word_is_free(word) && fd_word_record(word) == 0)
            if (atomic_compare_exchange_weak(&fd_table[fd], &word, word | record_word))
                return true;
        if (!(is_closing(word) || is_claimed(word)) || !fd_wait(round, CLOSING_TIMEOUT_MS))
            return false;
    }
}

bool fd_remove_record(int fd, uint64_t record_word)
{
    uint64_t word = fd_word(fd);
    while (record_in(word) != 0 && record_in(word) == record_in(record_word))
        if (atomic_compare_exchange_weak(&fd_table[fd], &word, plain(word & ~(FD_WORD_RECORD | FD_WORD_PLANE))))
            return true;
    return false;
}
