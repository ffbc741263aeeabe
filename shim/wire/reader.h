/*
 * The layers of the reader, for each other: wire.c finds where TLS begins and feeds record.c, which feeds hello.c
 * with the bytes of hellos, which asks judge.c. Each takes bytes cut anywhere and stops at a verdict.
 */
#ifndef PFSWRAP_WIRE_READER_H
#define PFSWRAP_WIRE_READER_H

#include "wire/wire.h"

/* ContentType (RFC 8446 B.1) and HandshakeType (B.3, RFC 5246 7.4). */
enum { RECORD_CHANGE_CIPHER_SPEC = 20, RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_APPLICATION_DATA = 23 };
enum {
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_SERVER_HELLO = 2,
    MESSAGE_SERVER_KEY_EXCHANGE = 12,
    MESSAGE_SERVER_HELLO_DONE = 14,
};
enum {
    RECORD_HEADER = 5,
    RECORD_MAX = 16384,   /* of a record that is not encrypted (RFC 8446 5.1) */
    MESSAGE_MAX = 131396, /* what OpenSSL takes as a ClientHello: more than any other message of ours */
};

enum wire_version { WIRE_TLS12 = 0x0303, WIRE_TLS13 = 0x0304 };

/* A reader, its configuration and the direction whose bytes are being taken. */
struct wire_cursor {
    struct wire *wire;
    const struct wire_config *config;
    struct wire_stream *stream;
    enum wire_direction direction;
};

/* Ends the reading. */
void wire_decide(struct wire *wire, enum wire_verdict verdict, enum wire_reason reason);

/* What the bytes gathered from a stream can be (pattern.c). */
enum wire_pattern {
    PATTERN_NONE,    /* they are no beginning of TLS */
    PATTERN_PARTIAL, /* they can become one */
    PATTERN_TLS,     /* a record with a hello in it */
    PATTERN_ALERT,   /* a whole alert record */
    PATTERN_SSLV2,   /* a ClientHello in SSL 2.0's form */
};
enum wire_pattern wire_pattern_match(const uint8_t *bytes, size_t count, bool at_start, bool server_may_answer);

/* Takes bytes of records. */
void wire_record_feed(const struct wire_cursor *cursor, const uint8_t *bytes, size_t length);

/* A hello, or a ServerKeyExchange, of message_left bytes begins; takes bytes of it, never more than are left. */
void wire_hello_begin(const struct wire_cursor *cursor);
void wire_hello_feed(const struct wire_cursor *cursor, const uint8_t *bytes, size_t length);

/* Called when the message has ended: judge.c's questions. */
void wire_judge_client_hello(const struct wire_cursor *cursor);
void wire_judge_server_hello(const struct wire_cursor *cursor, bool is_retry);
void wire_judge_key_exchange(const struct wire_cursor *cursor);

#endif
