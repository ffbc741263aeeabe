/*
 * The steps of connect(2), for scenarios that look at what lies between them. For the sock_*.c programs.
 */
#ifndef PFSWRAP_TESTS_CONNECTING_H
#define PFSWRAP_TESTS_CONNECTING_H

#include "sock.h"

/* Calls connect(2) on the socket, and returns what it returns. */
int connecting_call(int fd, const struct sock_target *target);

/* A new non-blocking socket with close-on-exec that is being connected, or is connected. */
int connecting_start(const struct sock_target *target);

/*
 * Connects a blocking socket. If a signal interrupts connect(2), the kernel continues with the connection, and this
 * waits for it. False with errno: it is not connected.
 */
bool connecting_completes(int fd, const struct sock_target *target);

/* SO_ERROR of the socket. */
int connecting_error(int fd);

#endif
