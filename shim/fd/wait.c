/*
 * How a thread waits for another thread that changes the same number. That thread needs one or two system calls, so
 * only a busy machine can delay it. Makes system calls only.
 */
#include "fd/change.h"

#include <time.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/relax.h"

enum {
    SPINS = 200,
    YIELDS = 200,
    SANDBOX_SPINS = 1000000, /* a filter may end the process for any call (seccomp(2)) */
};

bool fd_wait(int round, int most_ms)
{
    struct timespec pause = {.tv_nsec = 1000000};
    if (round < SPINS || process_sandboxed)
        relax();
    else if (round < SPINS + YIELDS)
        (void)raw_syscall(SYS_sched_yield);
    else
        (void)raw_syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
    return round < (process_sandboxed ? SANDBOX_SPINS : SPINS + YIELDS + most_ms);
}
