/*
 * The table of descriptors: one word for each number, read by every call and changed without a lock (endpoint.h has
 * the states). May run in signal handlers and in children of vfork(): makes system calls only.
 */
#include "connection/endpoint_table.h"

#include <sys/resource.h>

#include "rules/destination.h"
#include "base/process.h"
#include "config/init.h"
#include "base/raw_syscall.h"

_Atomic uint64_t endpoint_table[ENDPOINT_FDS];

static atomic_int highest; /* no number in the table has ever been higher */
static atomic_uint last_generation;

enum { CLOSING_TIMEOUT_MS = 10000 };

static bool is_closing(uint64_t word)
{
    return (word & ENDPOINT_CLOSING) != 0;
}

/* A foreign number that no call has claimed. */
static bool is_free(uint64_t word)
{
    return word == 0 || (word & (ENDPOINT_FOREIGN | ENDPOINT_CLAIMED)) == ENDPOINT_FOREIGN;
}

uint64_t endpoint_settled_word(int fd)
{
    process_check(); /* in a child no thread goes on with what the parent's threads were closing */
    for (int round = 0;; round++) {
        const uint64_t word = atomic_load(&endpoint_table[fd]);
        if (!is_closing(word) || !endpoint_wait(round, CLOSING_TIMEOUT_MS))
            return word;
    }
}

static void note_number(int fd)
{
    int before = atomic_load_explicit(&highest, memory_order_relaxed);
    while (fd > before && !atomic_compare_exchange_weak(&highest, &before, fd))
        continue;
}

uint32_t endpoint_next_generation(void)
{
    uint32_t generation;
    do
        generation = atomic_fetch_add(&last_generation, 1) + 1;
    while (generation == 0); /* stands for none */
    return generation;
}

uint64_t endpoint_table_put(int fd, uint64_t word)
{
    note_number(fd);
    return atomic_exchange(&endpoint_table[fd], word);
}

bool endpoint_table_exchange(int fd, uint64_t before, uint64_t word)
{
    uint64_t now = atomic_load(&endpoint_table[fd]);
    note_number(fd);
    while (endpoint_table_identity(now) == endpoint_table_identity(before))
        if (atomic_compare_exchange_weak(&endpoint_table[fd], &now, word))
            return true;
    return false;
}

bool endpoint_table_try(int fd, uint64_t word, uint64_t *before)
{
    note_number(fd);
    *before = atomic_load(&endpoint_table[fd]);
    while (is_free(*before))
        if (atomic_compare_exchange_weak(&endpoint_table[fd], before, word))
            return true;
    return false;
}

bool endpoint_table_take(int fd, uint64_t word, uint64_t *before)
{
    for (int round = 0; !endpoint_table_try(fd, word, before); round++)
        if ((*before & (ENDPOINT_CLOSING | ENDPOINT_FOREIGN)) == 0 || !endpoint_wait(round, CLOSING_TIMEOUT_MS))
            return false;
    return true;
}

int endpoint_next(unsigned first)
{
    for (unsigned fd = first; fd <= (unsigned)atomic_load(&highest) && fd < ENDPOINT_FDS; fd++) {
        const uint64_t word = atomic_load(&endpoint_table[fd]);
        if (word != 0 && (word & ENDPOINT_FOREIGN) == 0)
            return (int)fd;
    }
    return -1;
}

int endpoint_number(const struct endpoint *endpoint, int from)
{
    for (int fd = from; fd <= atomic_load(&highest); fd++)
        if (endpoint_of(fd) == endpoint)
            return fd;
    return -1;
}

/* --- closing --- */

static uint64_t claimed(uint32_t generation)
{
    return (uint64_t)generation << ENDPOINT_GENERATION_SHIFT | ENDPOINT_FOREIGN | ENDPOINT_CLAIMED;
}

bool endpoint_claim(int fd, uint32_t generation, bool passes, uint64_t *before)
{
    const uint64_t word = passes ? claimed(generation) : endpoint_table_closing(generation);
    *before = ENDPOINT_HIDDEN | ENDPOINT_PASSING;
    return (unsigned)fd < ENDPOINT_FDS &&
           (endpoint_table_try(fd, word, before) ||
            (*before == (ENDPOINT_HIDDEN | ENDPOINT_PASSING) && endpoint_table_exchange(fd, *before, word)));
}

