/*
 * Audit lines that one mistake of a program can cause many times in a second, such as a descriptor without
 * close-on-exec in a server that executes programs. For each kind and rule, one line is written in a minute. The
 * others are counted, and a line says how many there were. A process and its children of fork() count together.
 */
#ifndef PFSWRAP_CONNECTION_REPORT_COUNTED_H
#define PFSWRAP_CONNECTION_REPORT_COUNTED_H

#include <stdbool.h>
#include <stdint.h>

#include "connection/connection.h"

/* `left`, and `refused` for each reason why an imported connection is not usable. */
enum counted { COUNTED_LEFT, COUNTED_LOST, COUNTED_KINDS = COUNTED_LOST + CONNECTION_LOST_REASONS };

/* The time in which one line is written; a variable for tests. */
extern uint32_t counted_interval_ms;

/* Around a fork: the child counts together with this process. */
void counted_before_fork(void);
void counted_after_fork_in_child(void);

/*
 * Whether the caller must write its line. Otherwise this has counted it. `rule`: its index in the policy; 0 if that
 * is not known.
 */
bool counted_must_write(enum counted kind, uint16_t rule);

/* Writes how many lines were counted in the time that is over. */
void counted_write_due(void);

/*
 * The process is about to exit or to exec: the same for all that was counted. A child leaves that to its parent, if
 * the parent is still there. Keeps errno.
 */
void counted_write_all(void);

#endif
