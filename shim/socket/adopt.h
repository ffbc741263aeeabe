/*
 * Connections that this process has not made and not accepted: inherited from a program that is not ours (inetd, a
 * service manager), or received in a message. If a rule seals their address they are sealed from here on,
 * else inspected (inspect/inherited.c).
 */
#ifndef PFSWRAP_SOCKET_ADOPT_H
#define PFSWRAP_SOCKET_ADOPT_H

#include <sys/socket.h>

/* Looks at every descriptor that the process was started with. Once, before main(). */
void adopt_inherited(void);

/* Looks at the descriptors in a message that recvmsg(2) has just brought. Keeps errno. */
void adopt_received(const struct msghdr *message);

#endif
