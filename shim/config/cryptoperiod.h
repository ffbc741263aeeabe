/*
 * Keys of which the policy says how old they may become (`max-key-age`), and keys of peers with a date: the events
 * `expiring`, at `warn-before`, and `expired`. Each is written once for a key and a process.
 */
#ifndef PFSWRAP_CONFIG_CRYPTOPERIOD_H
#define PFSWRAP_CONFIG_CRYPTOPERIOD_H

#include <stdatomic.h>
#include <stdint.h>

/* Writes what is due in the newest state. After the start, and after each reload. Keeps errno. */
void cryptoperiod_look(void);

/* When the next event is due, in Unix time. */
extern _Atomic int64_t cryptoperiod_next;

/* Formats a time as RFC 3339 writes it, without fractions of a second. Returns `text`; NULL: it is not in 1970 or
 * later. */
enum { CRYPTOPERIOD_TIME_BYTES = 64 };
const char *cryptoperiod_format_time(char text[CRYPTOPERIOD_TIME_BYTES], int64_t seconds);

/* A connection begins at `now`. One load, if nothing is due. */
static inline void cryptoperiod_check(uint64_t now)
{
    if (__builtin_expect((int64_t)now >= atomic_load_explicit(&cryptoperiod_next, memory_order_relaxed), 0))
        cryptoperiod_look();
}

#endif
