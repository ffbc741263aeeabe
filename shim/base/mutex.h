/*
 * A mutex between the threads of one process. A child of a fork never finds it locked: the child does not have the
 * thread that locked it. A mutex of pthreads(7) would stay locked there, and pthread_atfork(3) does not help in
 * children of raw clone(2) calls. For tables that are filled once or rarely; base/lock.h is the lock of a
 * connection.
 */
#ifndef PFSWRAP_BASE_MUTEX_H
#define PFSWRAP_BASE_MUTEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mutex {
    _Atomic uint32_t word; /* 0: not locked; otherwise the generation of the owner's process (base/process.h) */
};

/*
 * A child of a fork has a copy of what the owner was changing. So the work under a mutex must be right if it is
 * begun again in the middle. Not recursive. Keeps errno. Makes no system call in a sandbox.
 */
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

/* The same without waiting. False: another thread has it. For signal handlers, too. */
bool mutex_try(struct mutex *mutex);

#endif
