/*
 * The inside of ClientHello, ServerHello and HelloRetryRequest (RFC 8446 4.1, 4.2; RFC 5246 7.4.1), and the
 * beginning of a ServerKeyExchange (RFC 8422 5.4). Read an integer at a time, whatever comes in between passed
 * over, so that a hello of any size needs no buffer. What contradicts itself is malformed: a peer might read it
 * differently.
 */
#include <string.h>

#include "wire/reader.h"

enum field {
    FIELD_HINT_LENGTH, /* of a ServerKeyExchange */
    FIELD_CURVE_TYPE,
    FIELD_CURVE,
    FIELD_VERSION, /* of a hello */
    FIELD_RANDOM,  /* byte after byte, beside that of a HelloRetryRequest */
    FIELD_SESSION_LENGTH,
    FIELD_SUITES_LENGTH,
    FIELD_SUITE_OFFERED,
    FIELD_COMPRESSIONS_LENGTH,
    FIELD_SUITE_CHOSEN,
    FIELD_COMPRESSION_CHOSEN,
    FIELD_EXTENSIONS_LENGTH,
    FIELD_EXTENSION_TYPE,
    FIELD_EXTENSION_LENGTH,
    FIELD_VERSIONS_LENGTH, /* from here on: within an extension */
    FIELD_VERSION_OFFERED,
    FIELD_GROUPS_LENGTH,
    FIELD_GROUP_OFFERED,
    FIELD_NAMES_LENGTH,
    FIELD_NAME_TYPE,
    FIELD_NAME_LENGTH,
    FIELD_NAME,
    FIELD_PROTOCOLS_LENGTH,
    FIELD_PROTOCOL_LENGTH,
    FIELD_PROTOCOL,
    FIELD_VERSION_CHOSEN,
    FIELD_GROUP_CHOSEN,
    FIELD_IDENTITY_CHOSEN,
    FIELD_END, /* of the extension, or of the message */
};

/* IANA "TLS ExtensionType Values". */
enum {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_GROUPS = 10,
    EXTENSION_PROTOCOLS = 16,
    EXTENSION_PRESHARED_KEY = 41,
    EXTENSION_EARLY_DATA = 42,
    EXTENSION_VERSIONS = 43,
    EXTENSION_KEY_SHARE = 51,
};

enum { RANDOM_BYTES = 32 };

static void malformed(const struct wire_cursor *cursor)
{
    wire_decide(cursor->wire, WIRE_WEAK, WIRE_REASON_MALFORMED);
}

/* What comes next: an integer of `need` bytes, after `skip` bytes that do not matter. */
static void expect(struct wire_hello *hello, enum field field, uint8_t need, uint32_t skip)
{
    hello->field = (uint8_t)field;
    hello->need = need;
    hello->value = 0;
    hello->is_partial = false;
    hello->skip = skip;
}

static bool random_is_retry(size_t at, uint8_t byte)
{
    /* SHA-256 of "HelloRetryRequest" (RFC 8446 4.1.3). */
    static const uint8_t retry[RANDOM_BYTES] = {
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
        0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    };
    return retry[at] == byte;
}

/* A bit for each extension that decides, so that none can come twice with different answers. */
static bool is_second(struct wire_hello *hello, unsigned extension)
{
    static const uint8_t once[] = {EXTENSION_SERVER_NAME,   EXTENSION_GROUPS,     EXTENSION_PROTOCOLS,
                                   EXTENSION_PRESHARED_KEY, EXTENSION_EARLY_DATA, EXTENSION_VERSIONS,
                                   EXTENSION_KEY_SHARE};
    for (size_t i = 0; i < sizeof once; i++)
        if (once[i] == extension) {
            bool second = (hello->seen >> i & 1) != 0;
            hello->seen = (uint16_t)(hello->seen | 1U << i);
            return second;
        }
    return false;
}

static void extension_begin_client(struct wire *wire, struct wire_hello *hello)
{
    switch (hello->extension) {
    case EXTENSION_SERVER_NAME:
        expect(hello, FIELD_NAMES_LENGTH, 2, 0);
        break;
    case EXTENSION_GROUPS:
        expect(hello, FIELD_GROUPS_LENGTH, 2, 0);
        break;
    case EXTENSION_PROTOCOLS:
        expect(hello, FIELD_PROTOCOLS_LENGTH, 2, 0);
        break;
    case EXTENSION_VERSIONS:
        wire->offer.version_count = 0; /* they take the place of the legacy version */
        expect(hello, FIELD_VERSIONS_LENGTH, 1, 0);
        break;
    default:
        break;
    }
}

