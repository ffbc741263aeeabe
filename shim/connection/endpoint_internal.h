/*
 * What the files endpoint*.c share, and beside release.c no other file uses: the memory of endpoints, the word that
 * the table of descriptors has for their numbers (fd/table.h), and the filter of their events.
 */
#ifndef PFSWRAP_CONNECTION_ENDPOINT_INTERNAL_H
#define PFSWRAP_CONNECTION_ENDPOINT_INTERNAL_H

#include "base/memory.h"
#include "connection/endpoint.h"

/* Endpoints, and the private memory where calls work on their connections. */
extern struct memory_pool endpoint_pool, endpoint_connection_pool;

/* The word of a number of this endpoint. `cloexec`: with the program's close-on-exec flag. */
static inline uint64_t endpoint_word(const struct endpoint *endpoint, bool cloexec)
{
    return (uint64_t)atomic_load(&endpoint->generation) << FD_WORD_ID_SHIFT | (endpoint->index + 1) |
           (cloexec ? FD_WORD_CLOEXEC : 0);
}

/* The endpoint that a word of the table refers to; NULL: none, or the number is closing or foreign. */
struct endpoint *endpoint_of_word(uint64_t word);

/*
 * Whether no thread is about to lock the endpoint's connection, which the endpoint no longer refers to. Waits up to
 * 10 ms for those that are.
 */
bool endpoint_is_unreferenced(const struct endpoint *endpoint);

/* How many endpoints have a filter: their part of planes_filtering. */
extern atomic_int endpoint_filtering;

/* Sets endpoint->filter (FILTER_) and adjusts both counters. */
void endpoint_set_filter(struct endpoint *endpoint, unsigned filter);

#endif
