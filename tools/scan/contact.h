/*
 * One TCP connection to a port that is scanned, with a time limit for everything.
 */
#ifndef PFSWRAP_TOOLS_SCAN_CONTACT_H
#define PFSWRAP_TOOLS_SCAN_CONTACT_H

#include "scan.h"

/* Milliseconds of a clock that only goes forward. */
long contact_now(void);

/* Connects. Returns a descriptor, or a negative errno. */
int contact_open(const struct scan_target *target);

/* Sends all bytes. False: the peer has ended the connection, or takes nothing. */
bool contact_send(int fd, const void *bytes, size_t length, long deadline);

/* Receives at least one byte. Returns how many, 0 for the end of the connection, or -ETIMEDOUT. */
int contact_receive(int fd, void *bytes, size_t size, long deadline);

#endif
