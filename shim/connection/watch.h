/*
 * Where the program watches sealed descriptors with epoll(7). As long as a handshake is under way the kernel is
 * given other events than the program asked for, always with the program's own data: whoever waits without us (a
 * nested epoll, another process) is woken without need at most. All calls but watch_judge() need the connection's
 * lock.
 */
#ifndef PFSWRAP_CONNECTION_WATCH_H
#define PFSWRAP_CONNECTION_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "connection/endpoint.h"

/* epoll_ctl(2) on a sealed descriptor. Returns 0 or a negated errno. */
int watch_control(struct endpoint *endpoint, const struct connection *connection, int epoll, int operation, int fd,
                  const struct epoll_event *event);

/*
 * Some programs watch a socket before they connect it. watch_note() remembers a call of epoll_ctl(2) on a
 * descriptor that is not sealed (needs no lock, and may forget); watch_adopt() takes it over for one that has
 * become so.
 */
void watch_note(int epoll, int operation, int fd, const struct epoll_event *event);
void watch_adopt(struct endpoint *endpoint, const struct connection *connection, int fd);

/*
 * The connection's state has changed: the kernel gets the events that suit it. `again`: in any case, so that it
 * reports anew what is there already.
 */
void watch_settle(struct endpoint *endpoint, const struct connection *connection, bool again);

/* The descriptor is not sealed after all: the kernel gets the program's own events. */
void watch_restore(struct endpoint *endpoint);

/* A number for the connection is about to be closed, and others stay: so do its registrations, as the program made
 * them (epoll(7), questions and answers). */
void watch_leave(struct endpoint *endpoint, int fd);

/* The program's last number is about to be closed, and the kernel would not notice: registrations end here. */
void watch_remove(struct endpoint *endpoint);

/* The endpoint is free: nothing of it is found any more. */
void watch_forget(struct endpoint *endpoint);

/*
 * What the program is told of `event`, which epoll instance `epoll` has just reported: the bits that are left, 0
 * for none. Takes a handshake further if the event is its. An event that no connection explains is the program's.
 */
uint32_t watch_judge(int epoll, const struct epoll_event *event);

#endif
