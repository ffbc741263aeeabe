/*
 * The list is a mark in each endpoint (endpoint->background). The thread polls the descriptors of marked endpoints,
 * and continues with their connections. When no endpoint is marked, it rests for a moment. The next mark wakes it,
 * or starts another thread after it has ended, which takes ten times as many system calls.
 */
#include "connection/background.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/filter.h"
#include "base/fork_lock.h"
#include "base/transport.h"
#include "base/process.h"
#include "connection/release.h"
#include "connection/unproved.h"
#include "config/init.h"
#include "base/raw_syscall.h"

enum {
    POLL_MAX = 32, /* the maximum number of endpoints in one poll; the others are checked after each slice */
    SLICE_MS = 10, /* the longest poll: poll reports no acknowledgements */
    SLICE_MIN_MS = 1,
    STACK_BYTES = 256 * 1024,
    REST_MS = 200, /* a process that closes less often than that need not save system calls */
    DOZE_MS = 20,  /* an acknowledgement is not waited for sooner; by then most have come, and none is polled for */
    UNHURRIED_MAX = 16,
};

/*
 * The state of the one thread. The caller that changes it to STARTING makes the thread. DOZING: it has no work, and
 * will look within DOZE_MS whether there is some. RESTING: it has none, and has to be woken.
 */
enum { IDLE, STARTING, RUNNING, DOZING, RESTING, ENDED };
static atomic_int state;
static pthread_t thread;
static bool can_make_thread = true;
static atomic_int held;      /* calls of background_stop() without background_resume(): no thread may run */
static atomic_int others;    /* threads of the object beside this one */
static atomic_int unhurried; /* endpoints that it has not been woken for */
static atomic_bool begun;    /* the thread has run, so libc has prepared it completely */

/* Whether the handshake is left to the program for now: its next call may come before buffer_at_ms. */
static bool is_left_to_program(const struct endpoint *endpoint, const struct connection *connection)
{
    return atomic_load(&endpoint->descriptors) > 0 && handshake_is_under_way(connection) &&
           !connection->finishing && !connection->read_shut && span_length(connection->prehandshake) == 0 &&
           clock_ms() < connection->buffer_at_ms;
}

/*
 * What the thread polls for; fd -1: nothing, so that the connection is only checked after each slice. While the
 * program has a number, its own calls come first, except in the handshake of a blocking socket. poll reports no
 * acknowledgements. But it reports what a peer sends to a closed connection, and those packets acknowledge what the
 * peer has received. `eager`: the last poll has reported nothing. What it reports stays in the kernel until those
 * packets acknowledge everything, and would end each poll at once.
 */
static struct pollfd poll_for(const struct endpoint *endpoint, const struct connection *connection, bool eager)
{
    const bool under_way = handshake_is_under_way(connection), hidden = atomic_load(&endpoint->descriptors) == 0;
    const int fd = atomic_load(&endpoint->fd);
    if (endpoint->until_ms != 0)
        return (struct pollfd){.fd = -1};
    if (connection->fin_sent)
        return (struct pollfd){.fd = hidden && eager ? fd : -1, .events = POLLIN};
    if (is_left_to_program(endpoint, connection) ||
        (!hidden && (!under_way || atomic_load_explicit(&connection->nonblocking, memory_order_relaxed))))
        return (struct pollfd){.fd = -1};
    return (struct pollfd){.fd = fd,
                           .events = (short)(connection->wants | (span_length(connection->tx) > 0 ? POLLOUT : 0))};
}

/*
 * Continues with one endpoint. Called locked; unlocked on return. The endpoint may be freed meanwhile, and even
 * belong to another connection afterwards. If another thread changes the mark meanwhile, its value stays. Returns
 * whether the endpoint stays on the list.
 */
static bool advance_one(struct endpoint *endpoint, struct connection *connection)
{
    uint8_t at_work = BACKGROUND_AT_WORK;
    bool over = false;
    atomic_store(&endpoint->background, BACKGROUND_AT_WORK);
    if (is_left_to_program(endpoint, connection))
        endpoint_leave(connection);
    else
        over = release_advance(endpoint, connection);
    (void)atomic_compare_exchange_strong(&endpoint->background, &at_work,
                                         over ? BACKGROUND_NONE : BACKGROUND_LISTED);
    return !over;
}

/*
 * Enters the endpoint and advances it. Returns whether it stays on the list; *poll is what it waits for then.
 * *until_ms is raised to the deadline of a closed connection whose last bytes the kernel has not taken yet.
 */
