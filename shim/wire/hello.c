/*
 * Reads ClientHello, ServerHello and HelloRetryRequest (RFC 8446, section 4.1; RFC 5246, section 7.4.1), and the
 * beginning of a ServerKeyExchange (RFC 8422, section 5.4). They are read one integer at a time and the bytes in
 * between are skipped, so a hello of any size needs no buffer. A hello whose lengths contradict each other is
 * malformed: another reader could understand it differently.
 */
#include <string.h>

#include "wire/hello.h"

enum { RANDOM_BYTES = 32, CURVE_NAMED = 3 /* ECCurveType (RFC 8422, section 5.4) */ };

static bool random_is_retry(size_t at, uint8_t byte)
{
    /* SHA-256 of "HelloRetryRequest" (RFC 8446, section 4.1.3) */
    static const uint8_t retry[RANDOM_BYTES] = {
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
        0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    };
    return retry[at] == byte;
}

/* Processes an integer, hello->value. */
static void take_field(const struct wire_input *input, enum wire_field field)
{
    struct wire *wire = input->wire;
    struct wire_hello *hello = &input->stream->hello;
    uint32_t value = hello->value;
    switch (field) {
    case FIELD_VERSION:
        if (hello->is_server)
            wire->choice.version = (uint16_t)value;
        else
            wire_list_add(wire->offer.versions, &wire->offer.version_count, WIRE_VERSIONS_MAX, value);
        hello->list_left = RANDOM_BYTES;
        wire_expect(hello, FIELD_RANDOM, 1, 0);
        break;
    case FIELD_RANDOM:
        hello->may_be_retry =
            hello->may_be_retry && random_is_retry((size_t)(RANDOM_BYTES - hello->list_left), (uint8_t)value);
        wire_expect(hello, --hello->list_left > 0 ? FIELD_RANDOM : FIELD_SESSION_LENGTH, 1, 0);
        break;
    case FIELD_SESSION_LENGTH:
        wire_expect(hello, hello->is_server ? FIELD_SUITE_CHOSEN : FIELD_SUITES_LENGTH, 2, value);
        break;
    case FIELD_SUITES_LENGTH:
        hello->list_left = (uint16_t)value;
        if (value == 0 || value % 2 != 0)
            wire_weak(input, WIRE_REASON_MALFORMED);
        wire_expect(hello, FIELD_SUITE_OFFERED, 2, 0);
        break;
    case FIELD_SUITE_OFFERED:
        wire_list_add(wire->offer.suites, &wire->offer.suite_count, WIRE_SUITES_MAX, value);
        hello->list_left = (uint16_t)(hello->list_left - 2);
        if (hello->list_left > 0)
            wire_expect(hello, FIELD_SUITE_OFFERED, 2, 0);
        else
            wire_expect(hello, FIELD_COMPRESSIONS_LENGTH, 1, 0);
        break;
    case FIELD_COMPRESSIONS_LENGTH:
        wire_expect(hello, FIELD_EXTENSIONS_LENGTH, 2, value);
        break;
    case FIELD_SUITE_CHOSEN:
        wire->choice.suite = (uint16_t)value;
        wire_expect(hello, FIELD_COMPRESSION_CHOSEN, 1, 0);
        break;
    case FIELD_COMPRESSION_CHOSEN:
        wire_expect(hello, FIELD_EXTENSIONS_LENGTH, 2, 0);
        break;
    case FIELD_EXTENSIONS_LENGTH:
        hello->extensions_left = (uint16_t)value;
        if (value != input->stream->message_left)
            wire_weak(input, WIRE_REASON_MALFORMED);
        wire_extension_next(input);
        break;
    case FIELD_EXTENSION_TYPE:
        hello->extension = (uint16_t)value;
        wire_expect(hello, FIELD_EXTENSION_LENGTH, 2, 0);
        break;
    case FIELD_EXTENSION_LENGTH:
        wire_extension_begin(input);
        break;
    case FIELD_HINT_LENGTH:
        wire_expect(hello, FIELD_CURVE_TYPE, 1, value);
        break;
    case FIELD_CURVE_TYPE:
        if (value != CURVE_NAMED)
            wire_decide(wire, WIRE_WEAK, WIRE_REASON_GROUP);
        wire_expect(hello, FIELD_CURVE, 2, 0);
        break;
    case FIELD_CURVE:
        wire->choice.group = (uint16_t)value;
        wire_check_key_exchange(input);
        break;
    default:
        wire_extension_take(input, field);
    }
}

