/*
 * The relay: a process that takes over a sealed connection. The program gets one end of a socket pair at the same
 * descriptor numbers. This is for code that reads and writes without an interposed call: libc's stdio streams at 0,
 * 1 and 2, programs after exec that are static or cannot be preloaded into, and processes that receive the
 * descriptor in a message (SCM_RIGHTS, unix(7)).
 */
#ifndef PFSWRAP_TRANSFER_RELAY_H
#define PFSWRAP_TRANSFER_RELAY_H

#include <stdbool.h>
#include <sys/types.h>

#include "connection/endpoint.h"

/*
 * Whether a sealed connection at `number` has to be relayed: at 0, 1 and 2; and everywhere in a child of vfork(),
 * which shares its parent's table of descriptors, and cannot change it.
 */
bool relay_is_needed(int number);

/* The same for a caller that knows that this is no child of vfork(). Makes no system call. */
bool relay_is_needed_at(int number);

/*
 * Gives the connection behind `fd` to a relay. All its numbers in this process become the program's end of one
 * socket pair, with the same O_NONBLOCK, close-on-exec, timeouts and epoll registrations. Returns 0, also if `fd`
 * is not sealed; or a negative errno value, and nothing has changed: -EMFILE, -ENOMEM, -EAGAIN (no process can be
 * made), -EACCES (a filter forbids a call that the relay needs). After -EIO, the kernel has not replaced a number,
 * and the connection is cut.
 */
int relay_start(int fd);

/* The same, for callers that have no other way: the audit log says why the connection ends. */
int relay_require(int fd);

/*
 * Makes a relay for the endpoint's connection, but changes no number; `socket` is a descriptor of the connection.
 * Returns the program's end, with close-on-exec; or a negative errno value. Locked before and after.
 */
int relay_make(struct endpoint *endpoint, struct connection *connection, int socket);

/*
 * In the process between the program and the relay, for which the program waits: closes the descriptors that the
 * relay does not need, and opens what tells how the program ends. `end` is the relay's end of the pair; `program`
 * is the process that makes the relay. Returns false if that has ended already. It was killed then, and its
 * connection ends without FINAL.
 */
bool relay_prepare(struct endpoint *endpoint, int fd, int end, pid_t program);

/* The code of the relay's process, a child of the one that has called relay_prepare(). */
_Noreturn void relay_run(void);

#endif
