/*
 * Connections when the process executes another program. The state of a connection lies in memory that an exec
 * ends, so what this process alone has is handed to relays; what other processes have, too, stays theirs.
 */
#ifndef PFSWRAP_CONNECTION_HANDOVER_H
#define PFSWRAP_CONNECTION_HANDOVER_H

/*
 * Before an exec. A connection that nobody else has is relayed from here on: descriptors that the program wants to
 * survive go on working in the new program, and if none does, the relay ends the connection in order. Connections
 * on their way out are seen through, for at most the policy's `linger`. A child of vfork() changes nothing.
 */
void handover_before_exec(void);

/* The exec has failed: this process has again what it shares with others. */
void handover_after_failure(void);

#endif
