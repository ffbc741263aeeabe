/*
 * One sealed connection between the peer and standard input and output, or as an echo. All I/O waits in one
 * poll(2), so neither side can block the other.
 */
#ifndef PFSWRAP_TOOLS_SEAL_SESSION_H
#define PFSWRAP_TOOLS_SEAL_SESSION_H

#include <stdbool.h>

#include <pfswrap/seal.h>

#include "trace.h"
#include "transport.h"

struct session_settings {
    enum pfswrap_seal_role role;
    const struct pfswrap_seal_config *config;
    unsigned candidate;         /* initiator: which of the peer's keys is expected */
    long handshake_deadline_ms; /* a time of network_now() */
    bool echo;                  /* sends back what comes */
    bool waits;                 /* the end of standard input does not close this direction: the peer closes first */
    struct trace *trace;
};

enum session_result {
    SESSION_ENDED,   /* both sides have closed their direction */
    SESSION_FAILED,  /* after a message */
    SESSION_REFUSED, /* initiator: the peer ended the connection before its answer; no message was printed */
};

/* Talks to the peer until the end of both directions. The caller closes the transport. */
enum session_result session_run(struct transport *transport, const struct session_settings *settings);

#endif
