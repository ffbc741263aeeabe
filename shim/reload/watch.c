/* See watch.h. */
#include "reload/watch.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/large.h"
#include "base/probe.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/init.h"
#include "config/snapshot.h"
#include "config/trust.h"
#include "connection/background.h"
#include "connection/renew.h"
#include "reload/control.h"
#include "reload/files.h"
#include "reload/reload.h"

enum {
    LOOK_MS = 600,    /* between two looks at the files */
    SETTLE_MS = 250,  /* a changed file must stay as it is for this time: it may still be written */
    RETRY_MS = 2000,  /* after a refusal, with reload = auto: another file may be what was missing */
    FIRST_MS = 500,   /* how long the first connection waits for the first look */
    CHANGE_MS = 2000, /* how long one thread waits for another one that makes or ends the thread */
    STACK_BYTES = 256 * 1024,
};

atomic_bool watch_is_due;

static enum policy_reload mode;
static const char filtered[] =
    "a system call filter of the program forbids to read the policy again, expected a restart of the program";

static const char no_page[] =
    "the kernel refuses the memory file by which requests to read the policy again come, or "
    "no descriptor is left (memfd_create(2))";

/* The state of the one thread. The caller that changes it to CHANGING makes the thread, or waits for its end. */
enum { IDLE, CHANGING, RUNNING };
static atomic_int state;
static pthread_t thread;
static atomic_bool must_stop, has_begun, has_ended;
static atomic_int held;         /* calls of watch_before_filter() without watch_after_filter(): no thread may run */
static atomic_bool is_paused;   /* the thread was ended for a filter */
static _Atomic uint32_t looked; /* futex(2): 1 when the first look is over */
static uint32_t seen_request;   /* the request that this process's state answers; also in a child of a fork */

/* The thread's own. */
LARGE static struct reloading reloading;
LARGE static struct file_identities looked_at;
LARGE static struct file_identities inherited; /* in a child of a fork: what its state was read from */

static void read_again(uint32_t request, bool is_asked)
{
    const bool is_retry = !is_asked && reloading.result == CONTROL_REFUSED;
    reload_read(&reloading, is_retry);
    seen_request = request;
    control_answer(request, reloading.result, reloading.generation, reloading.ended, reloading.error.text);
}

/* Waits for a request, `ms` at most (0: no limit). Returns whether there is one, or the thread must stop. */
static bool wait_for_request(uint32_t request, uint32_t ms)
{
    if (!atomic_load(&must_stop) && atomic_load(&control_page()->request) == request)
        control_wait(request, ms);
    return atomic_load(&must_stop) || atomic_load(&control_page()->request) != request;
}

/* Whether the files have changed since they were read, and have been as they are now for SETTLE_MS. */
static bool files_have_changed(uint32_t request)
{
    LARGE static struct file_identities before;
    if (!reload_is_allowed() || !files_have_same_root())
        return false;
    files_look(pfswrap_policy(), &looked_at);
    if (files_are_equal(&looked_at, &reloading.files))
        return false;
    do {
        before = looked_at;
        if (wait_for_request(request, SETTLE_MS))
            return false;
        files_look(pfswrap_policy(), &looked_at);
    } while (!files_are_equal(&looked_at, &before));
    return true;
}

/*
 * When renew_end_removed() looks again, and how often. A connection that was about to be made when the state
 * changed may not have been in the table at the first look, and of one whose handshake was under way the peer was
 * not known.
 */
static struct {
    uint64_t at_ms; /* clock_ms() */
    unsigned looks; /* 0: none is due */
} removal;

/* A new state is in force: the first look is due after revocation-delay, or was made at once (reload_read()). */
static void plan_removal(void)
{
    const struct policy_seal_keys *seal = &pfswrap_policy()->seal;
    const bool is_now = seal->on_removal == POLICY_REMOVAL_NOW;
    const uint64_t at_ms = clock_ms() + (is_now ? LOOK_MS : seal->revocation_delay_ms);
    if (removal.looks == 0 || at_ms < removal.at_ms)
        removal.at_ms = at_ms;
    removal.looks = is_now ? 2 : 3;
}

