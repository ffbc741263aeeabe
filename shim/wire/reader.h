/*
 * For the files of this module. wire.c finds the beginning of TLS and passes the bytes behind it to record.c, which
 * passes the bytes of hellos to hello.c, which calls check.c at the end of each hello. Bytes come in pieces of any
 * size. Each function stops when there is a verdict.
 */
#ifndef PFSWRAP_WIRE_READER_H
#define PFSWRAP_WIRE_READER_H

#include "wire/wire.h"

/* ContentType (RFC 8446, appendix B.1) and HandshakeType (appendix B.3; RFC 5246, section 7.4). */
enum { RECORD_CHANGE_CIPHER_SPEC = 20, RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_APPLICATION_DATA = 23 };
enum {
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_SERVER_HELLO = 2,
    MESSAGE_SERVER_KEY_EXCHANGE = 12,
    MESSAGE_SERVER_HELLO_DONE = 14,
};
enum {
    RECORD_HEADER = 5,
    RECORD_MAX = 16384,   /* bytes in a record that is not encrypted (RFC 8446, section 5.1) */
    MESSAGE_MAX = 131396, /* bytes of a hello: OpenSSL's limit for a ClientHello */
};

enum wire_version { WIRE_TLS12 = 0x0303, WIRE_TLS13 = 0x0304 };

/* A reader, its settings, and the direction of the bytes that are being read. */
struct wire_input {
    struct wire *wire;
    const struct wire_config *config;
    struct wire_stream *stream;
    enum wire_direction direction;
};

/* Sets the verdict, unless there is one. */
void wire_decide(struct wire *wire, enum wire_verdict verdict, enum wire_reason reason);

static inline void wire_weak(const struct wire_input *input, enum wire_reason reason)
{
    wire_decide(input->wire, WIRE_WEAK, reason);
}

/* What the first `count` bytes at a place in a stream are (pattern.c). */
enum wire_pattern {
    PATTERN_NONE,    /* not the beginning of TLS */
    PATTERN_PARTIAL, /* perhaps a part of it: more bytes are needed */
    PATTERN_TLS,     /* the beginning of a record with a hello */
    PATTERN_ALERT,   /* a whole alert record */
    PATTERN_SSLV2,   /* the beginning of a ClientHello in the format of SSL 2.0 */
};
/* `at_start`: nothing is in front of them. `server_may_answer`: a ServerHello is possible. */
enum wire_pattern wire_pattern_match(const uint8_t *bytes, size_t count, bool at_start, bool server_may_answer);

/* Reads bytes of records. */
void wire_record_feed(const struct wire_input *input, const uint8_t *bytes, size_t length);

/* Begin a hello or a ServerKeyExchange of message_left bytes, and read bytes of it, at most message_left. */
void wire_hello_begin(const struct wire_input *input);
void wire_hello_feed(const struct wire_input *input, const uint8_t *bytes, size_t length);

/* check.c: decide about a message at its end. */
void wire_check_client_hello(const struct wire_input *input);
void wire_check_server_hello(const struct wire_input *input, bool is_retry);
void wire_check_key_exchange(const struct wire_input *input);

#endif
