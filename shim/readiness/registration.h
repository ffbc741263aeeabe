/*
 * Sealed descriptors in epoll(7). A registration records one epoll_ctl(2) call of the program (struct
 * registration). While a handshake is under way, the kernel gets other events than the program asked for, but
 * always the program's data. So a wait that the shim does not see (a nested epoll, another process) may get a
 * spurious event, but never misses one. All functions need the connection's lock, except where they say otherwise.
 */
#ifndef PFSWRAP_READINESS_REGISTRATION_H
#define PFSWRAP_READINESS_REGISTRATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "connection/endpoint.h"

/* epoll_ctl(2) on a sealed descriptor. Returns 0 or a negative errno value. */
int registration_control(struct endpoint *endpoint, const struct connection *connection, int epoll, int operation,
                         int fd, const struct epoll_event *event);

/*
 * Some programs register a socket before they connect it. registration_note() remembers the last epoll_ctl(2) call
 * on a descriptor that is not sealed. It waits for no lock, and may forget the call. registration_adopt() makes a
 * registration of it when the descriptor has become sealed.
 */
void registration_note(int epoll, int operation, int fd, const struct epoll_event *event);
void registration_adopt(struct endpoint *endpoint, const struct connection *connection, int fd);

/*
 * The connection's state has changed: gives the kernel the events for this state. `again`: even if they are the
 * same, so that an edge-triggered epoll reports again what is already there.
 */
void registration_update(struct endpoint *endpoint, const struct connection *connection, bool again);

/*
 * The number `fd` is about to be closed, and the program keeps others. Then the kernel keeps the registrations of
 * this number (epoll(7), questions and answers). They get the program's own events, and the shim forgets them.
 */
void registration_leave(struct endpoint *endpoint, int fd);

/*
 * The program's last number is about to be closed. A hidden duplicate may keep the socket open, so the kernel would
 * keep its registrations. This deletes them.
 */
void registration_remove(struct endpoint *endpoint);

/*
 * The epoll instance `epoll` has just reported `count` events: removes those that the program must not get, and
 * bits of others. Returns how many are left, at the beginning of the array. Continues the handshakes to which the
 * events belong. An event that no connection explains belongs to another descriptor, and the program gets it as it
 * is. `epoch`: events_epoch() after the wait. Each change of the kernel's events also sets endpoint->epoch, and an
 * event that was reported before that is out of date. Takes the connections' locks itself.
 */
int registration_filter(int epoll, struct epoll_event *events, int count, uint64_t epoch);

/* For shim/order.c. */
extern const struct endpoint_observer registration_endpoint_observer;

#endif
