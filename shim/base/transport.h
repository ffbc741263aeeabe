/*
 * The socket under a connection, without libc and without waiting. Returns what the kernel does: a count, 0, or a
 * negated errno.
 */
#ifndef PFSWRAP_BASE_TRANSPORT_H
#define PFSWRAP_BASE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The kind of call the program made. A system call filter may allow the program's own calls on this socket and no
 * other, so in a sandbox it is repeated in kind.
 */
enum transport_call { TRANSPORT_SOCKET, TRANSPORT_PLAIN, TRANSPORT_VECTOR, TRANSPORT_MESSAGE };

/* The kind of the calls that this thread makes now; set by the interposed call. */
extern __thread enum transport_call transport_call __attribute__((tls_model("initial-exec")));

/* At most `size` bytes. In a sandbox it waits if the descriptor does. */
long transport_receive(int fd, void *bytes, size_t size);

/* `more`: MSG_MORE. Never raises SIGPIPE, but in a sandbox write(2) does. */
long transport_send(int fd, const void *bytes, size_t size, int more);

/* shutdown(2) with `how`. */
long transport_shut(int fd, int how);

/* An option that is an int. get: 0 if there is none. */
void transport_set_option(int fd, int level, int option, int value);
int transport_get_option(int fd, int level, int option);

/* Bytes that the peer's kernel has not acknowledged, with the FIN; 0 too if nobody will. */
int transport_unacknowledged(int fd);

/* Bytes that can be read; and whether there is neither any of them, nor an end or an error. */
int transport_readable(int fd);
bool transport_is_quiet(int fd);

/* Whether the peer has sent its FIN, or the connection is gone; also for a socket that is shut for reading. */
bool transport_has_ended(int fd);

/* The next close() of the socket resets the connection (SO_LINGER, socket(7)). */
void transport_reset_on_close(int fd);

/*
 * On a connection that this end has made: whether a byte has passed in either direction since, or it has ended. A
 * kernel that does not say so (before Linux 4.2) means no.
 */
bool transport_has_begun(int fd);

#endif
