/*
 * What epoll and poll report of a sealed connection: what the tests of readiness share. A number of a test is
 * registered with epoll by the shim's own functions, and its events are filtered as the interposed calls do it.
 */
#ifndef PFSWRAP_TESTS_READINESS_EVENTS_H
#define PFSWRAP_TESTS_READINESS_EVENTS_H

#include <sys/epoll.h>

#include "../connection/link.h"
#include "fd/events.h"
#include "readiness/readiness.h"
#include "readiness/registration.h"

/* The fixture of each case. */
void start_policy(void);
void end_policy(void);

/* Two sealed ends that have not exchanged a byte yet. */
struct link begin(bool nonblocking);

/* As accept() makes the server's end: what the program sends is kept from the beginning. */
struct link begin_accepted(void);

/* An open connection whose server end is registered with `epoll`. */
struct link open_registered(int epoll, uint32_t events, bool nonblocking);

/* The locked connection of a sealed number, to be left with endpoint_leave(). */
struct connection *enter(int fd, struct endpoint **endpoint);

/* epoll_ctl(2) on a sealed number. Returns 0 or a negative errno value. */
int control(int epoll, int operation, int fd, uint32_t events, uint64_t data);

/* A new epoll instance. */
int new_epoll(void);

/* What the shim lets the program see of one event. */
uint32_t filtered(int epoll, const struct epoll_event *event, uint64_t epoch);

/* The event that the kernel reports of the only descriptor in `epoll`, and what the shim lets the program see of
 * it. */
uint32_t reported(int epoll, uint64_t data);

/* Set if the background thread may read what has crossed before step() sees it. */
extern bool beside_background;

/* Moves one byte each way and lets both ends continue; the server by epoll only. Returns what its program gets. */
uint32_t step(const struct link *link, int epoll, uint64_t data);

/* The handshake, in which the program gets no event. Returns the events after it. */
uint32_t shake_hands(const struct link *link, int epoll, uint64_t data);

/* Sets the time at which buffering begins to now, and sweeps. `deadline`: the time at which the handshake fails. */
void let_time_pass(int fd, bool deadline);

#endif
