/*
 * Blocks signals while a handshake computes. A call holds a connection's lock for microseconds, but X25519 takes
 * about a hundred times as long. A signal handler of the program that leaves by siglongjmp(3) would then often
 * leave a connection locked and half changed. Blocking costs two system calls. Behind a system call filter nothing
 * is blocked, since the filter might forbid the calls.
 */
#ifndef PFSWRAP_BASE_SIGNALS_H
#define PFSWRAP_BASE_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

extern __thread bool signals_held __attribute__((tls_model("initial-exec")));

/* This thread gets no signals until signals_release(). Calling it twice has no further effect. */
void signals_hold(void);

/* Signals that came in between are delivered now, so no lock may be held. */
void signals_let_go(void);
static inline void signals_release(void)
{
    if (__builtin_expect(signals_held, false))
        signals_let_go();
}

/*
 * The same around several functions that call signals_hold() and signals_release() themselves. Neither a handler,
 * by siglongjmp(3), nor pthread_cancel(3) can end the thread's work in between. May be nested.
 */
void signals_pin(void);
void signals_unpin(void);

/*
 * Around a wait by ppoll(2) between signals_pin() and signals_unpin(), without a lock. The wait takes `mask`, the
 * thread's own, so that signals come only while it waits: that saves two system calls. A handler may leave it by
 * siglongjmp(3), and the wait may be a cancellation point. False: the pin is not the only one, or blocks nothing.
 */
struct signals_wait {
    uint64_t mask;
    pid_t running; /* what is known of the process (base/process.h) */
};
bool signals_begin_wait(struct signals_wait *wait);
void signals_end_wait(const struct signals_wait *wait);

#endif
