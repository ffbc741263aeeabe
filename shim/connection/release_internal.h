/*
 * What the files release*.c share, and no other file uses: the steps of closing a number.
 */
#ifndef PFSWRAP_CONNECTION_RELEASE_INTERNAL_H
#define PFSWRAP_CONNECTION_RELEASE_INTERNAL_H

#include "connection/endpoint.h"

/*
 * The program closes the connection's last number in this process, `fd`. Returns true if nothing is left to do
 * here; the endpoint is free then. False: a hidden duplicate keeps the socket, and the caller calls
 * background_add(). Called locked; unlocked on return.
 */
bool release_last_number(struct endpoint *endpoint, struct connection *connection, int fd);

/*
 * Everything about closing `fd` but the system call: the number is closing in this generation afterwards. False: it
 * is not sealed, or hidden.
 */
bool release_number(int fd, uint32_t generation);

/*
 * The system call for a number that is closing in this generation, which is foreign afterwards. Where a filter
 * (seccomp) does not allow close(2), the number stays open and becomes hidden. Returns 0 or a negated errno.
 */
long release_close_number(int fd, uint32_t generation);

#endif
