/*
 * Connections that other programs are to have: those that the process executes, and those that it sends descriptors
 * to. A program that goes on with the connection itself gets a handoff socket (handoff.h), any other one a relay
 * (relay.h).
 */
#ifndef PFSWRAP_TRANSFER_EXPORT_H
#define PFSWRAP_TRANSFER_EXPORT_H

#include <stdbool.h>

#include "connection/connection.h"

/*
 * Before an exec. A connection that nobody else has is relayed from here on: descriptors that the program wants to
 * survive go on working in the new program, and if none does, the relay ends the connection in order. One that
 * others have, too, goes along in a handoff socket, if the new program will be `preloaded`; else it is left to
 * them. Connections on their way out are seen through, for at most the policy's `linger`. A child of vfork()
 * changes its own descriptors only.
 */
void export_before_exec(bool preloaded);

/* The exec has failed: this process has again what it had. */
void export_after_failure(void);

/*
 * In a child of vfork(): its number `fd` is to survive the exec, or to be copied to one that is. It becomes a
 * handoff socket. False: it cannot, and a relay may.
 */
bool export_pack(int fd);

/* The program wants none of the numbers in a range to survive an exec. */
void export_close_on_exec(unsigned first, unsigned last);

/*
 * A handoff socket with the connection of `fd`, which this process keeps. Returns its descriptor, with
 * close-on-exec, and *name; or a negated errno. export_forget(): it has not been passed on; its descriptor is the
 * caller's to close.
 */
int export_make_handoff(int fd, struct holder *name);
void export_forget(int fd, struct holder name);

#endif
