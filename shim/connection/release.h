/*
 * The end of a connection: shutdown(2), close(2), and dup2(2) onto one of its numbers. All bytes that the program's
 * calls have accepted are sent, then FINAL and the kernel's FIN. The socket stays open until the peer's kernel has
 * acknowledged everything, for at most the policy's `linger` after the FIN.
 */
#ifndef PFSWRAP_CONNECTION_RELEASE_H
#define PFSWRAP_CONNECTION_RELEASE_H

#include "connection/endpoint.h"

/*
 * close(2) of `fd`, which is sealed, or about which something is recorded (fd_is_known()). A hidden duplicate keeps
 * the socket if something is still to be sent. Returns what close(2) does, or FD_FOREIGN: make the real call. In a
 * child of vfork(), only the descriptor is closed.
 */
int release_close(int fd);

/*
 * The kernel has closed `fd`, which was foreign before the call, and now the table has something for it: another
 * thread has registered the number meanwhile. If it did so for the socket that is closed now, that connection ends.
 * A connection of another socket that has the number now stays. Keeps errno.
 */
void release_after_close(int fd);

/*
 * Around dup2(2) onto `fd`, which may be of any kind. No other thread changes the kind of the number between the
 * two calls. before: a sealed number is closed as by release_close(), even if the kernel does not replace it later.
 * A hidden file moves to another number. `passes`: other threads' calls on a foreign number go on meanwhile.
 * Returns false with errno EBUSY if other calls keep the number for a second. after: `replaced` says whether the
 * kernel has replaced the number, and `word` is its new word (0, or a note). Neither changes anything in a child of
 * vfork().
 */
struct replacement {
    int fd;
    uint32_t generation; /* 0: nothing to do */
    uint64_t before;     /* the word of a foreign number */
    bool released;       /* it was sealed, or hidden */
};
bool release_before_replace(int fd, bool passes, struct replacement *replacement);
void release_after_replace(const struct replacement *replacement, bool replaced, uint64_t word);

/*
 * Before close_range(2): does everything about closing the sealed numbers in [first, last] except the system call.
 * Returns the generation for fd_vacate_range(); 0 in a child of vfork(): nothing to do. Keeps errno.
 */
uint32_t release_before_close_range(unsigned first, unsigned last);

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
