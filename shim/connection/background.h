/*
 * The background thread. It does what has to continue while the program makes no call: it sends the last bytes of a
 * closed connection and the rest of a frame of which a full socket took only a part, and it completes handshakes
 * that the program does not wait for. It exists only while there is such work, and for a fifth of a second after
 * that. It has all signals blocked.
 */
#ifndef PFSWRAP_CONNECTION_BACKGROUND_H
#define PFSWRAP_CONNECTION_BACKGROUND_H

#include "connection/endpoint.h"

/*
 * Puts the endpoint on the list of the thread, and starts the thread if necessary. Call it without the connection's
 * lock. If no thread can be made (a sandbox, limits), the connection waits for the program's next call, or its
 * exit. Keeps errno.
 */
void background_add(struct endpoint *endpoint);

/*
 * The same for a connection that the program has closed. If no thread can be made, this call does what is possible
 * without waiting, for all connections on the list. `may_wait`: the descriptor was a blocking one, so the call
 * completes it, for at most the policy's `linger` without progress. `is_sent`: the kernel has everything, and only
 * the peer's acknowledgement is missing. So a thread that has been at work a moment ago is not woken.
 */
void background_add_closed(struct endpoint *endpoint, bool may_wait, bool is_sent);

/* Whether this process may make a thread: no filter forbids it, and libc's locks are in order. */
bool background_may_make_thread(void);

/* The object has made another thread (1), or it is about to end (-1): background_settle() does not take it for one
 * of the program's. */
void background_count_other(int change);

/* Whether the thread exists now. */
bool background_is_running(void);

/*
 * In a child of a fork, which does not have the parent's thread. `may_make_thread`: libc has made the fork, or
 * background_may_go_on(). Otherwise the lock of libc's allocator may belong to a thread that does not exist here,
 * and the child must not make a thread.
 */
void background_forget(bool may_make_thread);

/* Whether background_settle(), just before the fork, found no thread that could have that lock. */
bool background_may_go_on(void);

/*
 * Before a fork that libc does not make: waits until a thread that is just being made has begun. Otherwise libc in
 * the child would wait for that thread forever, in setgroups(2) and similar calls (nptl(7)).
 */
void background_settle(void);

/*
 * Ends the thread, and waits until it has ended. No thread is made until background_resume(), which continues with
 * what is left if a thread can be made then. Calls may be nested.
 */
void background_stop(void);
void background_resume(void);

/*
 * At exit: completes everything on the list, for at most the policy's `linger`. As long as peers take bytes that
 * the kernel has not taken yet, the wait goes on: the kernel cannot send those after the exit.
 */
void background_finish(void);

#endif
