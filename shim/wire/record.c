/*
 * Reads records that are not encrypted, and the headers of the handshake messages in them (RFC 8446, sections 4
 * and 5.1; RFC 5246, sections 6.2.1 and 7.4). A record may have several messages, and a message may be in several
 * records. hello.c reads the messages.
 */
#include <string.h>

#include "wire/reader.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Whether a record with application data is possible now: early data of the client, which a server may refuse. */
static bool may_be_early_data(const struct wire_input *input)
{
    const struct wire *wire = input->wire;
    return wire->offer.early_data && input->direction == wire->client &&
           (wire->phase == WIRE_PHASE_SERVER_HELLO || wire->phase == WIRE_PHASE_RETRY);
}

/* Whether the server would resume a TLS 1.2 session by changing the cipher now, without a ServerKeyExchange. */
static bool ends_server_flight(const struct wire_input *input)
{
    return input->wire->phase == WIRE_PHASE_SERVER_FLIGHT && input->direction != input->wire->client;
}

/* Processes the header of a record. */
static void record_begin(const struct wire_input *input)
{
    struct wire_stream *stream = input->stream;
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
        if (is_well && ends_server_flight(input))
            wire_weak(input, WIRE_REASON_RESUMED);
        break;
    case RECORD_APPLICATION_DATA:
        /* encrypted, so it may be longer */
        is_well = header[1] == 3 && length > 0 && length <= RECORD_MAX + 256 && !stream->in_message;
        if (is_well && !may_be_early_data(input))
            wire_weak(input, WIRE_REASON_UNEXPECTED);
        break;
    default:
        is_well = false;
    }
    if (!is_well)
        wire_weak(input, WIRE_REASON_MALFORMED);
}

/* Whether a message of this type is possible after a ServerHello of TLS 1.2 (RFC 5246, section 7.3). */
static bool is_of_server_flight(uint8_t type)
{
    return type != MESSAGE_CLIENT_HELLO && type != MESSAGE_SERVER_HELLO && type != MESSAGE_SERVER_HELLO_DONE;
}

/* Processes the header of a message: checks that the message is possible now, and from this side. */
static void message_begin(const struct wire_input *input)
{
    struct wire *wire = input->wire;
    struct wire_stream *stream = input->stream;
    const uint8_t *header = stream->header;
    bool is_servers = wire->phase != WIRE_PHASE_START && input->direction != wire->client;
    stream->header_count = 0;
    stream->message_type = header[0];
    stream->message_left = (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3];
    stream->in_message = true;
    if (wire->phase == WIRE_PHASE_SERVER_FLIGHT && is_servers && is_of_server_flight(header[0])) {
        if (header[0] == MESSAGE_SERVER_KEY_EXCHANGE)
            wire_hello_begin(input);
        return; /* others, such as certificates, may have any size and are skipped */
    }
    bool is_expected = false;
    if (header[0] == MESSAGE_CLIENT_HELLO) {
        is_expected = wire->phase == WIRE_PHASE_START || (wire->phase == WIRE_PHASE_RETRY && !is_servers);
        wire->client = wire->phase == WIRE_PHASE_START ? input->direction : wire->client;
    } else if (header[0] == MESSAGE_SERVER_HELLO) {
        is_expected = wire->phase == WIRE_PHASE_SERVER_HELLO && is_servers;
    }
    if (!is_expected) {
        wire_weak(input, WIRE_REASON_UNEXPECTED);
    } else if (stream->message_left > MESSAGE_MAX) {
        wire_weak(input, WIRE_REASON_MALFORMED);
    } else {
        if (header[0] == MESSAGE_CLIENT_HELLO)
            wire->phase = WIRE_PHASE_CLIENT_HELLO;
        wire_hello_begin(input);
    }
}

static bool is_read(const struct wire_stream *stream)
{
    return stream->message_type == MESSAGE_CLIENT_HELLO || stream->message_type == MESSAGE_SERVER_HELLO ||
           stream->message_type == MESSAGE_SERVER_KEY_EXCHANGE;
}

static void handshake_feed(const struct wire_input *input, const uint8_t *bytes, size_t length)
{
    struct wire_stream *stream = input->stream;
    while (length > 0 && input->wire->verdict == WIRE_UNDECIDED) {
        size_t taken = 1;
        if (!stream->in_message) {
            stream->header[stream->header_count++] = *bytes;
            if (stream->header_count == sizeof stream->header)
                message_begin(input);
        } else {
            taken = least(length, stream->message_left);
            if (is_read(stream))
                wire_hello_feed(input, bytes, taken); /* counts message_left down */
            else
                stream->message_left -= (uint32_t)taken;
        }
        if (stream->in_message && stream->message_left == 0)
            stream->in_message = false;
        bytes += taken;
        length -= taken;
    }
}

static void record_feed_body(const struct wire_input *input, const uint8_t *bytes, size_t length)
{
    if (input->stream->record_type == RECORD_HANDSHAKE) {
        handshake_feed(input, bytes, length);
    } else if (input->stream->record_type == RECORD_ALERT) {
        input->wire->has_alert = true;
        input->wire->alert = bytes[length - 1]; /* level, then description */
    }
}

void wire_record_feed(const struct wire_input *input, const uint8_t *bytes, size_t length)
{
    struct wire_stream *stream = input->stream;
    while (length > 0 && input->wire->verdict == WIRE_UNDECIDED) {
        size_t taken = 1;
        if (stream->record_left == 0) {
            stream->gathered[stream->gathered_count++] = *bytes;
            if (stream->gathered_count == RECORD_HEADER)
                record_begin(input);
        } else {
            taken = least(length, stream->record_left);
            stream->record_left = (uint16_t)(stream->record_left - taken);
            record_feed_body(input, bytes, taken);
        }
        bytes += taken;
        length -= taken;
    }
}
