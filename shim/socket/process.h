/*
 * Calls about processes, for syscall(), which makes all of them by number.
 */
#ifndef PFSWRAP_SOCKET_PROCESS_H
#define PFSWRAP_SOCKET_PROCESS_H

#include <stdbool.h>

/*
 * Before a system call filter goes up (seccomp(2)): handshakes under way come to their end, since they need calls
 * that the filter may not allow. And what came of it.
 */
void process_before_sandbox(void);
void process_after_sandbox(bool up);

#endif
