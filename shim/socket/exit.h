/*
 * The end of the process, for syscall(2) too.
 */
#ifndef PFSWRAP_SOCKET_EXIT_H
#define PFSWRAP_SOCKET_EXIT_H

/* Every plane ends its connections, and waits for at most the policy's `linger`. In a child of vfork(): nothing. */
void exit_connections(void);

#endif
