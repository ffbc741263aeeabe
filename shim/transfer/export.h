/*
 * Passes connections on to other programs: by exec, and in messages. A program under pfswrap can continue the
 * connection itself, and gets a handoff socket (transfer/handoff.h). Any other program gets a relay
 * (transfer/relay.h). For the interposed calls that execute programs or change close-on-exec flags.
 */
#ifndef PFSWRAP_TRANSFER_EXPORT_H
#define PFSWRAP_TRANSFER_EXPORT_H

#include <stdbool.h>

#include "connection/connection.h"

/*
 * Before an exec. A connection that no other process has is relayed: the descriptors without close-on-exec work in
 * the new program, and if there are none, the relay ends the connection in order. A connection that other processes
 * have, too, is passed on in a handoff socket if the new program will be `preloaded`; otherwise it is left to the
 * other processes. Closed connections with unsent bytes are finished, within the policy's `linger`. A child of
 * vfork() changes only its own descriptors.
 */
void export_before_exec(bool preloaded);

/* The exec has failed: restores the connections of this process. */
void export_after_failure(void);

/*
 * In a child of vfork(): its number `fd` will survive the exec, or be copied to a number that will. It becomes a
 * handoff socket. False: that is not possible, and the caller may relay it.
 */
bool export_as_handoff(int fd);

/* The program sets close-on-exec for all numbers in [first, last]. */
void export_close_on_exec(unsigned first, unsigned last);

/*
 * Makes a handoff socket with the connection of `fd`, which this process keeps. Returns its descriptor, with
 * close-on-exec, and *name; or a negative errno value. export_forget(): it was not passed on. The caller closes its
 * descriptor in either case.
 */
int export_make_handoff(int fd, struct holder *name);
void export_forget(int fd, struct holder name);

#endif