void wire_hello_begin(const struct wire_input *input)
{
    struct wire *wire = input->wire;
    struct wire_hello *hello = &input->stream->hello;
    memset(hello, 0, sizeof *hello);
    hello->is_server = input->stream->message_type != MESSAGE_CLIENT_HELLO;
    hello->may_be_retry = hello->is_server;
    if (input->stream->message_left == 0)
        wire_weak(input, WIRE_REASON_MALFORMED);
    if (input->stream->message_type == MESSAGE_SERVER_KEY_EXCHANGE) {
        bool has_hint = false;
        (void)wire_suite_is_ecdhe_aead(wire->choice.suite, &has_hint);
        wire_expect(hello, has_hint ? FIELD_HINT_LENGTH : FIELD_CURVE_TYPE, has_hint ? 2 : 1, 0);
        return;
    }
    if (hello->is_server)
        memset(&wire->choice, 0, sizeof wire->choice);
    else
        memset(&wire->offer, 0, sizeof wire->offer);
    wire_expect(hello, FIELD_VERSION, 2, 0);
}

/* Subtracts `taken` bytes from the lengths of everything that they are part of. */
static void account(struct wire_stream *stream, size_t taken)
{
    struct wire_hello *hello = &stream->hello;
    bool in_header = hello->field == FIELD_EXTENSION_TYPE || hello->field == FIELD_EXTENSION_LENGTH;
    stream->message_left -= (uint32_t)taken;
    if (hello->extension_left > 0)
        hello->extension_left = (uint16_t)(hello->extension_left - taken);
    if (hello->field >= FIELD_VERSIONS_LENGTH || in_header)
        hello->extensions_left = (uint16_t)(hello->extensions_left - taken);
}

/* Checks the message at its end. It must end behind the last extension, or in front of their length without any. */
static void message_end(const struct wire_input *input)
{
    const struct wire_hello *hello = &input->stream->hello;
    bool before_extensions = hello->field == FIELD_EXTENSIONS_LENGTH && !hello->is_partial;
    if (hello->skip > 0 || (hello->field != FIELD_END && !before_extensions))
        wire_weak(input, WIRE_REASON_MALFORMED);
    else if (hello->is_server)
        wire_check_server_hello(input, hello->may_be_retry);
    else
        wire_check_client_hello(input);
}

void wire_hello_feed(const struct wire_input *input, const uint8_t *bytes, size_t length)
{
    struct wire_hello *hello = &input->stream->hello;
    for (size_t at = 0, taken; at < length && input->wire->verdict == WIRE_UNDECIDED; at += taken) {
        taken = 1;
        if (hello->skip > 0) {
            taken = length - at < hello->skip ? length - at : hello->skip;
            hello->skip -= (uint32_t)taken;
            account(input->stream, taken);
        } else if (hello->need > 0) {
            account(input->stream, 1);
            hello->value = hello->value << 8 | bytes[at];
            hello->is_partial = true;
            if (--hello->need == 0)
                take_field(input, (enum wire_field)hello->field);
        } else {
            wire_weak(input, WIRE_REASON_MALFORMED); /* bytes behind the end */
        }
        wire_extension_end(input);
    }
    if (input->wire->verdict == WIRE_UNDECIDED && input->stream->message_left == 0)
        message_end(input);
}