void endpoint_vacate_as(int fd, uint32_t generation, uint64_t word)
{
    if ((unsigned)fd < ENDPOINT_FDS && !endpoint_table_exchange(fd, endpoint_table_closing(generation), word))
        (void)endpoint_table_exchange(fd, claimed(generation), word);
}

void endpoint_vacate_range(unsigned first, unsigned last, uint32_t generation, bool close)
{
    for (int fd = endpoint_next(first); fd >= 0 && (unsigned)fd <= last; fd = endpoint_next((unsigned)fd + 1)) {
        if (close && atomic_load(&endpoint_table[fd]) == endpoint_table_closing(generation))
            (void)raw_syscall(SYS_close, fd);
        endpoint_vacate(fd, generation);
    }
}

void endpoint_end_closing(void)
{
    for (int fd = 0; fd <= atomic_load(&highest); fd++) {
        const uint64_t word = atomic_load(&endpoint_table[fd]);
        const bool is_claimed = (word & ENDPOINT_FOREIGN) != 0 && (word & ENDPOINT_CLAIMED) != 0;
        if (is_closing(word) && destination_is_sealed(pfswrap_policy(), fd))
            (void)raw_syscall(SYS_close, fd);
        if (is_closing(word) || is_claimed)
            endpoint_vacate(fd, endpoint_note_id(word));
    }
}

/* --- the program's wish --- */

bool endpoint_cloexec(int fd)
{
    return endpoint_word_cloexec(atomic_load(&endpoint_table[fd]));
}

bool endpoint_set_cloexec(int fd, bool cloexec)
{
    uint64_t word = atomic_load(&endpoint_table[fd]);
    for (;;) {
        if (word == 0 || (word & (ENDPOINT_CLOSING | ENDPOINT_HIDDEN | ENDPOINT_FOREIGN)) != 0)
            return false;
        const uint64_t wished = cloexec ? word | ENDPOINT_CLOEXEC : endpoint_table_identity(word);
        if (atomic_compare_exchange_weak(&endpoint_table[fd], &word, wished))
            return true;
    }
}

void endpoint_set_cloexec_range(unsigned first, unsigned last)
{
    for (int fd = endpoint_next(first); fd >= 0 && (unsigned)fd <= last; fd = endpoint_next((unsigned)fd + 1))
        (void)endpoint_set_cloexec(fd, true);
}

/* --- notes --- */

uint64_t endpoint_note_of(int fd)
{
    const uint64_t word = (unsigned)fd < ENDPOINT_FDS ? atomic_load(&endpoint_table[fd]) : 0;
    return (word & ENDPOINT_FOREIGN) != 0 && (word & ENDPOINT_NOTED) != 0 ? word : 0;
}

void endpoint_note(int fd, uint32_t id, unsigned flags)
{
    if ((unsigned)fd >= ENDPOINT_FDS)
        return;
    note_number(fd);
    uint64_t word = atomic_load(&endpoint_table[fd]);
    while (is_free(word)) {
        const unsigned before = endpoint_note_id(word) == id ? (unsigned)word & ENDPOINT_STREAM : 0;
        if (atomic_compare_exchange_weak(&endpoint_table[fd], &word, endpoint_note_word(id, before | flags)))
            return;
    }
}

void endpoint_forget_note(int fd)
{
    const uint64_t word = endpoint_note_of(fd);
    if (word != 0)
        (void)endpoint_table_exchange(fd, word, 0);
}

void endpoint_forget_notes(unsigned first, unsigned last)
{
    for (unsigned fd = first; fd <= last && fd <= (unsigned)atomic_load(&highest) && fd < ENDPOINT_FDS; fd++)
        endpoint_forget_note((int)fd);
}

/* The next with this id; a number that another socket has by now has nothing noted. */
int endpoint_noted(unsigned first, uint32_t id)
{
    for (unsigned fd = first; fd <= (unsigned)atomic_load(&highest) && fd < ENDPOINT_FDS; fd++) {
        const uint64_t word = endpoint_note_of((int)fd);
        if (word == 0 || endpoint_note_id(word) != id)
            continue;
        if (process_sandboxed || endpoint_socket_id((int)fd) == id)
            return (int)fd;
        (void)endpoint_table_exchange((int)fd, word, 0);
    }
    return -1;
}

bool endpoint_is_beyond(int fd)
{
    struct rlimit limit = {0};
    return fd > atomic_load(&highest) && !process_sandboxed &&
           raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0 && (rlim_t)fd >= limit.rlim_cur;
}
