/*
 * A sealed connection as a blocking or non-blocking stream. All interposed calls that move bytes end here. These
 * functions wait without the connection's lock, and a wait is a cancellation point.
 */
#ifndef PFSWRAP_CONNECTION_STREAM_H
#define PFSWRAP_CONNECTION_STREAM_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/transport.h"

/*
 * recv(2) and send(2) with their flags and return values, for an array of buffers (readv(2)). `kind`: the kind of
 * call that the program made. Return FD_FOREIGN for a foreign number. -1 with errno: as in tcp(7); ECONNRESET also
 * for a frame that is not authentic and for a stream that ends without FINAL; EINVAL or EOPNOTSUPP for MSG_OOB;
 * EBADF if another thread has closed the number meanwhile. Sending raises SIGPIPE as send(2) does.
 */
ssize_t stream_receive(int fd, const struct iovec *vectors, size_t count, int flags, enum transport_call kind);
ssize_t stream_send(int fd, const struct iovec *vectors, size_t count, int flags, enum transport_call kind);

/* FIONREAD: how many bytes a read would return; or FD_FOREIGN; or -1 with errno. */
ssize_t stream_available(int fd);

#endif
