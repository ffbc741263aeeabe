/*
 * What sendfile(2) shares with splice(2).
 */
#ifndef PFSWRAP_SOCKET_SPLICE_H
#define PFSWRAP_SOCKET_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

bool splice_is_pipe(int fd);

/*
 * splice(2) from `fd`, which a plane has, into a pipe; `flags` as there. Returns how many bytes were
 * moved, 0 at the end of the stream, or -1 with the errno of recv(2), EPIPE (and SIGPIPE) or ENOMEM.
 */
ssize_t splice_into_pipe(int fd, int pipe, size_t count, unsigned flags);

#endif
