/*
 * Each thread keeps the signal mask that it had before. A child of vfork() uses its parent's variables, since the
 * parent is suspended. Makes system calls, and pthread_setcancelstate(3).
 */
#include "base/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/process.h"
#include "base/raw_syscall.h"

enum { SIGNAL_SET_BYTES = 8 }; /* as the kernel counts them */

__thread bool signals_held __attribute__((tls_model("initial-exec")));
static __thread uint64_t mask_before __attribute__((tls_model("initial-exec")));
static __thread int pins __attribute__((tls_model("initial-exec")));
static __thread int cancel_state __attribute__((tls_model("initial-exec")));

void signals_hold(void)
{
    const uint64_t all = UINT64_MAX;
    if (signals_held || process_sandboxed)
        return;
    signals_held = raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask_before, SIGNAL_SET_BYTES) == 0;
}

void signals_let_go(void)
{
    const uint64_t before = mask_before;
    if (pins > 0)
        return;
    process_running = 0;
    signals_held = false;
    (void)raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, SIGNAL_SET_BYTES);
}

void signals_pin(void)
{
    signals_hold();
    if (pins++ == 0)
        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
}

bool signals_begin_wait(struct signals_wait *wait)
{
    if (pins != 1 || !signals_held)
        return false;
    *wait = (struct signals_wait){mask_before, process_running};
    pins = 0;
    process_running = 0;
    signals_held = false;
    (void)pthread_setcancelstate(cancel_state, NULL);
    return true;
}

void signals_end_wait(const struct signals_wait *wait)
{
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    mask_before = wait->mask;
    process_running = wait->running;
    signals_held = true;
    pins = 1;
}

void signals_unpin(void)
{
    if (--pins > 0)
        return;
    (void)pthread_setcancelstate(cancel_state, NULL);
    signals_release();
}