static bool enter_and_advance(struct endpoint *endpoint, struct pollfd *poll, bool eager, uint64_t *until_ms)
{
    struct connection *connection;
    if (!endpoint_enter_at(endpoint, &connection))
        return false;
    if (endpoint->kept > 0) { /* during an exec(3), its number is not the socket (transfer/export.c) */
        endpoint_leave(connection);
        return false;
    }
    *poll = poll_for(endpoint, connection, eager);
    if (connection->linger_left > 0 && !connection->fin_sent && connection->deadline_ms > *until_ms)
        *until_ms = connection->deadline_ms;
    return advance_one(endpoint, connection);
}

/*
 * Continues with every endpoint on the list. Returns how many remain; polls[] is what they wait for. `eager`: see
 * poll_for(); *until_ms: see enter_and_advance().
 */
static nfds_t advance_all(struct pollfd polls[POLL_MAX], bool eager, uint64_t *until_ms)
{
    nfds_t left = 0;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;) {
        struct pollfd poll;
        if (atomic_load(&endpoint->background) == BACKGROUND_NONE)
            continue;
        process_block_forks(); /* the endpoint may be closed here */
        const bool stays = enter_and_advance(endpoint, &poll, eager, until_ms);
        process_unblock_forks();
        if (stays && left < POLL_MAX)
            polls[left] = poll;
        left += stays;
    }
    return left;
}

/*
 * Continues until nothing is left on the list, until clock_ms() is `until_ms`, which is later while peers take what
 * the kernel has not taken yet, or until *stop is not 0.
 */
static void work_until(uint64_t until_ms, const atomic_int *stop)
{
    struct pollfd polls[POLL_MAX];
    long slice_ms = SLICE_MIN_MS, reported = 0;
    for (;;) {
        nfds_t left = advance_all(polls, reported <= 0, &until_ms);
        if (left == 0 || clock_ms() >= until_ms || (stop != NULL && atomic_load(stop) > 0))
            return;
        struct timespec slice = {.tv_nsec = slice_ms * 1000000};
        reported = raw_syscall(SYS_ppoll, polls, left < POLL_MAX ? left : POLL_MAX, &slice, NULL, 0);
        slice_ms = slice_ms * 2 < SLICE_MS ? slice_ms * 2 : SLICE_MS;
    }
}

static bool is_anything_left(void)
{
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;)
        if (atomic_load(&endpoint->background) != BACKGROUND_NONE)
            return true;
    return false;
}

static bool has_no_work(int now)
{
    return now == DOZING || now == RESTING;
}

/* DOZING or RESTING becomes `next`. Another thread may have changed it to RUNNING before. Returns the state. */
static int end_rest(int next)
{
    int seen = atomic_load(&state);
    while (has_no_work(seen))
        if (atomic_compare_exchange_weak(&state, &seen, next))
            return next;
    return seen;
}

/*
 * Waits while the state is `stage`. The state was set before this look at the list. So a thread that marks an
 * endpoint, and looks at the state after that, has either been seen here or ends the rest.
 */
static void wait_in(int stage, long ms)
{
    const struct timespec most = {.tv_nsec = ms * 1000000};
    if (atomic_load(&held) == 0 && !is_anything_left() && filter_allows(SYS_futex))
        (void)raw_syscall(SYS_futex, &state, FUTEX_WAIT_PRIVATE, stage, &most, NULL, 0);
}

/*
 * The list is empty. Waits a little for work. Returns whether there is some. Otherwise the state is ENDED, and
 * another thread may already wait for the end of this one: nothing may be done after that.
 */
static bool rest(void)
{
    int seen = DOZING;
    atomic_store(&unhurried, 0);
    atomic_store(&state, DOZING);
    wait_in(DOZING, DOZE_MS);
    if (!is_anything_left() && atomic_compare_exchange_strong(&state, &seen, RESTING))
        wait_in(RESTING, REST_MS - DOZE_MS);
    const bool goes_on = atomic_load(&held) == 0 && is_anything_left();
    return end_rest(goes_on ? RUNNING : ENDED) == RUNNING;
}

static void *run(void *nothing)
{
    atomic_store(&begun, true);
    do {
        process_keep_answer();
        work_until(UINT64_MAX, &held);
        unproved_report_rest();
    } while (rest());
    return nothing;
}

