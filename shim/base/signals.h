/*
 * Signals while a handshake computes. A call holds its connection for microseconds, but the X25519 operations of a
 * handshake take some hundred times as long: a program's handler that leaves by siglongjmp would not be unlucky to
 * leave a connection locked and half changed. So signals wait for that long, which costs two system calls beside
 * the computation. Makes no call of libc's, and none at all behind a system call filter.
 */
#ifndef PFSWRAP_BASE_SIGNALS_H
#define PFSWRAP_BASE_SIGNALS_H

#include <stdbool.h>

extern __thread bool signals_held __attribute__((tls_model("initial-exec")));

/* From here on this thread gets no signals, until signals_release(). Once is as good as twice. */
void signals_hold(void);

/* What came in between is delivered now, so no lock may be held. */
void signals_let_go(void);
static inline void signals_release(void)
{
    if (__builtin_expect(signals_held, false))
        signals_let_go();
}

/*
 * The same over several calls that hold and release by themselves: steps that neither a handler, by siglongjmp(),
 * nor pthread_cancel(3) may leave half done. May be nested.
 */
void signals_pin(void);
void signals_unpin(void);

#endif
