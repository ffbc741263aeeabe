/*
 * The TCP sockets that listen, by the number of their inode (proc(5), net/tcp), for each network namespace once.
 */
#ifndef PFSWRAP_TOOLS_LISTENERS_H
#define PFSWRAP_TOOLS_LISTENERS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The addresses that this process listens on. Calls `call` for each. */
void listeners_each(pid_t pid, void (*call)(void *argument, const struct sockaddr_in6 *address), void *argument);

#endif
