/*
 * The state of the chain is in one page, so a fork copies it as it was at one moment. A child uses the fork key
 * only, which no thread changes while another one forks. It takes no part in its parent's chain: it wipes the
 * parent's keys when it notices the fork. See chain.h.
 */
#include "audit/chain.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "audit/chain_keys.h"
#include "audit/line.h"
#include "base/large.h"
#include "base/mutex.h"
#include "base/page.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/relax.h"

enum { SPINS = 200, WAITS_MAX = 2000 /* milliseconds for a thread that is writing a line */ };

struct chain {
    struct mutex mutex;
    _Atomic uint32_t forks; /* how often the fork key was replaced: its place is the lowest bit */
    unsigned generation;    /* of the process that this is the chain of (base/process.h) */
    uint64_t next;          /* the number of the next line */
    uint8_t line_key[CHAIN_KEY_BYTES];
    uint8_t fork_keys[2][CHAIN_KEY_BYTES];
    char name[CHAIN_NAME_MAX]; /* empty: this process has no chain, since there were too many forks */
};

LARGE static union {
    alignas(PAGE_LARGEST) struct chain chain;
    char pages[PAGE_LARGEST];
} state;

#define CHAIN (&state.chain)

static bool is_on;
static atomic_bool is_stuck; /* a thread has not given the lock back: nobody waits for it any more */
static atomic_flag is_replacing = ATOMIC_FLAG_INIT;

static __thread bool is_inside __attribute__((tls_model("initial-exec")));

/* Random digits. A fork also changes the number of forks, and a program its root, should there be no random bytes.
 */
static void put_random(struct line *line, size_t digits)
{
    static const char hex[] = "0123456789abcdef";
    struct timespec now = {0};
    uint64_t number = 0;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (raw_syscall(SYS_getrandom, &number, sizeof number, GRND_NONBLOCK) != (long)sizeof number)
        number = ((uint64_t)now.tv_sec << 40) ^ ((uint64_t)now.tv_nsec << 16) ^ (uint64_t)process_running_id();
    for (size_t i = 0; i < digits; i++, number >>= 4)
        line_put(line, &hex[number & 0xf], 1);
}

/* Makes the keys of a name, or of a child's step. */
static void begin(const uint8_t key[CHAIN_KEY_BYTES], const char *text, size_t length)
{
    chain_key_derive(CHAIN->line_key, key, CHAIN_LINE_LABEL, text, length);
    chain_key_derive(CHAIN->fork_keys[0], key, CHAIN_FORK_LABEL, text, length);
    sodium_memzero(CHAIN->fork_keys[1], CHAIN_KEY_BYTES);
    CHAIN->next = 0;
    CHAIN->generation = *process_generation;
    atomic_store(&CHAIN->forks, 0);
}

void chain_start(const uint8_t master[static 32])
{
    struct line name = {.text = CHAIN->name, .room = CHAIN_NAME_MAX - 1};
    (void)madvise(&state, sizeof state, MADV_DONTDUMP);
    put_random(&name, CHAIN_ROOT_DIGITS);
    begin(master, CHAIN->name, name.length);
    is_on = true;
}

bool chain_is_on(void)
{
    return is_on && CHAIN->name[0] != '\0';
}

uint64_t chain_length(void)
{
    return CHAIN->next;
}

/* This is a child: its chain begins, under the fork key that its parent had. */
static void become_child(void)
{
    const uint32_t forks = atomic_load(&CHAIN->forks);
    struct line name = {.text = CHAIN->name, .length = strlen(CHAIN->name), .room = CHAIN_NAME_MAX - 1};
    const size_t step = name.length;
    uint8_t key[CHAIN_KEY_BYTES];
    if (step == 0) { /* too many forks before this one */
        CHAIN->generation = *process_generation;
        return;
    }
    memcpy(key, CHAIN->fork_keys[forks & 1], sizeof key);
    line_puts(&name, "/");
    line_put_digits(&name, forks, 1);
    line_puts(&name, ".");
    if (name.length + CHAIN_CHILD_DIGITS < CHAIN_NAME_MAX) {
        put_random(&name, CHAIN_CHILD_DIGITS);
        CHAIN->name[name.length] = '\0';
        begin(key, CHAIN->name + step, name.length - step);
    } else {
        sodium_memzero(CHAIN->line_key, CHAIN_KEY_BYTES);
        sodium_memzero(CHAIN->fork_keys, sizeof CHAIN->fork_keys);
        CHAIN->name[0] = '\0';
        CHAIN->generation = *process_generation;
    }
    sodium_memzero(key, sizeof key);
}

/* After a fork the parent has another fork key, so it cannot make the keys of this child any more. */
static void after_fork_in_parent(bool failed)
{
    if (!is_on || failed || atomic_flag_test_and_set(&is_replacing))
        return;
    const uint32_t forks = atomic_load(&CHAIN->forks);
    if (forks < CHAIN_FORKS_MAX) {
        chain_key_next(CHAIN->fork_keys[(forks + 1) & 1], CHAIN->fork_keys[forks & 1]);
        atomic_store(&CHAIN->forks, forks + 1);
        sodium_memzero(CHAIN->fork_keys[forks & 1], CHAIN_KEY_BYTES);
    }
    atomic_flag_clear(&is_replacing);
}

static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    is_inside = false;
    atomic_flag_clear(&is_replacing);
    atomic_store(&is_stuck, false);
    if (is_on)
        become_child();
}

const struct process_observer chain_process_observer = {
    .after_fork_in_parent = after_fork_in_parent,
    .after_fork_in_child = after_fork_in_child,
};

/* Waits for another thread that is writing its line. */
static bool lock(void)
{
    const struct timespec slice = {.tv_nsec = 1000000};
    const int rounds = atomic_load(&is_stuck) ? 1 : SPINS + WAITS_MAX;
    for (int round = 0; round < rounds; round++) {
        if (mutex_try(&CHAIN->mutex)) {
            atomic_store(&is_stuck, false);
            return true;
        }
        if (round < SPINS || process_sandboxed)
            relax();
        else
            (void)raw_syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &slice, NULL);
    }
    atomic_store(&is_stuck, true);
    return false;
}

bool chain_begin(void)
{
    if (is_inside)
        return false;
    is_inside = true;
    if (!lock()) {
        is_inside = false;
        return false;
    }
    if (CHAIN->generation != *process_generation) /* a relay: no observer runs there */
        become_child();
    return true;
}

void chain_end(bool is_written)
{
    if (is_written && CHAIN->name[0] != '\0') {
        chain_key_next(CHAIN->line_key, CHAIN->line_key);
        CHAIN->next++;
    }
    mutex_unlock(&CHAIN->mutex);
    is_inside = false;
}

size_t chain_close_line(char *text, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    struct line line = {.text = text, .length = length - 2, .room = length - 2 + CHAIN_ROOM};
    uint8_t mac[CHAIN_MAC_BYTES];
    if (CHAIN->name[0] == '\0')
        return length;
    line_puts(&line, ",\"chain\":\"");
    line_puts(&line, CHAIN->name);
    line_puts(&line, "\",\"seq\":");
    line_put_digits(&line, CHAIN->next, 1);
    chain_mac(mac, CHAIN->line_key, text, line.length);
    line_puts(&line, ",\"mac\":\"");
    for (size_t i = 0; i < sizeof mac; i++) {
        line_put(&line, &hex[mac[i] >> 4], 1);
        line_put(&line, &hex[mac[i] & 0xf], 1);
    }
    line_puts(&line, "\"}\n");
    return line.length;
}
