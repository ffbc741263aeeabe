/*
 * Prints what passes on a sealed connection, one line on standard error for each part of docs/WIRE.md, section 2.
 * It reads the bytes of the transport, of which types and lengths are not encrypted.
 */
#ifndef PFSWRAP_TOOLS_SEAL_TRACE_H
#define PFSWRAP_TOOLS_SEAL_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pfswrap/seal.h>

enum trace_part { TRACE_PREAMBLE, TRACE_LENGTH, TRACE_MESSAGE, TRACE_HEADER, TRACE_FRAME, TRACE_BODY };

/* One direction. */
struct trace_stream {
    char mark; /* '>' for what is sent, '<' for what is received */
    bool from_initiator;
    enum trace_part part;
    uint8_t head[28]; /* the bytes of the part that say what it is */
    size_t have;
    size_t left; /* bytes of the part that are skipped */
};

struct trace {
    bool is_on;
    struct trace_stream sent, received;
};

void trace_begin(struct trace *trace, bool is_on, enum pfswrap_seal_role role);

/* Bytes that go to the peer or came from it, in the order of the stream, in any portions. */
void trace_sent(struct trace *trace, const uint8_t *bytes, size_t length);
void trace_received(struct trace *trace, const uint8_t *bytes, size_t length);

/* A line of its own, if the trace is on. */
void trace_say(const struct trace *trace, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The line of a handshake that is complete, or was renewed. */
void trace_handshake(const struct trace *trace, const struct pfswrap_seal_info *info);

/* The first bytes that the channel refuses. */
void trace_refused(const struct trace *trace, const uint8_t *bytes, size_t length);

#endif
