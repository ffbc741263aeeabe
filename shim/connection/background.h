/*
 * What has to go on when the program does not: a closed connection whose bytes are still on their way, a frame that
 * a full socket took a part of, a handshake that a blocking program does not wait for. A thread with all signals
 * blocked that exists while there is any.
 */
#ifndef PFSWRAP_CONNECTION_BACKGROUND_H
#define PFSWRAP_CONNECTION_BACKGROUND_H

#include "connection/endpoint.h"

/*
 * Puts the endpoint on the list and sees to it that the thread runs. Call without the connection's lock. Where no
 * thread can be made (a sandbox, limits) a closed connection is seen through here, for at most the policy's
 * `linger`, and the others wait for the program's next call, or its exit.
 */
void background_add(struct endpoint *endpoint);

/* Whether there is a thread now. */
bool background_is_running(void);

/*
 * In a child of a fork: the thread is the parent's. `may_make_one`: libc has made the fork. After another one its
 * allocator's lock may be held by a thread that is not here, so that no thread can be made.
 */
void background_forget(bool may_make_one);

/* Whether background_settle(), just before the fork, found no thread that could have held that lock. */
bool background_may_go_on(void);

/*
 * Before a fork that libc does not know of: a thread that is just being made has begun. Libc in the child would
 * wait for that forever, at the first setgroups(2) or the like (nptl(7)).
 */
void background_settle(void);

/* At exit: everything on the list is seen through, for at most the policy's `linger`. */
void background_finish(void);

#endif
