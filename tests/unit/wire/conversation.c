#include "conversation.h"

const struct wire_config strict = {
    .min_version = 0x0304,
    .groups = {0x11ec, 29, 23, 24},
    .group_count = 4,
    .ciphersuites = {0x1302, 0x1303, 0x1301},
    .ciphersuite_count = 3,
};

void put(struct bytes *bytes, const void *data, size_t length)
{
    MUST(bytes->length + length <= BYTES_MAX, "BYTES_MAX is too small");
    memcpy(bytes->at + bytes->length, data, length);
    bytes->length += length;
}

void put8(struct bytes *bytes, unsigned value)
{
    put(bytes, &(uint8_t){(uint8_t)value}, 1);
}

void put16(struct bytes *bytes, unsigned value)
{
    put8(bytes, value >> 8);
    put8(bytes, value);
}

void put_text(struct bytes *bytes, const char *text)
{
    put(bytes, text, strlen(text));
}

void put_filling(struct bytes *bytes, unsigned byte, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put8(bytes, byte);
}

/* An extension: its type and its content. */
static void put_extension(struct bytes *bytes, unsigned type, const struct bytes *body)
{
    put16(bytes, type);
    put16(bytes, (unsigned)body->length);
    put(bytes, body->at, body->length);
}

/* An extension that is a list of 16-bit numbers ending with 0, after a length of `width` bytes. */
static void put_list(struct bytes *bytes, unsigned type, unsigned width, const uint16_t *numbers)
{
    static struct bytes list, body;
    list.length = body.length = 0;
    for (; *numbers != 0; numbers++)
        put16(&list, *numbers);
    if (width == 2)
        put16(&body, (unsigned)list.length);
    else
        put8(&body, (unsigned)list.length);
    put(&body, list.at, list.length);
    put_extension(bytes, type, &body);
}

void put_message(struct bytes *bytes, unsigned type, const struct bytes *body)
{
    put8(bytes, type);
    put8(bytes, (unsigned)(body->length >> 16));
    put16(bytes, (unsigned)body->length);
    put(bytes, body->at, body->length);
}

static void put_extensions(struct bytes *bytes, const struct bytes *extensions)
{
    put16(bytes, (unsigned)extensions->length);
    put(bytes, extensions->at, extensions->length);
}

void put_client_hello(struct bytes *bytes, struct client_hello hello)
{
    static const uint16_t suites[] = {0x1302, 0x1303, 0x1301, 0xc02f, 0}, groups[] = {29, 23, 0};
    static struct bytes body, extensions, extension;
    body.length = extensions.length = 0;
    put16(&body, 0x0303);
    put_filling(&body, 0x5a, 32);
    put8(&body, 32);
    put_filling(&body, 0xa5, 32);
    const uint16_t *offered = hello.suites != NULL ? hello.suites : suites;
    unsigned count = 0;
    while (offered[count] != 0)
        count++;
    put16(&body, 2 * count);
    for (unsigned i = 0; i < count; i++)
        put16(&body, offered[i]);
    put(&body, "\1\0", 2); /* no compression */
    if (hello.server_name != NULL) {
        unsigned length = (unsigned)strlen(hello.server_name);
        extension.length = 0;
        put16(&extension, length + 3);
        put8(&extension, 0);
        put16(&extension, length);
        put_text(&extension, hello.server_name);
        put_extension(&extensions, 0, &extension);
    }
    put_list(&extensions, 10, 2, hello.groups != NULL ? hello.groups : groups);
    if (hello.protocol != NULL) {
        unsigned length = (unsigned)strlen(hello.protocol);
        extension.length = 0;
        put16(&extension, length + 1 + 9);
        put8(&extension, length);
        put_text(&extension, hello.protocol);
        put(&extension, "\10http/1.1", 9);
        put_extension(&extensions, 16, &extension);
    }
    if (hello.versions != NULL)
        put_list(&extensions, 43, 1, hello.versions);
    extension.length = 0;
    if (hello.early_data)
        put_extension(&extensions, 42, &extension);
    if (hello.padding > 0) {
        put_filling(&extension, 0, hello.padding);
        put_extension(&extensions, 21, &extension);
    }
    extension.length = 0;
    put16(&extension, 36); /* a key share of X25519 */
    put16(&extension, 29);
    put16(&extension, 32);
    put_filling(&extension, 0x16, 32);
    put_extension(&extensions, 51, &extension);
    if (hello.preshared_key) {
        extension.length = 0;
        put_filling(&extension, 7, 60);
        put_extension(&extensions, 41, &extension);
    }
    if (!hello.no_extensions)
        put_extensions(&body, &extensions);
    put_message(bytes, 1, &body);
}

