/*
 * The end of a connection as the program means it: shutdown and close. What was accepted is sent, FINAL and the
 * kernel's FIN follow, and the socket is held until the peer's kernel has it all.
 */
#ifndef PFSWRAP_CONNECTION_RELEASE_H
#define PFSWRAP_CONNECTION_RELEASE_H

#include "connection/endpoint.h"

/*
 * The program closes `fd`, a sealed descriptor, or one that something is noted of. Closes it, or keeps a hidden
 * duplicate until all is sent. Returns what close(2) does, or FD_FOREIGN: make the real call. In a child of
 * vfork() only the descriptor goes.
 */
int release_close(int fd);

/*
 * The kernel has closed `fd`, which was foreign just before, and now something is known of it: another thread has
 * registered it in between, for the socket that is closed or for one that has the number now. The former ends.
 */
void release_after_close(int fd);

/*
 * dup2(2) is about to put something else at `fd`, which may be anything: no other thread makes it something else
 * until release_after_replace(), which says whether the kernel has done it and what the table is to have for it
 * then (0, or a note). `passes`: other threads' calls on a foreign number go on meanwhile. What was sealed ends as
 * with release_close(), also if the kernel has not replaced it; a number that the shim has hidden there moves out
 * of the way. False, with EBUSY: another call has other plans for the number. Nothing changes in a child of
 * vfork().
 */
struct replacement {
    int fd;
    uint32_t generation; /* 0: nothing to do */
    uint64_t before;     /* the table's word for it, if it was foreign */
    bool released;       /* it was sealed, or hidden */
};
bool release_before_replace(int fd, bool passes, struct replacement *replacement);
void release_after_replace(const struct replacement *replacement, bool replaced, uint64_t word);

/*
 * Every sealed descriptor in a range is about to be closed. Returns the generation for fd_vacate_range(); 0:
 * there is none.
 */
uint32_t release_before_close_range(unsigned first, unsigned last);

/* shutdown(2) of a sealed descriptor; or FD_FOREIGN. */
int release_shutdown(int fd, int how);

/*
 * Goes on with a connection that is finishing, in the background. Returns true when there is nothing left to do:
 * the endpoint is free and its hidden descriptor closed, or the program still has it and it is where it should be.
 * Called with the lock held, which is given back.
 */
bool release_advance(struct endpoint *endpoint, struct connection *connection);

/* At exit: every connection of this process is closed, as the kernel would close it; then waited for. */
void release_all(void);

#endif
