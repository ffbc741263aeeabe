/*
 * io_submit(2) and io_uring(7), which move bytes without an interposed call. For syscall(2) by number.
 */
#ifndef PFSWRAP_SOCKET_URING_H
#define PFSWRAP_SOCKET_URING_H

#include <stdbool.h>

struct iocb;

/* Whether there may be connections whose bytes io_submit(2) must not move. */
bool uring_matters(void);

/* Whether one of these `count` requests of io_submit(2) would move such bytes. True: with errno. */
bool uring_refuses(long count, struct iocb *const *requests);

#endif
