/*
 * Connections that this process has neither made nor accepted. It was started with them, for example by inetd or a
 * service manager, or has received them in a message. The planes are asked for each of them (fd/plane.h).
 */
#ifndef PFSWRAP_SOCKET_ADOPT_H
#define PFSWRAP_SOCKET_ADOPT_H

#include <sys/socket.h>

/* Asks for all descriptors that the process was started with. Once, before main(). */
void adopt_inherited(void);

/* Asks for the descriptors in a message that recvmsg(2) has just received. Keeps errno. */
void adopt_received(const struct msghdr *message);

#endif