static void extension_begin_server(struct wire *wire, struct wire_hello *hello)
{
    switch (hello->extension) {
    case EXTENSION_VERSIONS:
        expect(hello, FIELD_VERSION_CHOSEN, 2, 0);
        break;
    case EXTENSION_KEY_SHARE:
        expect(hello, FIELD_GROUP_CHOSEN, 2, 0);
        break;
    case EXTENSION_PRESHARED_KEY:
        wire->choice.preshared_key = true;
        expect(hello, FIELD_IDENTITY_CHOSEN, 2, 0);
        break;
    default:
        break;
    }
}

static void extension_begin(const struct wire_cursor *cursor)
{
    struct wire_hello *hello = &cursor->stream->hello;
    hello->extension_left = (uint16_t)hello->value;
    if (hello->value > hello->extensions_left || is_second(hello, hello->extension)) {
        malformed(cursor);
        return;
    }
    /* Read or passed over, it ends where its length says. */
    expect(hello, FIELD_END, 0, hello->extension_left);
    if (!hello->is_server) {
        cursor->wire->offer.early_data |= hello->extension == EXTENSION_EARLY_DATA;
        cursor->wire->offer.preshared_key |= hello->extension == EXTENSION_PRESHARED_KEY;
    }
    if (hello->extension_left == 0)
        return;
    if (hello->is_server)
        extension_begin_server(cursor->wire, hello);
    else
        extension_begin_client(cursor->wire, hello);
}

/* What comes after an extension, or after the length of all of them. */
static void extension_next(const struct wire_cursor *cursor)
{
    enum { EXTENSION_HEADER = 4 };
    struct wire_hello *hello = &cursor->stream->hello;
    if (hello->extensions_left == 0) {
        expect(hello, FIELD_END, 0, 0);
    } else {
        expect(hello, FIELD_EXTENSION_TYPE, 2, 0);
        if (hello->extensions_left < EXTENSION_HEADER)
            malformed(cursor);
    }
}

static void list_put(uint16_t *list, uint8_t *count, size_t room, uint32_t value)
{
    if (*count < room)
        list[(*count)++] = (uint16_t)value;
}

static void text_put(char *text, size_t room, uint32_t byte)
{
    size_t length = strlen(text);
    if (length + 1 < room) {
        text[length] = (char)byte;
        text[length + 1] = '\0';
    }
}

/* A list that has to fill its extension: `items` of `need` bytes come next. */
static void list_begin(const struct wire_cursor *cursor, enum field items, uint8_t need)
{
    struct wire_hello *hello = &cursor->stream->hello;
    if (hello->value == 0 || hello->value != hello->extension_left)
        malformed(cursor);
    expect(hello, items, need, 0);
}

/* The length of a name within an extension; `bytes` reads its bytes, one by one. */
static void name_begin(const struct wire_cursor *cursor, enum field bytes)
{
    struct wire_hello *hello = &cursor->stream->hello;
    hello->list_left = (uint16_t)hello->value;
    if (hello->value == 0 || hello->value > hello->extension_left)
        malformed(cursor);
    expect(hello, bytes, 1, 0);
}