static void end_removed(void)
{
    if (removal.looks == 0 || clock_ms() < removal.at_ms)
        return;
    (void)renew_end_removed();
    removal.looks--;
    removal.at_ms =
        clock_ms() + (removal.looks == 2 ? LOOK_MS : LOOK_MS + pfswrap_policy()->seal.handshake_timeout_ms);
}

/* The longest time until the next look; 0: none is due. */
static uint32_t next_look_ms(void)
{
    const uint64_t now = clock_ms();
    const uint32_t files = mode != POLICY_RELOAD_AUTO            ? UINT32_MAX
                           : reloading.result == CONTROL_REFUSED ? RETRY_MS
                                                                 : LOOK_MS;
    const uint64_t left = removal.looks == 0 ? UINT32_MAX : removal.at_ms > now ? removal.at_ms - now : 1;
    const uint64_t least = left < files ? left : files;
    return least == UINT32_MAX ? 0 : (uint32_t)least;
}

/* Whether this child of a fork has its parent's state, and the files have not changed since it was read. */
static bool is_inherited_state(void)
{
    if (inherited.files[0].inode == 0)
        return false;
    files_look(pfswrap_policy(), &looked_at);
    if (!files_are_equal(&looked_at, &inherited))
        return false;
    reloading.files = inherited;
    return true;
}

