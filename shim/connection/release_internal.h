/*
 * What the files release*.c share, and no other file uses: the steps of closing a number.
 */
#ifndef PFSWRAP_CONNECTION_RELEASE_INTERNAL_H
#define PFSWRAP_CONNECTION_RELEASE_INTERNAL_H

#include "connection/endpoint.h"

/*
 * The program closes the connection's last number in this process, `fd`. `is_replaced`: by dup2(2), so the kernel
 * will close it. Returns true if nothing is left to do here; the endpoint is free then. False: a hidden number
 * keeps the socket, and the caller calls background_add_closed(). That number is a duplicate, or `fd` itself, which
 * then is not closing any more, if the limit of descriptors is reached. Does not wait. Called locked; unlocked on
 * return.
 */
bool release_last_number(struct endpoint *endpoint, struct connection *connection, int fd, bool is_replaced);

/*
 * Ends a closed connection whose peer has not proved its identity (unproved.h). Called locked; unlocked on return.
 */
void release_drop(struct endpoint *endpoint, struct connection *connection);

/*
 * Everything about closing `fd` but the system call: the number is closing in this generation afterwards, or hidden
 * if it stays open for the shim (release_last_number()). `is_replaced`: by dup2(2). False: it is not sealed, or was
 * hidden before.
 */
bool release_number(int fd, uint32_t generation, bool is_replaced);

/*
 * The system call for a number that is closing in this generation, which is foreign afterwards. Where a filter
 * (seccomp) does not allow close(2), the number stays open and becomes hidden. Returns 0 or a negated errno.
 */
long release_close_number(int fd, uint32_t generation);

#endif
