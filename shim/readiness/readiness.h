/*
 * Sealed descriptors in poll(2) and select(2), and what epoll needs as well (registration.h). Until its handshake
 * is complete, a descriptor is not readable, and it is writable only if the pre-handshake buffer takes bytes. A
 * wait for the descriptor continues the handshake. Afterwards the kernel's events apply, with two exceptions: a
 * descriptor is not readable while only a part of a frame has come, and not writable while the rest of a frame is
 * pending. Those would be spurious events: a blocking program would wait after them, and some non-blocking programs
 * do not expect EAGAIN. Nothing here waits.
 */
#ifndef PFSWRAP_READINESS_READINESS_H
#define PFSWRAP_READINESS_READINESS_H

#include <stdbool.h>
#include <stdint.h>

#include "connection/endpoint.h"

/*
 * The operations poll_concerns, poll_ask and poll_answer (fd/operations.h). readiness_concerns(): whether the
 * connection of the sealed number has a filter. readiness_ask() continues the handshake first, and sets *held_back
 * to true if it is not complete then. The kernel's events of a sealed number always need readiness_answer(), since
 * its connection may have got a filter during the wait.
 */
bool readiness_concerns(int fd);
short readiness_ask(int fd, short events, bool *held_back);
short readiness_answer(int fd, short events, short revents);

/*
 * The kernel reports `events` for a connection: returns those that are spurious, since a read or a send would wait.
 * It checks POLLIN, POLLOUT, POLLRDNORM and POLLWRNORM, which have the same values in epoll(7). To find out, it
 * receives a part of a frame and sends what is pending. Needs the lock.
 */
uint32_t readiness_spurious(struct connection *connection, int fd, uint32_t events);

/*
 * A handshake fails at its deadline, and buffering begins at buffer_at_ms, even if no event comes.
 * readiness_schedule() records the next such time of a connection (locked; events_schedule()). readiness_sweep()
 * does what is due at `now`, and returns when something is due next; UINT64_MAX: never.
 */
void readiness_schedule(const struct connection *connection);
uint64_t readiness_sweep(uint64_t now);

/*
 * Both ends of a connection may be in this process, or even in this thread. So readiness_drive() continues the
 * handshakes with peers on this host, and both ends become ready together. It knows the handshakes that
 * readiness_note() has recorded: at most eight. readiness_drive_pairs() comes before each wait. It does so only if
 * there are initiators and responders: a server alone, or a client alone, has its peers elsewhere, and the kernel
 * reports what they send.
 */
void readiness_drive(void);
void readiness_drive_pairs(void);
void readiness_note(const struct endpoint *endpoint, bool initiator);

/* Sets *found if the other end of the connection is one of those handshakes. */
void readiness_seek_peer(const struct connection *connection, bool *found);

#endif
