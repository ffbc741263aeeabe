/*
 * The end of a connection: shutdown(2), close(2), and dup2(2) onto one of its numbers (fd/close.h). All bytes that
 * the program's calls have accepted are sent, then FINAL and the kernel's FIN. The socket stays open until the
 * peer's kernel has acknowledged everything, for at most the policy's `linger` after the FIN.
 */
#ifndef PFSWRAP_CONNECTION_RELEASE_H
#define PFSWRAP_CONNECTION_RELEASE_H

#include "connection/endpoint.h"

/*
 * Everything about closing `fd` but the system call: the number is closing in this generation afterwards, or hidden
 * if it stays open for the shim: a hidden duplicate, or the number itself, keeps the socket if something is still
 * to be sent. `is_replaced`: dup2(2) replaces the number; then a hidden file moves to another number. False: it is
 * not sealed, or was hidden before.
 */
bool release_number(int fd, uint32_t generation, bool is_replaced);

/*
 * The kernel has closed `fd`, which was foreign before the call, and is sealed now: another thread has registered
 * it meanwhile. If it did so for the socket that is closed now, that connection ends. A connection of another
 * socket that has the number now stays.
 */
void release_closed(int fd);

/* shutdown(2) of a sealed number; or FD_FOREIGN: make the real call. */
int release_shutdown(int fd, int how);

/*
 * The background thread's work: continues with a connection as far as possible without waiting. Returns true if
 * nothing is left to do. Then the endpoint is free and its hidden number closed; or the program still has a number,
 * and the connection needs nothing until its next call. Called locked; unlocked on return.
 */
bool release_advance(struct endpoint *endpoint, struct connection *connection);

/* At exit: closes every connection of this process, as the kernel would, and waits for at most `linger`. */
void release_all(void);

#endif