static void first_look(uint32_t request)
{
    if (request != seen_request || (mode == POLICY_RELOAD_AUTO && !is_inherited_state()))
        read_again(request, request != seen_request);
    if (atomic_load(&snapshot_newest)->generation > 1) /* in a child of a fork, its parent's look does not count */
        plan_removal();
    atomic_store(&looked, 1);
    (void)raw_syscall(SYS_futex, &looked, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void *run(void *nothing)
{
    uint32_t request = atomic_load(&control_page()->request);
    atomic_store(&has_begun, true);
    first_look(request);
    while (!atomic_load(&must_stop)) {
        const bool is_asked = wait_for_request(request, next_look_ms());
        if (atomic_load(&must_stop))
            break;
        end_removed();
        const bool is_due = !is_asked && mode == POLICY_RELOAD_AUTO &&
                            (reloading.result == CONTROL_REFUSED || files_have_changed(request));
        request = atomic_load(&control_page()->request);
        if (is_asked || is_due) {
            read_again(request, is_asked);
            if (reloading.result == CONTROL_APPLIED)
                plan_removal();
        }
    }
    atomic_store(&has_ended, true);
    return nothing;
}

/* Not inline, so that its signal sets are not on the stack of those who only ask for the thread. */
static __attribute__((noinline)) bool make_thread(void)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (!background_may_make_thread() || !reload_is_allowed() || pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&thread, &attributes, run, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return error == 0;
}

/* Makes the thread, if there is none and there may be one. Returns whether it has. */
static bool start_thread(void)
{
    int seen = IDLE;
    if (!atomic_compare_exchange_strong(&state, &seen, CHANGING))
        return false;
    atomic_store(&must_stop, false);
    atomic_store(&has_begun, false);
    atomic_store(&has_ended, false);
    atomic_store(&looked, 0);
    background_count_other(1);
    const bool is_made = atomic_load(&held) == 0 && make_thread();
    if (!is_made)
        background_count_other(-1);
    atomic_store(&state, is_made ? RUNNING : IDLE);
    return is_made;
}

/*
 * Waits until no other thread makes or ends the thread. There is a limit, since this may be a signal handler that
 * has interrupted a call which does that.
 */
static void await_change(void)
{
    const uint64_t until_ms = clock_ms() + CHANGE_MS;
    for (int now = atomic_load(&state);
         (now == CHANGING || (now == RUNNING && !atomic_load(&has_begun))) && clock_ms() < until_ms;
         now = atomic_load(&state))
        (void)raw_syscall(SYS_sched_yield);
}

/* Ends the thread, if there is one, and waits for its end. Returns whether there was one. */
static bool stop_thread(void)
{
    const struct timespec pause = {.tv_nsec = 500000};
    int seen = RUNNING;
    await_change();
    if (!atomic_compare_exchange_strong(&state, &seen, CHANGING))
        return false;
    atomic_store(&must_stop, true);
    while (!atomic_load(&has_ended)) { /* it may be about to wait, and then no wake has reached it */
        control_wake();
        (void)raw_syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
    }
    (void)pthread_join(thread, NULL);
    background_count_other(-1);
    atomic_store(&state, IDLE);
    return true;
}

/* Whether there will be answers from now on. The process says so once, if there will be none. */
static void show_state(bool is_watching)
{
    const bool is_filtered = !reload_is_allowed();
    control_set_state(is_watching ? CONTROL_WATCHING : is_filtered ? CONTROL_SANDBOXED : CONTROL_NO_THREAD);
    if (!is_watching)
        reload_report_impossible(is_filtered ? filtered : "the thread that reads the policy again cannot be made");
}

static void await_first_look(void)
{
    const struct timespec timeout = {.tv_nsec = FIRST_MS * 1000000L};
    if (atomic_load(&looked) == 0)
        (void)raw_syscall(SYS_futex, &looked, FUTEX_WAIT, 0, &timeout, NULL, 0);
}

void watch_begin(bool waits)
{
    const int saved = errno;
    if (process_is_vfork_child() || !atomic_exchange(&watch_is_due, false))
        return;
    if (!control_is_own()) { /* a child of a fork; the request of its parent's page is in seen_request or is newer
                              */
        const uint32_t newer = atomic_load(&control_page()->request);
        if (!control_make()) {
            reload_report_impossible(no_page);
            errno = saved;
            return;
        }
        atomic_store(&control_page()->request, newer);
        atomic_store(&control_page()->answered, newer);
    }
    if (atomic_load(&held) > 0) { /* another thread installs a filter, and will start it afterwards */
        atomic_store(&is_paused, true);
    } else {
        const bool is_made = start_thread();
        show_state(is_made);
        if (is_made && waits)
            await_first_look();
    }
    errno = saved;
}

/* What the planes of TLS load first is compared with later. If it cannot be read now, any later one is new. */
static void remember_trust(const struct policy *policy)
{
    LARGE static struct policy_error ignored;
    struct trust trust;
    if (policy->tls.ca_file[0] != '\0' && trust_read(policy, &trust, &ignored) == 0)
        trust_approve(&trust);
}

void watch_start(const struct policy *policy)
{
    if (policy->reload == POLICY_RELOAD_OFF || strcmp(policy->path, "builtin") == 0)
        return;
    probe_filters(); /* a filter may forbid memory files */
    if (!control_make()) {
        reload_report_impossible(no_page);
        return;
    }
    mode = policy->reload;
    files_remember_root();
    remember_trust(policy);
    atomic_store(&watch_is_due, true);
}

void watch_before_filter(const struct filter_set *behind, bool is_harmless)
{
    if (mode == POLICY_RELOAD_OFF)
        return;
    atomic_fetch_add(&held, 1);
    if (stop_thread())
        atomic_store(&is_paused, true);
    if (is_harmless && filter_allows_thread(behind) && reload_is_allowed_by(behind))
        return;
    if (atomic_load(&is_paused) || atomic_exchange(&watch_is_due, false))
        reload_report_impossible(filtered); /* now, since the filter may also forbid to write the log */
    control_set_state(CONTROL_SANDBOXED);
    atomic_store(&is_paused, true); /* in case that the kernel refuses the filter */
}

void watch_after_filter(void)
{
    if (mode == POLICY_RELOAD_OFF || atomic_fetch_sub(&held, 1) != 1 || !atomic_exchange(&is_paused, false))
        return;
    if (!process_sandboxed && reload_is_allowed())
        show_state(start_thread());
}

/* libc has prepared the thread completely then (background_settle()). */
static void before_fork(enum process_fork kind)
{
    (void)kind;
    await_change();
}

/* Another thread may have been inside. A child that does not make a connection has its parent's page. */
static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    const bool may_begin = mode != POLICY_RELOAD_OFF && reload_is_allowed();
    atomic_store(&state, IDLE);
    atomic_store(&held, 0);
    atomic_store(&is_paused, false);
    inherited = reloading.files; /* whole, since forks wait while it is written */
    memset(&reloading.files, 0, sizeof reloading.files);
    /* `removal` stays: what was due in the parent is due here at the same time. */
    atomic_store(&watch_is_due, may_begin);
}

const struct process_observer watch_process_observer = {
    .before_fork = before_fork,
    .after_fork_in_child = after_fork_in_child,
};
