/*
 * What the files registration*.c share, and no other file uses: the table that leads from an event to
 * registrations, and the call that changes the kernel's events. The table needs no lock.
 */
#ifndef PFSWRAP_READINESS_REGISTRATION_INTERNAL_H
#define PFSWRAP_READINESS_REGISTRATION_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "connection/endpoint.h"

enum {
    READABLE = EPOLLIN | EPOLLRDNORM,
    WRITABLE = EPOLLOUT | EPOLLWRNORM,
    REGISTRATION_LINES = 8192,
    REGISTRATION_LINE = 16, /* entries in a line, which is one cache line */
};

/*
 * A hash table. An entry is endpoint->index * ENDPOINT_REGISTRATIONS + the index in endpoint->registrations + 1; 0:
 * it is free. The epoll instance and the program's data choose the line.
 */
extern _Atomic uint32_t registration_table[REGISTRATION_LINES][REGISTRATION_LINE];

static inline _Atomic uint32_t *registration_line(int epoll, uint64_t data)
{
    uint64_t hash = (data ^ ((uint64_t)(unsigned)epoll << 40)) * 0x9e3779b97f4a7c15U;
    return registration_table[(hash >> 32) % REGISTRATION_LINES];
}

/* Enters the registration into the table, so that registration_filter() finds it. False: its line is full. */
bool registration_index_add(const struct endpoint *endpoint, struct registration *registration);
void registration_index_remove(const struct endpoint *endpoint, struct registration *registration);

/*
 * Gives the kernel other events for a registration that it has. A registration with EPOLLEXCLUSIVE is deleted and
 * added, since the kernel does not modify it (epoll_ctl(2)). Returns 0 or a negative errno value.
 */
int registration_set_events(struct registration *registration, uint32_t events);

#endif
