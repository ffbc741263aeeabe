/*
 * Where the program inspects sealed descriptors with epoll(7). As long as a handshake is under way the kernel is
 * given other events than the program asked for, always with the program's own data: whoever waits without us (a
 * nested epoll, another process) is woken without need at most. All calls but registration_filter() need the
 * connection's lock.
 */
#ifndef PFSWRAP_READINESS_REGISTRATION_H
#define PFSWRAP_READINESS_REGISTRATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "connection/endpoint.h"

/* epoll_ctl(2) on a sealed descriptor. Returns 0 or a negated errno. */
int registration_control(struct endpoint *endpoint, const struct connection *connection, int epoll, int operation,
                         int fd, const struct epoll_event *event);

/*
 * Some programs watch a socket before they connect it. registration_note() remembers a call of epoll_ctl(2) on a
 * descriptor that is not sealed (needs no lock, and may forget); registration_adopt() takes it over for one that
 * has become so.
 */
void registration_note(int epoll, int operation, int fd, const struct epoll_event *event);
void registration_adopt(struct endpoint *endpoint, const struct connection *connection, int fd);

/*
 * The connection's state has changed: the kernel gets the events that suit it. `again`: in any case, so that it
 * reports anew what is there already.
 */
void registration_update(struct endpoint *endpoint, const struct connection *connection, bool again);

/* The descriptor is not sealed after all: the kernel gets the program's own events. */
void registration_restore(struct endpoint *endpoint);

/* A number for the connection is about to be closed, and others stay: so do its registrations, as the program made
 * them (epoll(7), questions and answers). */
void registration_leave(struct endpoint *endpoint, int fd);

/* The program's last number is about to be closed, and the kernel would not notice: registrations end here. */
void registration_remove(struct endpoint *endpoint);

/* The endpoint is free: nothing of it is found any more. */
void registration_forget(struct endpoint *endpoint);

/*
 * What the program is told of `event`, which epoll instance `epoll` has just reported: the bits that are left, 0
 * for none. Takes a handshake further if the event is its. An event that no connection explains is the program's.
 * `epoch`: registration_epoch() when it was reported.
 */
uint32_t registration_filter(int epoll, const struct epoll_event *event, uint64_t epoch);

/* For shim/order.c. */
extern const struct endpoint_observer registration_endpoint_observer;

/* Counts the times at which the kernel was given other events because of a handshake. */
uint64_t registration_epoch(void);

#endif
