/*
 * The two directions of a connection: looks for the beginning of TLS, and counts the bytes in front of it. record.c
 * reads the bytes behind it. See wire.h.
 */
#include "wire/wire.h"

#include <string.h>

#include "wire/reader.h"

void wire_init(struct wire *wire)
{
    memset(wire, 0, sizeof *wire);
}

void wire_decide(struct wire *wire, enum wire_verdict verdict, enum wire_reason reason)
{
    if (wire->verdict != WIRE_UNDECIDED)
        return;
    wire->verdict = verdict;
    wire->reason = reason;
}

bool wire_is_plain(const struct wire *wire)
{
    return wire->streams[WIRE_OUT].plain > 0 || wire->streams[WIRE_IN].plain > 0;
}

bool wire_is_tls(const struct wire *wire)
{
    return wire->phase != WIRE_PHASE_START;
}

/* Counts the first of the gathered bytes as plaintext. */
static void stream_drop_first(const struct wire_input *input)
{
    struct wire_stream *stream = input->stream;
    stream->gathered_count--;
    memmove(stream->gathered, stream->gathered + 1, stream->gathered_count);
    stream->plain++;
    if (stream->plain > input->config->plaintext_max)
        wire_decide(input->wire, WIRE_PLAINTEXT, WIRE_REASON_NONE);
}

/* Passes the gathered bytes to record.c. */
static void stream_begin_records(const struct wire_input *input)
{
    uint8_t bytes[WIRE_PATTERN_MAX];
    size_t count = input->stream->gathered_count;
    memcpy(bytes, input->stream->gathered, count);
    input->stream->gathered_count = 0;
    input->stream->is_tls = true;
    wire_record_feed(input, bytes, count);
}

/* Looks for the beginning of TLS at each place in the gathered bytes. */
static void stream_search(const struct wire_input *input)
{
    struct wire *wire = input->wire;
    struct wire_stream *stream = input->stream;
    bool server_may_answer = wire->phase == WIRE_PHASE_SERVER_HELLO && wire->client != input->direction;
    while (stream->gathered_count > 0 && wire->verdict == WIRE_UNDECIDED) {
        switch (
            wire_pattern_match(stream->gathered, stream->gathered_count, stream->plain == 0, server_may_answer)) {
        case PATTERN_PARTIAL:
            return;
        case PATTERN_NONE:
            stream_drop_first(input);
            break;
        case PATTERN_TLS:
            stream_begin_records(input);
            return;
        case PATTERN_ALERT:
            wire->has_alert = true;
            wire->alert = stream->gathered[stream->gathered_count - 1];
            stream->gathered_count = 0;
            break;
        case PATTERN_SSLV2:
            wire->phase = WIRE_PHASE_CLIENT_HELLO;
            wire->client = input->direction;
            wire->choice.version = 0x0002;
            wire_decide(wire, WIRE_WEAK, WIRE_REASON_SSLV2);
            break;
        }
    }
}

enum wire_verdict wire_feed(struct wire *wire, const struct wire_config *config, enum wire_direction direction,
                            const uint8_t *bytes, size_t length, size_t *passes)
{
    struct wire_input input = {wire, config, &wire->streams[direction], direction};
    size_t taken = 0;
    while (taken < length && !input.stream->is_tls && wire->verdict == WIRE_UNDECIDED) {
        input.stream->gathered[input.stream->gathered_count++] = bytes[taken++];
        stream_search(&input);
    }
    if (taken < length && wire->verdict == WIRE_UNDECIDED)
        wire_record_feed(&input, bytes + taken, length - taken);
    *passes = wire->verdict == WIRE_WEAK || wire->verdict == WIRE_PLAINTEXT ? 0 : length;
    return wire->verdict;
}
