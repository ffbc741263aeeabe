/*
 * The reader from outside: its two streams, plaintext until TLS begins, and what may pass. Below it record.c reads
 * records.
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

/* The first of the gathered bytes is no beginning of TLS. */
static void stream_drop_first(const struct wire_cursor *cursor)
{
    struct wire_stream *stream = cursor->stream;
    stream->gathered_count--;
    memmove(stream->gathered, stream->gathered + 1, stream->gathered_count);
    stream->plain++;
    if (stream->plain > cursor->config->plaintext_max)
        wire_decide(cursor->wire, WIRE_PLAINTEXT, WIRE_REASON_NONE);
}

/* Hands the gathered bytes on to whoever reads records. */
static void stream_begin_records(const struct wire_cursor *cursor)
{
    uint8_t bytes[WIRE_PATTERN_MAX];
    size_t count = cursor->stream->gathered_count;
    memcpy(bytes, cursor->stream->gathered, count);
    cursor->stream->gathered_count = 0;
    cursor->stream->is_tls = true;
    wire_record_feed(cursor, bytes, count);
}

/* Looks for TLS in what has been gathered, at each place of it. */
static void stream_search(const struct wire_cursor *cursor)
{
    struct wire *wire = cursor->wire;
    struct wire_stream *stream = cursor->stream;
    bool server_may_answer = wire->phase == WIRE_PHASE_SERVER_HELLO && wire->client != cursor->direction;
    while (stream->gathered_count > 0 && wire->verdict == WIRE_UNDECIDED) {
        switch (
            wire_pattern_match(stream->gathered, stream->gathered_count, stream->plain == 0, server_may_answer)) {
        case PATTERN_PARTIAL:
            return;
        case PATTERN_NONE:
            stream_drop_first(cursor);
            break;
        case PATTERN_TLS:
            stream_begin_records(cursor);
            return;
        case PATTERN_ALERT:
            wire->has_alert = true;
            wire->alert = stream->gathered[stream->gathered_count - 1];
            stream->gathered_count = 0;
            break;
        case PATTERN_SSLV2:
            wire->phase = WIRE_PHASE_CLIENT_HELLO;
            wire->client = cursor->direction;
            wire->choice.version = 0x0002;
            wire_decide(wire, WIRE_WEAK, WIRE_REASON_SSLV2);
            break;
        }
    }
}

enum wire_verdict wire_feed(struct wire *wire, const struct wire_config *config, enum wire_direction direction,
                            const uint8_t *bytes, size_t length, size_t *passes)
{
    struct wire_cursor cursor = {wire, config, &wire->streams[direction], direction};
    size_t taken = 0;
    while (taken < length && !cursor.stream->is_tls && wire->verdict == WIRE_UNDECIDED) {
        cursor.stream->gathered[cursor.stream->gathered_count++] = bytes[taken++];
        stream_search(&cursor);
    }
    if (taken < length && wire->verdict == WIRE_UNDECIDED)
        wire_record_feed(&cursor, bytes + taken, length - taken);
    *passes = wire->verdict == WIRE_WEAK || wire->verdict == WIRE_PLAINTEXT ? 0 : length;
    return wire->verdict;
}
