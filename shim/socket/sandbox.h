/*
 * Preparations for a system call filter (seccomp(2)), for the calls that install one: prctl(2), and syscall(2) by
 * number.
 */
#ifndef PFSWRAP_SOCKET_SANDBOX_H
#define PFSWRAP_SOCKET_SANDBOX_H

#include <stdbool.h>

/*
 * Before the filter: completes the handshakes that are under way, since the filter may forbid the calls they need.
 */
void sandbox_prepare(void);

/* After the call. `installed`: it succeeded. */
void sandbox_finish(bool installed);

#endif
