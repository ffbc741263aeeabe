/*
 * Waiting in the kernel without the connection's lock, behind a filter that allows neither recvfrom(2) nor
 * sendto(2). There a call cannot look first whether it would wait: read(2) and write(2) of a blocking descriptor
 * just wait. One thread waits in read(2), and another one may write meanwhile.
 *
 * An attempt under the lock does not receive or send, but notes what it needs. Then the lock is released, the call
 * is made on a copy of the bytes, and the next attempt continues with its result. One thread at a time does this in
 * each direction.
 */
#ifndef PFSWRAP_CONNECTION_UNLOCKED_H
#define PFSWRAP_CONNECTION_UNLOCKED_H

#include <stdbool.h>

#include "connection/connection.h"
#include "connection/endpoint.h"

/*
 * This thread's attempt will call unlocked_wait() after it has released the lock. So receives and sends on this
 * connection are put off. Set and restored by stream.c.
 */
extern __thread const struct connection *unlocked_connection __attribute__((tls_model("initial-exec")));

/* Whether a receive, or a send, on the connection has to be put off. Locked. */
bool unlocked_defers_receive(const struct connection *connection);
bool unlocked_defers_send(const struct connection *connection);

/*
 * What an attempt leaves to unlocked_wait(), and the result. It belongs to one call of the program: a signal
 * handler that interrupts the call has its own.
 */
struct unlocked {
    size_t receive;  /* bytes to receive; 0: none */
    size_t send;     /* bytes to send, in the buffer; 0: none */
    long count;      /* the result: bytes, or a negative errno value */
    int32_t buffer;  /* of the pool; CONNECTION_NO_BUFFER: nothing is to be done here, or to be settled */
    bool is_pending; /* something has to be done here, or another thread is doing it */
    bool by_other;   /* another thread is sending, for as long as the peer does not receive */
};

/* No work, and no result. */
extern const struct unlocked unlocked_nothing;

/*
 * At the end of an attempt to send that goes on: what is pending is sent by this thread. Another one that receives
 * must not begin with it meanwhile: it would wait in write(2) for a peer that sends everything before it receives.
 * Locked.
 */
void unlocked_reserve_send(struct connection *connection);

/* At the beginning of this thread's next attempt to send. Locked. */
void unlocked_release_send(struct connection *connection);

/*
 * At the end of an attempt: claims what has to be done for this thread. `receives`: the call waits for received
 * bytes. Locked.
 */
void unlocked_claim(struct connection *connection, struct unlocked *work, bool receives);

/*
 * Makes the call, without the lock. unlocked_settle() must follow. Returns 0; -EINTR or -EAGAIN (SO_RCVTIMEO or
 * SO_SNDTIMEO has expired), if nothing has been moved.
 */
int unlocked_wait(int fd, struct unlocked *work);

/*
 * The connection gets the result, and other threads may receive or send again. Locked. With NULL, the connection is
 * gone, and the result is discarded.
 */
void unlocked_settle(struct connection *connection, struct unlocked *work);

/*
 * The result of a receive with 0 bytes or an error, which unlocked_settle() could not store: once, in place of the
 * next receive. False: there is none.
 */
bool unlocked_result(const struct connection *connection, long *count);

#endif
