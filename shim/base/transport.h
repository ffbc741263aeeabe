/*
 * The transport of a sealed connection: its TCP socket. Makes system calls only, and does not wait. The functions
 * that move bytes return what the kernel returns: a count, 0, or a negative errno value.
 */
#ifndef PFSWRAP_BASE_TRANSPORT_H
#define PFSWRAP_BASE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The kind of call that the program made: recv(2) or send(2), read(2) or write(2), with vectors, with a message. A
 * system call filter may allow only the program's own kind of call. Then the shim makes the same kind.
 */
enum transport_call { TRANSPORT_SOCKET, TRANSPORT_PLAIN, TRANSPORT_VECTOR, TRANSPORT_MESSAGE };

/* The kind of the call that this thread is in. */
extern __thread enum transport_call transport_call __attribute__((tls_model("initial-exec")));

/*
 * Whether a filter forbids recvfrom(2); whether it forbids sendto(2), or ppoll(2) and poll(2), which wait for the
 * next one. Then transport_receive() and transport_send() make the program's own kind of call, which waits if the
 * descriptor is blocking.
 */
bool transport_receive_waits(void);
bool transport_send_waits(void);

/* Receives at most `size` bytes. */
long transport_receive(int fd, void *bytes, size_t size);

/* Receives and discards what has arrived, up to 256 KiB. Does nothing where a filter forbids recvfrom(2). */
void transport_discard(int fd);

/* `more`: MSG_MORE or 0. Does not raise SIGPIPE, except for write(2) and writev(2) in place of sendto(2). */
long transport_send(int fd, const void *bytes, size_t size, int more);

/* shutdown(2) with `how`. */
long transport_shut(int fd, int how);

/* A socket option that is an int. If a filter forbids the call, nothing is set. The value is 0 then, or on an
 * error. */
void transport_set_option(int fd, int level, int option, int value);
int transport_get_option(int fd, int level, int option);

/* How many bytes the peer's kernel has not acknowledged; the FIN counts as one. 0 if the connection is gone. */
int transport_unacknowledged(int fd);

/* The same in one system call. It still counts the bytes of a connection that is gone. */
int transport_queued(int fd);

/*
 * Asks the kernel to take `bytes` more into its send buffer than it does now. It may refuse: only a program with
 * CAP_NET_ADMIN can exceed the limit of the system (socket(7), wmem_max). Not in a sandbox.
 */
void transport_extend_send_buffer(int fd, unsigned bytes);

/* How many bytes can be received. */
int transport_readable(int fd);

/*
 * Whether the kernel has used more than half of the memory for what it has received, SO_RCVBUF (socket(7)). It
 * counts whole packets, also those of which only a few bytes are left. False if it does not say (before
 * Linux 4.12).
 */
bool transport_receive_is_full(int fd);

/* Whether there are neither bytes to receive, nor the peer's FIN, nor an error. */
bool transport_is_quiet(int fd);

/*
 * Whether the peer has sent its FIN, or the connection is gone; also for a socket that is shut down for reading.
 * True if a filter forbids the question.
 */
bool transport_has_ended(int fd);

/*
 * The same. *is_all: the FIN has come behind the first `received` bytes, so that there are no more to receive.
 * False if the kernel does not say how many there were (before Linux 4.1).
 */
bool transport_has_ended_after(int fd, uint64_t received, bool *is_all);

/* When the socket is closed, the connection is reset (SO_LINGER, socket(7)). */
void transport_reset_on_close(int fd);

/*
 * On a connection that this end has made: whether a byte has passed in either direction, or the connection has
 * ended. False if the kernel does not report this (before Linux 4.2).
 */
bool transport_has_begun(int fd);

#endif
