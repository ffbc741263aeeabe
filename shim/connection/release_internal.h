/*
 * What the files release*.c share, and no other file uses: the steps of closing a number.
 */
#ifndef PFSWRAP_CONNECTION_RELEASE_INTERNAL_H
#define PFSWRAP_CONNECTION_RELEASE_INTERNAL_H

#include "connection/endpoint.h"

/*
 * The program closes the connection's last number in this process, `fd`. `is_replaced`: by dup2(2), so the kernel
 * will close it. Does not wait. Called locked; unlocked on return. Returns what is left.
 */
enum release_left {
    RELEASE_NOTHING, /* the endpoint is free */
    /* A hidden number keeps the socket, and the caller calls background_add_closed(). That number is a duplicate,
     * or `fd` itself, which then is not closing any more, if the limit of descriptors is reached. */
    RELEASE_KEPT,
    RELEASE_SENT, /* the same; only the peer's acknowledgement is missing, and there are numbers enough */
};
enum release_left release_last_number(struct endpoint *endpoint, struct connection *connection, int fd,
                                      bool is_replaced);

/*
 * Ends a closed connection whose peer has not proved its identity (unproved.h). Called locked; unlocked on return.
 */
void release_drop(struct endpoint *endpoint, struct connection *connection);

/* --- release_end.c --- */

/* What receive_rest() has found. `unread`: the peer has sent more than FINAL. `drained`: the kernel has no more. */
struct release_rest {
    bool unread, drained;
};

/*
 * Just before the socket is closed. If unread bytes are left, close(2) resets the connection, and the peer loses
 * what it has not acknowledged. So they are read and discarded. But a reset is right if the peer has acknowledged
 * everything and sent more than FINAL: it is what a peer gets that continues to send to a closed socket. It is also
 * right if bytes are left that the kernel never got: the stream has no end.
 */
void release_prepare_close(const struct connection *connection, int fd, struct release_rest rest);

/*
 * Whether a thread of this process has lost the lock, and has not come back yet. It may still use the number. In a
 * shared slot another process could claim this, and such a thread has a copy of its own.
 */
bool release_has_late_owner(struct connection *connection);

/*
 * Continues with a connection without numbers, as far as possible without waiting. Returns whether nothing is left
 * to do: the peer has acknowledged everything, or it has acknowledged nothing for `linger`. If the kernel has
 * everything by then, it continues alone. A handshake has its own deadline. *unsent: the peer had not acknowledged
 * everything.
 */
bool release_is_done(struct connection *connection, int fd, bool *unsent);

/* Whether the peer's kernel has not acknowledged everything. */
bool release_is_unsent(const struct connection *connection, int fd);

/* The `closed` event. `reset`: the program requested a reset. `unsent`: the peer has not taken everything. */
void release_report_end(const struct connection *connection, bool reset, bool unsent);

/*
 * No number is free for a hidden duplicate: continues as long as this is possible without waiting for another
 * process. The peer may be in this same thread. The observers of `waiting` continue its handshake, and the kernel
 * delivers what they send in a moment. Returns whether the kernel can do the rest alone.
 */
bool release_finish_at_once(struct endpoint *endpoint, struct connection *connection, int fd);

#endif
