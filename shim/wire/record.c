/*
 * Records that are not encrypted yet, and the handshake messages in them (RFC 8446 4 and 5.1; RFC 5246 6.2.1, 7.4):
 * a record may hold several messages and a message may span several records. What is in the messages is hello.c's.
 */
#include <string.h>

#include "wire/reader.h"

static void weak(const struct wire_cursor *cursor, enum wire_reason reason)
{
    wire_decide(cursor->wire, WIRE_WEAK, reason);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Whether an application data record of the client may come now: early data, which a server may yet refuse. */
static bool may_be_early_data(const struct wire_cursor *cursor)
{
    const struct wire *wire = cursor->wire;
    return wire->offer.early_data && cursor->direction == wire->client &&
           (wire->phase == WIRE_PHASE_SERVER_HELLO || wire->phase == WIRE_PHASE_RETRY);
}

/* TLS 1.2: a server that changes its cipher without a ServerKeyExchange resumes a session, with no new exchange. */
static bool ends_server_flight(const struct wire_cursor *cursor)
{
    return cursor->wire->phase == WIRE_PHASE_SERVER_FLIGHT && cursor->direction != cursor->wire->client;
}

/* A record's header is complete. */
static void record_begin(const struct wire_cursor *cursor)
{
    struct wire_stream *stream = cursor->stream;
    const uint8_t *header = stream->gathered;
    size_t length = (size_t)header[3] << 8 | header[4];
    bool is_well = header[1] == 3 && header[2] <= 4 && length > 0 && length <= RECORD_MAX;
    stream->record_type = header[0];
    stream->record_left = (uint16_t)length;
    stream->gathered_count = 0;
    switch (header[0]) {
    case RECORD_HANDSHAKE:
        break;
    case RECORD_ALERT:
        is_well = is_well && length == 2;
        break;
    case RECORD_CHANGE_CIPHER_SPEC:
        is_well = is_well && length == 1 && !stream->in_message;
        if (is_well && ends_server_flight(cursor))
            weak(cursor, WIRE_REASON_RESUMED);
        break;
    case RECORD_APPLICATION_DATA:
        /* Encrypted: it may be longer. */
        is_well = header[1] == 3 && length > 0 && length <= RECORD_MAX + 256 && !stream->in_message;
        if (is_well && !may_be_early_data(cursor))
            weak(cursor, WIRE_REASON_UNEXPECTED);
        break;
    default:
        is_well = false;
    }
    if (!is_well)
        weak(cursor, WIRE_REASON_MALFORMED);
}

/* What may stand between a ServerHello and the end of the server's turn (RFC 5246 7.3). */
static bool is_of_server_flight(uint8_t type)
{
    return type != MESSAGE_CLIENT_HELLO && type != MESSAGE_SERVER_HELLO && type != MESSAGE_SERVER_HELLO_DONE;
}

/* A message's header is complete: whether it may come now, and from this side. */
static void message_begin(const struct wire_cursor *cursor)
{
    struct wire *wire = cursor->wire;
    struct wire_stream *stream = cursor->stream;
    const uint8_t *header = stream->header;
    bool is_servers = wire->phase != WIRE_PHASE_START && cursor->direction != wire->client;
    stream->header_count = 0;
    stream->message_type = header[0];
    stream->message_left = (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3];
    stream->in_message = true;
    if (wire->phase == WIRE_PHASE_SERVER_FLIGHT && is_servers && is_of_server_flight(header[0])) {
        if (header[0] == MESSAGE_SERVER_KEY_EXCHANGE)
            wire_hello_begin(cursor);
        return; /* certificates and the like: of any size, passed over */
    }
    bool is_expected = false;
    if (header[0] == MESSAGE_CLIENT_HELLO) {
        is_expected = wire->phase == WIRE_PHASE_START || (wire->phase == WIRE_PHASE_RETRY && !is_servers);
        wire->client = wire->phase == WIRE_PHASE_START ? cursor->direction : wire->client;
    } else if (header[0] == MESSAGE_SERVER_HELLO) {
        is_expected = wire->phase == WIRE_PHASE_SERVER_HELLO && is_servers;
    }
    if (!is_expected) {
        weak(cursor, WIRE_REASON_UNEXPECTED);
    } else if (stream->message_left > MESSAGE_MAX) {
        weak(cursor, WIRE_REASON_MALFORMED);
    } else {
        if (header[0] == MESSAGE_CLIENT_HELLO)
            wire->phase = WIRE_PHASE_CLIENT_HELLO;
        wire_hello_begin(cursor);
    }
}

static bool is_read(const struct wire_stream *stream)
{
    return stream->message_type == MESSAGE_CLIENT_HELLO || stream->message_type == MESSAGE_SERVER_HELLO ||
           stream->message_type == MESSAGE_SERVER_KEY_EXCHANGE;
}

static void handshake_feed(const struct wire_cursor *cursor, const uint8_t *bytes, size_t length)
{
    struct wire_stream *stream = cursor->stream;
    while (length > 0 && cursor->wire->verdict == WIRE_UNDECIDED) {
        size_t taken = 1;
        if (!stream->in_message) {
            stream->header[stream->header_count++] = *bytes;
            if (stream->header_count == sizeof stream->header)
                message_begin(cursor);
        } else {
            taken = least(length, stream->message_left);
            if (is_read(stream))
                wire_hello_feed(cursor, bytes, taken); /* counts message_left down */
            else
                stream->message_left -= (uint32_t)taken;
        }
        if (stream->in_message && stream->message_left == 0)
            stream->in_message = false;
        bytes += taken;
        length -= taken;
    }
}

static void record_feed_body(const struct wire_cursor *cursor, const uint8_t *bytes, size_t length)
{
    if (cursor->stream->record_type == RECORD_HANDSHAKE) {
        handshake_feed(cursor, bytes, length);
    } else if (cursor->stream->record_type == RECORD_ALERT) {
        cursor->wire->has_alert = true;
        cursor->wire->alert = bytes[length - 1]; /* level, then description */
    }
}

void wire_record_feed(const struct wire_cursor *cursor, const uint8_t *bytes, size_t length)
{
    struct wire_stream *stream = cursor->stream;
    while (length > 0 && cursor->wire->verdict == WIRE_UNDECIDED) {
        size_t taken = 1;
        if (stream->record_left == 0) {
            stream->gathered[stream->gathered_count++] = *bytes;
            if (stream->gathered_count == RECORD_HEADER)
                record_begin(cursor);
        } else {
            taken = least(length, stream->record_left);
            stream->record_left = (uint16_t)(stream->record_left - taken);
            record_feed_body(cursor, bytes, taken);
        }
        bytes += taken;
        length -= taken;
    }
}