/* An integer of an extension that is read has come. */
static void take_extension_field(const struct wire_cursor *cursor, enum field field)
{
    struct wire *wire = cursor->wire;
    struct wire_offer *offer = &wire->offer;
    struct wire_hello *hello = &cursor->stream->hello;
    uint32_t value = hello->value;
    switch (field) {
    case FIELD_VERSIONS_LENGTH:
        list_begin(cursor, FIELD_VERSION_OFFERED, 2);
        break;
    case FIELD_VERSION_OFFERED:
        list_put(offer->versions, &offer->version_count, WIRE_VERSIONS_MAX, value);
        expect(hello, FIELD_VERSION_OFFERED, 2, 0);
        break;
    case FIELD_GROUPS_LENGTH:
        list_begin(cursor, FIELD_GROUP_OFFERED, 2);
        break;
    case FIELD_GROUP_OFFERED:
        list_put(offer->groups, &offer->group_count, WIRE_GROUPS_MAX, value);
        expect(hello, FIELD_GROUP_OFFERED, 2, 0);
        break;
    case FIELD_NAMES_LENGTH:
        list_begin(cursor, FIELD_NAME_TYPE, 1);
        break;
    case FIELD_NAME_TYPE:
        expect(hello, FIELD_NAME_LENGTH, 2, 0);
        break;
    case FIELD_NAME_LENGTH:
        name_begin(cursor, FIELD_NAME);
        break;
    case FIELD_NAME:
        text_put(offer->server_name, sizeof offer->server_name, value);
        expect(hello, --hello->list_left > 0 ? FIELD_NAME : FIELD_NAME_TYPE, 1, 0);
        break;
    case FIELD_PROTOCOLS_LENGTH:
        list_begin(cursor, FIELD_PROTOCOL_LENGTH, 1);
        break;
    case FIELD_PROTOCOL_LENGTH:
        if (offer->protocols[0] != '\0')
            text_put(offer->protocols, sizeof offer->protocols, ',');
        name_begin(cursor, FIELD_PROTOCOL);
        break;
    case FIELD_PROTOCOL:
        text_put(offer->protocols, sizeof offer->protocols, value);
        expect(hello, --hello->list_left > 0 ? FIELD_PROTOCOL : FIELD_PROTOCOL_LENGTH, 1, 0);
        break;
    case FIELD_VERSION_CHOSEN:
        wire->choice.version = (uint16_t)value;
        expect(hello, FIELD_END, 0, hello->extension_left);
        break;
    case FIELD_GROUP_CHOSEN:
        wire->choice.group = (uint16_t)value;
        expect(hello, FIELD_END, 0, hello->extension_left);
        break;
    case FIELD_IDENTITY_CHOSEN:
        wire->choice.identity = (uint16_t)value;
        expect(hello, FIELD_END, 0, hello->extension_left);
        break;
    default:
        malformed(cursor);
    }
}

/* An integer has come that stands before the extensions, between them, or in a ServerKeyExchange. */
static void take_field(const struct wire_cursor *cursor, enum field field)
{
    struct wire *wire = cursor->wire;
    struct wire_hello *hello = &cursor->stream->hello;
    uint32_t value = hello->value;
    switch (field) {
    case FIELD_VERSION:
        if (hello->is_server)
            wire->choice.version = (uint16_t)value;
        else
            list_put(wire->offer.versions, &wire->offer.version_count, WIRE_VERSIONS_MAX, value);
        hello->list_left = RANDOM_BYTES;
        expect(hello, FIELD_RANDOM, 1, 0);
        break;
    case FIELD_RANDOM:
        hello->may_be_retry =
            hello->may_be_retry && random_is_retry((size_t)(RANDOM_BYTES - hello->list_left), (uint8_t)value);
        expect(hello, --hello->list_left > 0 ? FIELD_RANDOM : FIELD_SESSION_LENGTH, 1, 0);
        break;
    case FIELD_SESSION_LENGTH:
        expect(hello, hello->is_server ? FIELD_SUITE_CHOSEN : FIELD_SUITES_LENGTH, 2, value);
        break;
    case FIELD_SUITES_LENGTH:
        hello->list_left = (uint16_t)value;
        if (value == 0 || value % 2 != 0)
            malformed(cursor);
        expect(hello, FIELD_SUITE_OFFERED, 2, 0);
        break;
    case FIELD_SUITE_OFFERED:
        list_put(wire->offer.suites, &wire->offer.suite_count, WIRE_SUITES_MAX, value);
        hello->list_left = (uint16_t)(hello->list_left - 2);
        if (hello->list_left > 0)
            expect(hello, FIELD_SUITE_OFFERED, 2, 0);
        else
            expect(hello, FIELD_COMPRESSIONS_LENGTH, 1, 0);
        break;
    case FIELD_COMPRESSIONS_LENGTH:
        expect(hello, FIELD_EXTENSIONS_LENGTH, 2, value);
        break;
    case FIELD_SUITE_CHOSEN:
        wire->choice.suite = (uint16_t)value;
        expect(hello, FIELD_COMPRESSION_CHOSEN, 1, 0);
        break;
    case FIELD_COMPRESSION_CHOSEN:
        expect(hello, FIELD_EXTENSIONS_LENGTH, 2, 0);
        break;
    case FIELD_EXTENSIONS_LENGTH:
        hello->extensions_left = (uint16_t)value;
        if (value != cursor->stream->message_left)
            malformed(cursor);
        extension_next(cursor);
        break;
    case FIELD_EXTENSION_TYPE:
        hello->extension = (uint16_t)value;
        expect(hello, FIELD_EXTENSION_LENGTH, 2, 0);
        break;
    case FIELD_EXTENSION_LENGTH:
        extension_begin(cursor);
        break;
    case FIELD_HINT_LENGTH:
        expect(hello, FIELD_CURVE_TYPE, 1, value);
        break;
    case FIELD_CURVE_TYPE:
        if (value != 3) /* named_curve */
            wire_decide(wire, WIRE_WEAK, WIRE_REASON_GROUP);
        expect(hello, FIELD_CURVE, 2, 0);
        break;
    case FIELD_CURVE:
        wire->choice.group = (uint16_t)value;
        wire_judge_key_exchange(cursor);
        break;
    default:
        take_extension_field(cursor, field);
    }
}

