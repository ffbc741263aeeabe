/*
 * Calls that read or change the state of connected sockets without moving bytes: readiness, options, modes, names,
 * duplicates, ends. A part of sock_differ. `which` is the index of an end in its pair.
 */
#ifndef PFSWRAP_TESTS_DIFFER_STATE_H
#define PFSWRAP_TESTS_DIFFER_STATE_H

#include "differ.h"

/* To be called once, before anything else here. */
void state_begin(void);

/* select, poll, epoll or the byte counts of an end that has received everything, so that they cannot change. */
void ask_readiness(struct pair *pair, unsigned which);

/* Sets and reads a random socket option. */
void change_option(int fd);

/* Reads the options that are structures, and sets some to invalid values. */
void ask_special_options(int fd);

/* Reads or changes descriptor and file status flags. */
void change_mode(struct end *end);

/* getsockname at one end and getpeername at the other. */
void ask_names(const struct pair *pair, unsigned which);

/* Duplicates the descriptor and closes the old one; the end goes on with the new descriptor number. */
void duplicate(struct end *end);

/* Closes a pair and opens a new one in its place. */
void pair_renew(struct pair *pair);

/* Shuts down one direction or both, and waits for what that changes at the other end. */
void shut(struct pair *pair, unsigned which);

/* Calls that work on files but not on sockets, or on other sockets only. */
void ask_nature(const struct pair *pair, unsigned which);

#endif