/* Wakes the thread from its rest. */
static void wake(void)
{
    if (end_rest(RUNNING) == RUNNING && filter_allows(SYS_futex))
        (void)raw_syscall(SYS_futex, &state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool background_may_make_thread(void)
{
    return !process_sandboxed && filter_allows_thread(&filter_in_force) && can_make_thread;
}

/*
 * Makes the thread, with all signals blocked: the program's own threads handle them. Not inline, so that its signal
 * sets are not on the stack of those who only ask for the thread.
 */
static __attribute__((noinline)) bool make_thread(void)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (!background_may_make_thread() || pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attributes, run, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return error == 0;
}

/*
 * Makes the thread if it does not exist. False: it does not exist and cannot be made. After background_stop(), it
 * is made by background_resume().
 */
static bool ensure_thread(void)
{
    int seen = atomic_load(&state);
    if (has_no_work(seen)) {
        wake();
        seen = atomic_load(&state); /* or its rest was over, and it has ended */
    }
    if (atomic_load(&held) > 0 || seen == STARTING || seen == RUNNING ||
        !atomic_compare_exchange_strong(&state, &seen, STARTING))
        return true;
    if (seen == ENDED)
        (void)pthread_join(thread, NULL);
    if (atomic_load(&held) > 0) { /* since the first look */
        atomic_store(&state, IDLE);
        return true;
    }
    atomic_store(&begun, false);
    atomic_store(&state, RUNNING);
    if (make_thread())
        return true;
    atomic_store(&state, IDLE);
    return false;
}

/* Puts the endpoint on the list. False: there is no thread, and none can be made. */
static bool add(struct endpoint *endpoint)
{
    atomic_store(&endpoint->background, BACKGROUND_LISTED);
    return ensure_thread();
}

void background_add(struct endpoint *endpoint)
{
    const int saved = errno;
    (void)add(endpoint);
    errno = saved;
}

/* Continues with what is on the list, without waiting. Not inline, to keep the array off the stack of those who
 * wait. */
static __attribute__((noinline)) void advance_once(void)
{
    struct pollfd polls[POLL_MAX];
    uint64_t until_ms = 0;
    (void)advance_all(polls, true, &until_ms);
}

/* Puts the endpoint on the list. Whether the thread will look at it soon without being woken. */
static bool add_for_later(struct endpoint *endpoint)
{
    atomic_store(&endpoint->background, BACKGROUND_LISTED);
    return atomic_load(&state) == DOZING && atomic_fetch_add(&unhurried, 1) < UNHURRIED_MAX;
}

void background_add_closed(struct endpoint *endpoint, bool may_wait, bool is_sent)
{
    const int saved = errno;
    if (!(is_sent && add_for_later(endpoint)) && !add(endpoint)) {
        if (may_wait)
            background_finish();
        else
            advance_once();
    }
    errno = saved;
}

bool background_is_running(void)
{
    const int now = atomic_load(&state);
    return now == STARTING || now == RUNNING || has_no_work(now);
}

void background_forget(bool may_make_thread)
{
    unproved_forget();
    can_make_thread = may_make_thread;
    atomic_store(&others, 0);
    atomic_store(&held, 0);
    atomic_store(&state, IDLE);
}

static bool was_alone; /* at background_settle(): the process had one thread, beside the object's */

void background_count_other(int change)
{
    atomic_fetch_add(&others, change);
}

bool background_may_go_on(void)
{
    return was_alone;
}

void background_settle(void)
{
    for (int now = atomic_load(&state); now == STARTING || (now == RUNNING && !atomic_load(&begun));
         now = atomic_load(&state))
        (void)raw_syscall(SYS_sched_yield);
    const int own = atomic_load(&others) + (background_is_running() ? 1 : 0);
    was_alone = process_threads() == 1UL + (unsigned long)own;
}

void background_finish(void)
{
    work_until(clock_ms() + pfswrap_policy()->seal.linger_ms, NULL);
}

void background_stop(void)
{
    const struct timespec pause = {.tv_nsec = 500000};
    atomic_fetch_add(&held, 1);
    for (;;) {
        int seen = atomic_load(&state);
        if (seen == IDLE)
            return;
        if (has_no_work(seen))
            wake();
        if (seen == ENDED && atomic_compare_exchange_strong(&state, &seen, STARTING)) {
            (void)pthread_join(thread, NULL);
            atomic_store(&state, IDLE);
            return;
        }
        (void)raw_syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
    }
}

void background_resume(void)
{
    if (atomic_fetch_sub(&held, 1) == 1 && is_anything_left())
        (void)ensure_thread();
}
