/*
 * Kernel rings: io_uring(7) and io_submit(2), which pass no interposed call when they move bytes.
 */
#ifndef PFSWRAP_SOCKET_URING_H
#define PFSWRAP_SOCKET_URING_H

#include <stdbool.h>

struct iocb;

/* Whether there may be descriptors whose bytes io_submit(2) must not move. */
bool uring_matters(void);

/* Whether io_submit(2) must not have these `count` requests: one moves bytes that must be seen.
 * Sets errno. */
bool uring_refuses(long count, struct iocb *const *requests);

#endif