void wire_hello_begin(const struct wire_cursor *cursor)
{
    struct wire *wire = cursor->wire;
    struct wire_hello *hello = &cursor->stream->hello;
    memset(hello, 0, sizeof *hello);
    hello->is_server = cursor->stream->message_type != MESSAGE_CLIENT_HELLO;
    hello->may_be_retry = hello->is_server;
    if (cursor->stream->message_left == 0)
        malformed(cursor);
    if (cursor->stream->message_type == MESSAGE_SERVER_KEY_EXCHANGE) {
        bool has_hint = false;
        (void)wire_suite_is_ecdhe_aead(wire->choice.suite, &has_hint);
        expect(hello, has_hint ? FIELD_HINT_LENGTH : FIELD_CURVE_TYPE, has_hint ? 2 : 1, 0);
        return;
    }
    if (hello->is_server)
        memset(&wire->choice, 0, sizeof wire->choice);
    else
        memset(&wire->offer, 0, sizeof wire->offer);
    expect(hello, FIELD_VERSION, 2, 0);
}

/* Counts bytes off everything they are part of. */
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

/* Whether an extension may end before `field`. */
static bool may_end_extension(enum field field)
{
    switch (field) {
    case FIELD_VERSION_OFFERED:
    case FIELD_GROUP_OFFERED:
    case FIELD_NAME_TYPE:
    case FIELD_PROTOCOL_LENGTH:
    case FIELD_END:
        return true;
    default:
        return false;
    }
}

/* Goes on behind an extension that has ended. */
static void extension_end(const struct wire_cursor *cursor)
{
    const struct wire_hello *hello = &cursor->stream->hello;
    if (hello->field < FIELD_VERSIONS_LENGTH || hello->extension_left > 0)
        return;
    if (hello->is_partial || !may_end_extension((enum field)hello->field))
        malformed(cursor);
    extension_next(cursor);
}

/* The message is complete: was the hello? */
static void message_end(const struct wire_cursor *cursor)
{
    const struct wire_hello *hello = &cursor->stream->hello;
    bool before_extensions = hello->field == FIELD_EXTENSIONS_LENGTH && !hello->is_partial; /* there are none */
    if (hello->skip > 0 || (hello->field != FIELD_END && !before_extensions))
        malformed(cursor);
    else if (hello->is_server)
        wire_judge_server_hello(cursor, hello->may_be_retry);
    else
        wire_judge_client_hello(cursor);
}

void wire_hello_feed(const struct wire_cursor *cursor, const uint8_t *bytes, size_t length)
{
    struct wire_hello *hello = &cursor->stream->hello;
    for (size_t at = 0, taken; at < length && cursor->wire->verdict == WIRE_UNDECIDED; at += taken) {
        taken = 1;
        if (hello->skip > 0) {
            taken = length - at < hello->skip ? length - at : hello->skip;
            hello->skip -= (uint32_t)taken;
            account(cursor->stream, taken);
        } else if (hello->need > 0) {
            account(cursor->stream, 1);
            hello->value = hello->value << 8 | bytes[at];
            hello->is_partial = true;
            if (--hello->need == 0)
                take_field(cursor, (enum field)hello->field);
        } else {
            malformed(cursor); /* more bytes than the hello has */
        }
        extension_end(cursor);
    }
    if (cursor->wire->verdict == WIRE_UNDECIDED && cursor->stream->message_left == 0)
        message_end(cursor);
}
