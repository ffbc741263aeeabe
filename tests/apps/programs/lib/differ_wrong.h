/*
 * Calls that must fail, and connections that begin, end or change in unusual ways. Each function makes its own
 * connections or leaves the pair it was given as it was. A part of sock_differ.
 */
#ifndef PFSWRAP_TESTS_DIFFER_WRONG_H
#define PFSWRAP_TESTS_DIFFER_WRONG_H

#include "differ.h"

/* Arguments that the kernel refuses without touching the connection. */
void call_wrongly(const struct end *end);

/* Invalid pointers: NULL, and addresses that no program has. */
void point_wrongly(const struct pair *pair, unsigned which);

/* connect() with arguments that it refuses, on a connection, which must not change. */
void connect_wrongly(const struct pair *pair, unsigned which);

/* Calls on numbers that are no open descriptor: of a connection that has just been closed, and others. */
void story_call_closed(void);

/* Calls on a socket that has never been connected. */
void story_use_unconnected(void);

/* Nothing listens, for a blocking or non-blocking socket; then the same socket connects to one that does. */
void story_connect_refused(void);

/* AF_UNSPEC disconnects a socket (connect(2)), which can be connected again. */
void story_disconnect(void);

/* SO_LINGER with a time of zero: data, then a reset, which is reported once. */
void story_reset(void);

/* No free descriptor number is left for what is to be accepted. */
void story_accept_without_room(void);

/* An end is closed after it has received everything: the other reads the end of the stream, sends, and closes. */
void story_close_in_order(void);

#endif
