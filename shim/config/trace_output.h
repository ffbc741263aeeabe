/*
 * The variables that switch the trace on (base/trace.h).
 */
#ifndef PFSWRAP_CONFIG_TRACE_OUTPUT_H
#define PFSWRAP_CONFIG_TRACE_OUTPUT_H

/*
 * Reads PFSWRAP_TRACE and PFSWRAP_TRACE_FILE, unless the program runs with another user's rights
 * (secure_getenv(3)). Lines go to that file, which is appended to, or to stderr. Returns NULL, or a message that
 * says what is wrong: a word that is no category, a file that cannot be opened, a stderr that is a socket, where
 * the trace could reach a peer.
 */
const char *trace_configure(void);

#endif
