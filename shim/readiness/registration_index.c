/*
 * The table that leads from an event to registrations (registration_internal.h). An event contains only the
 * program's data, so the table is searched by epoll instance and data. Threads use it without a lock.
 */
#include "base/large.h"
#include "readiness/registration_internal.h"

LARGE _Alignas(64) _Atomic uint32_t registration_table[REGISTRATION_LINES][REGISTRATION_LINE];

static uint32_t table_value(const struct endpoint *endpoint, const struct registration *registration)
{
    return endpoint->index * ENDPOINT_REGISTRATIONS + (uint32_t)(registration - endpoint->registrations) + 1;
}

/* registration_filter() finds the registration from now on. False: too many have the same data. */
bool registration_index_add(const struct endpoint *endpoint, struct registration *registration)
{
    _Atomic uint32_t *line = registration_line(registration->epoll - 1, registration->event.data.u64);
    for (int i = 0; i < REGISTRATION_LINE && !registration->indexed; i++) {
        uint32_t free = 0;
        registration->indexed =
            atomic_compare_exchange_strong(&line[i], &free, table_value(endpoint, registration));
    }
    return registration->indexed;
}

void registration_index_remove(const struct endpoint *endpoint, struct registration *registration)
{
    _Atomic uint32_t *line = registration_line(registration->epoll - 1, registration->event.data.u64);
    for (int i = 0; i < REGISTRATION_LINE && registration->indexed; i++) {
        uint32_t value = table_value(endpoint, registration);
        registration->indexed = !atomic_compare_exchange_strong(&line[i], &value, 0);
    }
    registration->indexed = false;
}
