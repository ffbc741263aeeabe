/*
 * The table of endpoint.h from the inside: for endpoint.c, which knows whose a number is, and endpoint_hidden.c.
 */
#ifndef PFSWRAP_CONNECTION_ENDPOINT_TABLE_H
#define PFSWRAP_CONNECTION_ENDPOINT_TABLE_H

#include "connection/endpoint.h"

/* The word without the program's wish: what it says about whose the number is. */
static inline uint64_t endpoint_table_identity(uint64_t word)
{
    return word & ~(uint64_t)ENDPOINT_CLOEXEC;
}

/* The word that a number of the endpoint has; and that of one that is closing. */
static inline uint64_t endpoint_table_word(const struct endpoint *endpoint, bool cloexec)
{
    return (uint64_t)atomic_load(&endpoint->generation) << ENDPOINT_GENERATION_SHIFT | (endpoint->index + 1) |
           (cloexec ? ENDPOINT_CLOEXEC : 0);
}
static inline uint64_t endpoint_table_closing(uint32_t generation)
{
    return (uint64_t)generation << ENDPOINT_GENERATION_SHIFT | ENDPOINT_CLOSING;
}

/* Puts the word for a number that is this thread's to change. Returns what was there before. */
uint64_t endpoint_table_put(int fd, uint64_t word);

/* Puts the word if the number has, but for the program's wish, the word `before`. */
bool endpoint_table_exchange(int fd, uint64_t before, uint64_t word);

/*
 * Puts the word if the number is foreign, as endpoint_table_try() does; waits if it is closing or claimed. *before:
 * the word that it had. False: it is neither.
 */
bool endpoint_table_take(int fd, uint64_t word, uint64_t *before);
bool endpoint_table_try(int fd, uint64_t word, uint64_t *before);

#endif