void put_server_hello(struct bytes *bytes, struct server_hello hello)
{
    static const uint8_t retry[32] = {
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
        0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    };
    static struct bytes body, extensions, extension;
    body.length = extensions.length = 0;
    put16(&body, hello.legacy_version != 0 ? hello.legacy_version : 0x0303);
    if (hello.is_retry)
        put(&body, retry, sizeof retry);
    else
        put_filling(&body, 0xcf, 32); /* begins as the random of a retry */
    put8(&body, 32);
    put_filling(&body, 0xa5, 32);
    put16(&body, hello.suite);
    put8(&body, 0);
    for (int i = 0; i < (hello.two_shares ? 2 : 1) && hello.group != 0; i++) {
        extension.length = 0;
        put16(&extension, hello.group);
        if (!hello.is_retry) {
            put16(&extension, 32);
            put_filling(&extension, 0x17, 32);
        }
        put_extension(&extensions, 51, &extension);
    }
    extension.length = 0;
    put16(&extension, hello.version);
    if (hello.version != 0)
        put_extension(&extensions, 43, &extension);
    extension.length = 0;
    put16(&extension, hello.identity);
    if (hello.preshared_key)
        put_extension(&extensions, 41, &extension);
    if (!hello.no_extensions)
        put_extensions(&body, &extensions);
    put_message(bytes, 2, &body);
}

void put_records(struct bytes *bytes, unsigned type, const struct bytes *data, size_t most)
{
    for (size_t at = 0; at < data->length;) {
        size_t length = data->length - at < most ? data->length - at : most;
        put8(bytes, type);
        put16(bytes, 0x0303);
        put16(bytes, (unsigned)length);
        put(bytes, data->at + at, length);
        at += length;
    }
}

struct bytes *add_turn(struct conversation *conversation, enum wire_direction direction)
{
    MUST(conversation->count < TURNS_MAX, "TURNS_MAX is too small");
    struct turn *turn = &conversation->turns[conversation->count++];
    turn->direction = direction;
    turn->bytes.length = 0;
    return &turn->bytes;
}

enum wire_direction other(enum wire_direction direction)
{
    return direction == WIRE_OUT ? WIRE_IN : WIRE_OUT;
}

void say(struct conversation *conversation, enum wire_direction direction, const char *text)
{
    put_text(add_turn(conversation, direction), text);
}

void say_client_hello(struct conversation *conversation, enum wire_direction direction, struct client_hello hello,
                      size_t record)
{
    static struct bytes message;
    message.length = 0;
    put_client_hello(&message, hello);
    put_records(add_turn(conversation, direction), 22, &message, record);
}

void say_server_hello(struct conversation *conversation, enum wire_direction direction, struct server_hello hello,
                      size_t record)
{
    static struct bytes message, rest;
    struct bytes *bytes = add_turn(conversation, direction);
    message.length = rest.length = 0;
    put_server_hello(&message, hello);
    put_records(bytes, 22, &message, record);
    put(bytes, "\24\3\3\0\1\1", 6);
    if (hello.is_retry)
        return;
    put_filling(&rest, 0xee, 200);
    put_records(bytes, 23, &rest, BYTES_MAX);
}

size_t conversation_length(const struct conversation *conversation)
{
    size_t length = 0;
    for (size_t i = 0; i < conversation->count; i++)
        length += conversation->turns[i].bytes.length;
    return length;
}

struct outcome converse(struct wire *wire, const struct wire_config *config,
                        const struct conversation *conversation, size_t piece, size_t cut)
{
    struct outcome outcome = {WIRE_UNDECIDED, WIRE_REASON_NONE, 0};
    wire_init(wire);
    for (size_t i = 0; i < conversation->count; i++) {
        const struct turn *turn = &conversation->turns[i];
        for (size_t at = 0; at < turn->bytes.length;) {
            size_t length = turn->bytes.length - at < piece ? turn->bytes.length - at : piece;
            size_t passes = SIZE_MAX;
            if (at == 0 && cut > 0 && cut < length)
                length = cut;
            enum wire_verdict verdict =
                wire_feed(wire, config, turn->direction, turn->bytes.at + at, length, &passes);
            bool is_cut = verdict == WIRE_WEAK || verdict == WIRE_PLAINTEXT;
            MUST(passes == (is_cut ? 0 : length), "expected all or none of %zu bytes to pass, found %zu", length,
                 passes);
            at += length;
            if (outcome.verdict == WIRE_UNDECIDED)
                outcome.bytes += length;
            else
                MUST(verdict == outcome.verdict, "expected the verdict to stay");
            outcome.verdict = verdict;
            outcome.reason = wire->reason;
        }
    }
    return outcome;
}
