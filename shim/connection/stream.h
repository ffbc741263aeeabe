/*
 * A sealed connection as a blocking or non-blocking stream, for the interposed calls: whatever moves bytes comes
 * down to these two. Waiting is done without the lock and is a cancellation point.
 */
#ifndef PFSWRAP_CONNECTION_STREAM_H
#define PFSWRAP_CONNECTION_STREAM_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/transport.h"

/*
 * recv(2) and send(2) with their flags and return values, for buffers as readv(2) has them. `kind` is the call the
 * program made. -1 with errno: as tcp(7), and ECONNRESET for what does not authenticate or ends without FINAL;
 * EINVAL or EOPNOTSUPP for MSG_OOB. Sending raises SIGPIPE as send(2) does.
 */
ssize_t stream_receive(int fd, const struct iovec *vectors, size_t count, int flags, enum transport_call kind);
ssize_t stream_send(int fd, const struct iovec *vectors, size_t count, int flags, enum transport_call kind);

/* FIONREAD: bytes that a read would give; or FD_FOREIGN. */
ssize_t stream_available(int fd);

#endif
