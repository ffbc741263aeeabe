/* See watch.h. */
#include "reload/watch.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/init.h"
#include "connection/background.h"
#include "connection/renew.h"
#include "reload/control.h"
#include "reload/files.h"
#include "reload/reload.h"

enum {
    LOOK_MS = 600,   /* between two looks at the files */
    SETTLE_MS = 250, /* a changed file must stay as it is for this time: it may still be written */
    RETRY_MS = 2000, /* after a refusal, with reload = auto: another file may be what was missing */
    FIRST_MS = 500,  /* how long the first connection waits for the first look */
    STACK_BYTES = 256 * 1024,
};

atomic_bool watch_is_due;

static enum policy_reload mode;
static pthread_t thread;
static atomic_bool is_running, must_stop;
static _Atomic uint32_t looked; /* futex(2): 1 when the first look is over */
static uint32_t seen_request;   /* the request that this process's state answers; also in a child of a fork */

/* The thread's own. */
static struct reloading reloading;
static struct file_identities now;

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
    static struct file_identities before;
    if (!reload_is_allowed() || !files_have_same_root())
        return false;
    files_look(pfswrap_policy(), &now);
    if (files_are_equal(&now, &reloading.files))
        return false;
    do {
        before = now;
        if (wait_for_request(request, SETTLE_MS))
            return false;
        files_look(pfswrap_policy(), &now);
    } while (!files_are_equal(&now, &before));
    return true;
}

/* The longest time until the next look; 0: none is due. */
static uint32_t next_look_ms(bool ends_late)
{
    if (mode != POLICY_RELOAD_AUTO)
        return ends_late ? LOOK_MS : 0;
    return reloading.result == CONTROL_REFUSED ? RETRY_MS : LOOK_MS;
}

/*
 * Connections that were about to be made when the state changed may not have been in the table when
 * renew_end_removed() looked. So it looks once more. Returns false: it is done.
 */
static bool end_late(void)
{
    if (pfswrap_policy()->seal.on_removal == POLICY_REMOVAL_NOW)
        (void)renew_end_removed();
    return false;
}

static void first_look(uint32_t request)
{
    if (mode == POLICY_RELOAD_AUTO || request != seen_request)
        read_again(request, request != seen_request);
    atomic_store(&looked, 1);
    (void)raw_syscall(SYS_futex, &looked, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void *run(void *nothing)
{
    bool ends_late = false;
    uint32_t request = atomic_load(&control_page()->request);
    first_look(request);
    while (!atomic_load(&must_stop)) {
        const bool is_asked = wait_for_request(request, next_look_ms(ends_late));
        if (atomic_load(&must_stop))
            break;
        if (ends_late)
            ends_late = end_late();
        const bool is_due = !is_asked && mode == POLICY_RELOAD_AUTO &&
                            (reloading.result == CONTROL_REFUSED || files_have_changed(request));
        request = atomic_load(&control_page()->request);
        if (is_asked || is_due) {
            read_again(request, is_asked);
            ends_late = reloading.result == CONTROL_APPLIED;
        }
    }
    return nothing;
}

/* Not inline, so that its signal sets are not on the stack of those who only ask for the thread. */
static __attribute__((noinline)) bool make_thread(void)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&thread, &attributes, run, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return error == 0;
}

static void await_first_look(void)
{
    const struct timespec timeout = {.tv_nsec = FIRST_MS * 1000000L};
    if (atomic_load(&looked) == 0)
        (void)raw_syscall(SYS_futex, &looked, FUTEX_WAIT, 0, &timeout, NULL, 0);
}

void watch_begin(void)
{
    const int saved = errno;
    if (process_is_vfork_child() || !atomic_exchange(&watch_is_due, false))
        return;
    if (!control_is_own()) /* a child of a fork; the request of its parent's page is in seen_request or is newer */
    {
        const uint32_t newer = atomic_load(&control_page()->request);
        if (!control_make())
            return;
        atomic_store(&control_page()->request, newer);
        atomic_store(&control_page()->answered, newer);
    }
    atomic_store(&must_stop, false);
    atomic_store(&looked, 0);
    const bool can_run = background_may_make_thread() && reload_is_allowed() && make_thread();
    atomic_store(&is_running, can_run);
    control_set_state(can_run ? CONTROL_WATCHING : process_sandboxed ? CONTROL_SANDBOXED : CONTROL_NO_THREAD);
    if (can_run)
        await_first_look();
    errno = saved;
}

void watch_start(const struct policy *policy)
{
    if (policy->reload == POLICY_RELOAD_OFF || strcmp(policy->path, "builtin") == 0 || !control_make())
        return;
    mode = policy->reload;
    files_remember_root();
    atomic_store(&watch_is_due, true);
}

void watch_before_filter(bool may_go_on)
{
    if (mode == POLICY_RELOAD_OFF || may_go_on)
        return;
    atomic_store(&watch_is_due, false);
    control_set_state(CONTROL_SANDBOXED);
    if (!atomic_exchange(&is_running, false))
        return;
    atomic_store(&must_stop, true);
    control_wake();
    (void)pthread_join(thread, NULL);
}

/* Another thread may have been inside. A child that does not make a connection has its parent's page. */
static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    atomic_store(&is_running, false);
    memset(&reloading.files, 0, sizeof reloading.files);
    atomic_store(&watch_is_due, mode != POLICY_RELOAD_OFF);
}

const struct process_observer watch_process_observer = {.after_fork_in_child = after_fork_in_child};
