/*
 * The word that the table of descriptors has for an endpoint's numbers (fd/table.h).
 */
#ifndef PFSWRAP_CONNECTION_ENDPOINT_WORD_H
#define PFSWRAP_CONNECTION_ENDPOINT_WORD_H

#include "connection/endpoint.h"

static inline uint64_t endpoint_word(const struct endpoint *endpoint, bool cloexec)
{
    return (uint64_t)atomic_load(&endpoint->generation) << FD_WORD_ID_SHIFT | (endpoint->index + 1) |
           (cloexec ? FD_WORD_CLOEXEC : 0);
}

/* A number of this endpoint turned out to be another file's (fd/change.h). */
extern const struct fd_observer endpoint_fd_observer;

#endif
