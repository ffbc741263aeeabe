/*
 * Follows both directions of a connection. See trace.h.
 */
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAC = 17, HEX_MAX = 2 * 32 + 1, REFUSED = 24 /* bytes that are printed */ };

static const char *hex(char text[static HEX_MAX], const uint8_t *bytes, size_t length)
{
    text[0] = '\0';
    for (size_t i = 0; i < length && 2 * i + 2 < HEX_MAX; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

void trace_begin(struct trace *trace, bool is_on, enum pfswrap_seal_role role)
{
    const bool initiates = role == PFSWRAP_SEAL_INITIATOR;
    *trace = (struct trace){
        .is_on = is_on,
        .sent = {'>', initiates, initiates ? TRACE_PREAMBLE : TRACE_LENGTH, {0}, 0, 0},
        .received = {'<', !initiates, initiates ? TRACE_LENGTH : TRACE_PREAMBLE, {0}, 0, 0},
    };
}

void trace_say(const struct trace *trace, const char *format, ...)
{
    va_list arguments;
    if (!trace->is_on)
        return;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
}

static unsigned number(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

static void say_frame(const struct trace_stream *stream)
{
    static const char *const types[] = {"data", "re-handshake, message 1", "re-handshake, new stream"};
    const unsigned type = stream->head[0], length = number(stream->head + 1);
    const unsigned plain = length >= MAC ? length - MAC : 0;
    if (type == 0 && plain == 0)
        (void)fprintf(stderr, "%c frame    empty: the confirm, or FINAL\n", stream->mark);
    else if (type < sizeof types / sizeof types[0])
        (void)fprintf(stderr, "%c frame    %s, %u bytes\n", stream->mark, types[type], plain);
    else
        (void)fprintf(stderr, "%c frame    type %u, which is unknown, %u bytes\n", stream->mark, type, length);
}

/* Bytes of a part that are looked at. */
static size_t head_size(enum trace_part part)
{
    switch (part) {
    case TRACE_PREAMBLE:
        return 28;
    case TRACE_LENGTH:
        return 2;
    case TRACE_FRAME:
        return 3;
    default:
        return 0;
    }
}

static void say_preamble(const struct trace_stream *stream)
{
    char text[HEX_MAX];
    (void)fprintf(stderr, "%c preamble version %u, pattern %s, key id %s\n", stream->mark, stream->head[7],
                  pfswrap_seal_pattern_name((enum pfswrap_seal_pattern)stream->head[8]),
                  hex(text, stream->head + 20, 8));
}

/* The head of a part is complete: says what it is, and sets what follows. */
static void finish_head(struct trace_stream *stream)
{
    if (stream->part == TRACE_PREAMBLE) {
        say_preamble(stream);
        stream->left = number(stream->head + 10);
        stream->part = TRACE_MESSAGE;
    } else if (stream->part == TRACE_LENGTH) {
        stream->left = number(stream->head);
        stream->part = TRACE_MESSAGE;
    } else {
        say_frame(stream);
        stream->left = number(stream->head + 1) + 1U;
        stream->part = TRACE_BODY;
    }
    if (stream->part == TRACE_MESSAGE)
        (void)fprintf(stderr, "%c message  %c of the handshake, %zu bytes\n", stream->mark,
                      stream->from_initiator ? '1' : '2', stream->left);
    stream->have = 0;
}

/* A part that is skipped has ended. */
static void finish_body(struct trace_stream *stream)
{
    if (stream->part == TRACE_MESSAGE) {
        stream->part = TRACE_HEADER;
        stream->left = PFSWRAP_SEAL_HEADER_BYTES;
        return;
    }
    if (stream->part == TRACE_HEADER)
        (void)fprintf(stderr, "%c header   of the stream, %d bytes\n", stream->mark, PFSWRAP_SEAL_HEADER_BYTES);
    stream->part = TRACE_FRAME;
}

static void follow(struct trace_stream *stream, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        const size_t head = head_size(stream->part);
        size_t count = head > 0 ? head - stream->have : stream->left;
        count = count < length ? count : length;
        if (head > 0) {
            memcpy(stream->head + stream->have, bytes, count);
            stream->have += count;
            if (stream->have == head)
                finish_head(stream);
        } else {
            stream->left -= count;
            if (stream->left == 0)
                finish_body(stream);
        }
        bytes += count;
        length -= count;
    }
}

void trace_sent(struct trace *trace, const uint8_t *bytes, size_t length)
{
    if (trace->is_on)
        follow(&trace->sent, bytes, length);
}

void trace_received(struct trace *trace, const uint8_t *bytes, size_t length)
{
    if (trace->is_on)
        follow(&trace->received, bytes, length);
}

void trace_handshake(const struct trace *trace, const struct pfswrap_seal_info *info)
{
    static const uint8_t none[PFSWRAP_KEY_BYTES];
    char key[PFSWRAP_KEY_TEXT_BYTES], text[HEX_MAX];
    const bool has_key = memcmp(info->peer_key, none, sizeof none) != 0;
    pfswrap_key_encode(key, info->peer_key);
    trace_say(trace, "* sealed   with %s, key %s",
              info->peer_name[0] != '\0' ? info->peer_name : "a peer without a name",
              has_key ? key : "none (anonymous)");
    pfswrap_key_encode(key, info->own_key);
    trace_say(trace, "* own key  %s", memcmp(info->own_key, none, sizeof none) != 0 ? key : "none (anonymous)");
    trace_say(trace, "* pattern  %s, new keys with every %s%.0u", pfswrap_seal_pattern_name(info->pattern),
              info->rekey > 1 ? "chunk number " : "chunk", info->rekey > 1 ? info->rekey : 0);
    if (memcmp(info->psk_id, none, sizeof info->psk_id) != 0)
        trace_say(trace, "* psk      %s", hex(text, info->psk_id, sizeof info->psk_id));
    trace_say(trace, "* hash     %s", hex(text, info->handshake_hash, sizeof info->handshake_hash));
}

void trace_refused(const struct trace *trace, const uint8_t *bytes, size_t length)
{
    char text[HEX_MAX];
    if (length > 0)
        trace_say(trace, "! %s%s", hex(text, bytes, length < REFUSED ? length : REFUSED),
                  length > REFUSED ? "..." : "");
}
