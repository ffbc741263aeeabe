/*
 * What the parts of sock_differ share: random numbers from a seed, the trace, and pairs of connected sockets whose
 * state is known. What is printed follows from the seed and from TCP alone. Two runs of the same seed print the
 * same, whether the connections are bare or sealed: before a result is printed, the program waits for what the
 * result depends on.
 */
#ifndef PFSWRAP_TESTS_DIFFER_H
#define PFSWRAP_TESTS_DIFFER_H

#include "sock.h"

#include <stdatomic.h>

enum {
    PAIRS = 3,
    ROOM = 24000, /* bytes under way to one end at most, so that no call ever has to wait for buffer space */
};

/* One end of a connection, and what is known of it. */
struct end {
    int fd;
    bool nonblocking, read_shut, write_shut;
    size_t waiting; /* bytes that have arrived for it and were not received */
    uint64_t sent;  /* bytes it has sent */
};

struct pair {
    struct end ends[2];
};

extern struct sock_target differ_target; /* where everything listens */
extern struct pair differ_pairs[PAIRS];
extern uint64_t differ_state;          /* of the random numbers */
extern atomic_int differ_pipe_signals; /* SIGPIPEs since the last line of the trace */

/* --- random numbers --- */

uint64_t random_word(void);

/* A number below `limit`. */
unsigned random_below(unsigned limit);

/* True in `percent` of all cases. */
bool random_chance(unsigned percent);

/* A size as programs have them, at most `most`: none, one, few or many bytes. */
size_t random_size(size_t most);

/* --- the trace --- */

/* 64 bits that differ for different bytes (FNV-1a). */
uint64_t digest_of(const void *bytes, size_t size);

/* Prints a call, what it returned, its errno if it failed, and signals that it raised. Returns `result`. */
__attribute__((format(printf, 2, 3))) ssize_t traced(ssize_t result, const char *format, ...);

/* --- pairs --- */

/* Waits by poll(2) until one of `events` is reported; fails with `what` after SOCK_DEADLINE_MS. */
void await(int fd, short events, const char *what);

/* Waits until everything that was sent to this end can be read. */
void await_waiting(const struct end *end);

/* A socket that listens on differ_target. */
int listener_open(int backlog);

/* connect(2) to differ_target, with its result. */
int dial(int fd);

/* Sends a byte each way. After this a connection is complete, sealed or not. */
void greet(int one, int other);

/* Two connected descriptors. The first one has connected. */
void connect_two(int fds[2]);

/* The same as a pair, in which either end may have connected. */
void pair_open(struct pair *pair);

/* Receives what is left both ways and closes both ends, so that nothing is lost and no end is reset. */
void two_close(int one, int other);

#endif
