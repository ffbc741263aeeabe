/*
 * A trace for debugging the shim (docs/DEBUGGING.md): PFSWRAP_TRACE=calls,fd,handshake. A line has numbers and
 * fixed words only: never a byte of data, a key or a name of a file. Where it is off, a place that traces costs one
 * load and one branch that is predicted. Calls on foreign descriptors are not traced at all.
 */
#ifndef PFSWRAP_BASE_TRACE_H
#define PFSWRAP_BASE_TRACE_H

#include <stdbool.h>
#include <stddef.h>

enum trace_category {
    TRACE_CALLS = 1,     /* interposed calls on descriptors that have a record or are sealed, with their result */
    TRACE_FD = 2,        /* changes in the table of descriptors */
    TRACE_HANDSHAKE = 4, /* phases of sealed connections, and TLS handshakes */
};

/* The categories that are on. */
extern unsigned trace_categories __attribute__((visibility("hidden")));

/*
 * Reads a list of categories ("calls,fd"). Returns 0 and *categories, or -1: *bad and *length are the word that is
 * not one.
 */
int trace_parse(const char *list, unsigned *categories, const char **bad, size_t *length);

/* Lines of these categories are given to `emit` from now on. Once, at the start. `emit` may run wherever
 * trace_write() may. */
void trace_start(unsigned categories, void (*emit)(const char *line, size_t length));

/*
 * Writes one line with one write(2): the time since the process began to trace, its process and thread, the
 * category, the event up to a "(", `fd`, and name=value. Keeps errno, allocates nothing, and may run in signal
 * handlers and in children of vfork().
 */
void trace_write(enum trace_category category, const char *event, int fd, const char *name, long long value);

#define TRACE(category, event, fd, name, value)                                                                    \
    do {                                                                                                           \
        if (__builtin_expect((trace_categories & TRACE_##category) != 0, false))                                   \
            trace_write(TRACE_##category, event, fd, name, (long long)(value));                                    \
    } while (0)

/* An interposed call and its result, -1 with errno. */
#define TRACE_CALL(call, fd, result)                                                                               \
    do {                                                                                                           \
        if (__builtin_expect((trace_categories & TRACE_CALLS) != 0, false))                                        \
            trace_write(TRACE_CALLS, call, fd, (result) < 0 ? "errno" : "result",                                  \
                        (result) < 0 ? (long long)errno : (long long)(result));                                    \
    } while (0)

#endif
