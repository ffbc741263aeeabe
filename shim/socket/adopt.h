/*
 * Connections that this process has neither made nor accepted. It was started with them, for example by inetd or a
 * service manager, or has received them in a message. If a rule seals their address, they are sealed from now on.
 * Otherwise they are inspected (inspect/inherited.c).
 */
#ifndef PFSWRAP_SOCKET_ADOPT_H
#define PFSWRAP_SOCKET_ADOPT_H

#include <sys/socket.h>

/* Adopts the connections among all descriptors that the process was started with. Once, before main(). */
void adopt_inherited(void);

/* Adopts the connections among the descriptors in a message that recvmsg(2) has just received. Keeps errno. */
void adopt_received(const struct msghdr *message);

#endif
