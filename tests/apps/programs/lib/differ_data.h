/*
 * Calls that move bytes, on pairs whose state is known: every way to send and to receive, with the flags that each
 * may have. A part of sock_differ.
 */
#ifndef PFSWRAP_TESTS_DIFFER_DATA_H
#define PFSWRAP_TESTS_DIFFER_DATA_H

#include "differ.h"

/* Sends a random number of bytes from end `which`, by a random call. */
void send_some_way(struct pair *pair, unsigned which);

/* Receives at end `which`, by a random call; with MSG_DONTWAIT where it would wait for what never comes. */
void receive_some_way(struct pair *pair, unsigned which);

#endif
