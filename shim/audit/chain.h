/*
 * Chains the lines of this process, so that a line that is changed, removed, moved or added later is found
 * (docs/AUDIT.md, "Chained lines"). Each line gets the name of the chain, a number, and a MAC under a key that is
 * replaced after the line: an attacker who takes over the process later cannot make the MACs of earlier lines. A
 * child of a fork has a chain of its own. The lines of a child of vfork() are in its parent's chain, whose memory
 * it has.
 */
#ifndef PFSWRAP_AUDIT_CHAIN_H
#define PFSWRAP_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fork.h"

enum { CHAIN_ROOM = 224 }; /* bytes that chain_close_line() adds at most */

/* Begins the chain of this process. The key is not kept; the caller wipes it. Called once, before any line. */
void chain_start(const uint8_t master[static 32]);

/* Whether this process chains its lines. */
bool chain_is_on(void);

/*
 * Around a line: locks the chain, so that lines are written in the order of their numbers. False: another thread
 * has had it for seconds, or this thread has it, since a signal handler interrupted it there; then the line cannot
 * be written. `is_written`: the number is used, and the next line has another key.
 */
bool chain_begin(void);
void chain_end(bool is_written);

/*
 * Adds the fields of the chain to a line of JSON that ends with "}" and a newline, and has room for CHAIN_ROOM more
 * bytes. Returns the new length. Between chain_begin() and chain_end().
 */
size_t chain_close_line(char *line, size_t length);

/* How many lines of this process's chain were written. */
uint64_t chain_length(void);

extern const struct process_observer chain_process_observer;

#endif
