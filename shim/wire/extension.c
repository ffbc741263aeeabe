/*
 * The extensions of hellos (RFC 8446, section 4.2; RFC 6066, section 3; RFC 7301, section 3.1). Those that matter
 * for a verdict or for the audit log are read; all others are skipped. See hello.h.
 */
#include <string.h>

#include "wire/hello.h"

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

/*
 * Whether the hello had this extension before. There is a bit for each extension that is read, so that a second one
 * cannot replace what the first one said.
 */
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

static void begin_client(struct wire *wire, struct wire_hello *hello)
{
    switch (hello->extension) {
    case EXTENSION_SERVER_NAME:
        wire_expect(hello, FIELD_NAMES_LENGTH, 2, 0);
        break;
    case EXTENSION_GROUPS:
        wire_expect(hello, FIELD_GROUPS_LENGTH, 2, 0);
        break;
    case EXTENSION_PROTOCOLS:
        wire_expect(hello, FIELD_PROTOCOLS_LENGTH, 2, 0);
        break;
    case EXTENSION_VERSIONS:
        wire->offer.version_count = 0; /* they replace the legacy version */
        wire_expect(hello, FIELD_VERSIONS_LENGTH, 1, 0);
        break;
    default:
        break;
    }
}

static void begin_server(struct wire *wire, struct wire_hello *hello)
{
    switch (hello->extension) {
    case EXTENSION_VERSIONS:
        wire_expect(hello, FIELD_VERSION_CHOSEN, 2, 0);
        break;
    case EXTENSION_KEY_SHARE:
        wire_expect(hello, FIELD_GROUP_CHOSEN, 2, 0);
        break;
    case EXTENSION_PRESHARED_KEY:
        wire->choice.preshared_key = true;
        wire_expect(hello, FIELD_IDENTITY_CHOSEN, 2, 0);
        break;
    default:
        break;
    }
}

void wire_extension_begin(const struct wire_input *input)
{
    struct wire_hello *hello = &input->stream->hello;
    hello->extension_left = (uint16_t)hello->value;
    if (hello->value > hello->extensions_left || is_second(hello, hello->extension)) {
        wire_weak(input, WIRE_REASON_MALFORMED);
        return;
    }
    wire_expect(hello, FIELD_END, 0, hello->extension_left); /* unless it is read */
    if (!hello->is_server) {
        input->wire->offer.early_data |= hello->extension == EXTENSION_EARLY_DATA;
        input->wire->offer.preshared_key |= hello->extension == EXTENSION_PRESHARED_KEY;
    }
    if (hello->extension_left == 0)
        return;
    if (hello->is_server)
        begin_server(input->wire, hello);
    else
        begin_client(input->wire, hello);
}

void wire_extension_next(const struct wire_input *input)
{
    enum { EXTENSION_HEADER = 4 };
    struct wire_hello *hello = &input->stream->hello;
    if (hello->extensions_left == 0) {
        wire_expect(hello, FIELD_END, 0, 0);
    } else {
        wire_expect(hello, FIELD_EXTENSION_TYPE, 2, 0);
        if (hello->extensions_left < EXTENSION_HEADER)
            wire_weak(input, WIRE_REASON_MALFORMED);
    }
}

/* Appends a character, if there is room for it. */
static void text_add(char *text, size_t room, uint32_t byte)
{
    size_t length = strlen(text);
    if (length + 1 < room) {
        text[length] = (char)byte;
        text[length + 1] = '\0';
    }
}

/* The length of a list, which must fill the rest of the extension. Its items begin with an integer of `need` bytes.
 */
static void begin_list(const struct wire_input *input, enum wire_field items, uint8_t need)
{
    struct wire_hello *hello = &input->stream->hello;
    if (hello->value == 0 || hello->value != hello->extension_left)
        wire_weak(input, WIRE_REASON_MALFORMED);
    wire_expect(hello, items, need, 0);
}

/* The length of a name, which is read byte by byte as the field `bytes`. */
static void begin_name(const struct wire_input *input, enum wire_field bytes)
{
    struct wire_hello *hello = &input->stream->hello;
    hello->list_left = (uint16_t)hello->value;
    if (hello->value == 0 || hello->value > hello->extension_left)
        wire_weak(input, WIRE_REASON_MALFORMED);
    wire_expect(hello, bytes, 1, 0);
}

void wire_extension_take(const struct wire_input *input, enum wire_field field)
{
    struct wire *wire = input->wire;
    struct wire_offer *offer = &wire->offer;
    struct wire_hello *hello = &input->stream->hello;
    uint32_t value = hello->value;
    switch (field) {
    case FIELD_VERSIONS_LENGTH:
        begin_list(input, FIELD_VERSION_OFFERED, 2);
        break;
    case FIELD_VERSION_OFFERED:
        wire_list_add(offer->versions, &offer->version_count, WIRE_VERSIONS_MAX, value);
        wire_expect(hello, FIELD_VERSION_OFFERED, 2, 0);
        break;
    case FIELD_GROUPS_LENGTH:
        begin_list(input, FIELD_GROUP_OFFERED, 2);
        break;
    case FIELD_GROUP_OFFERED:
        wire_list_add(offer->groups, &offer->group_count, WIRE_GROUPS_MAX, value);
        wire_expect(hello, FIELD_GROUP_OFFERED, 2, 0);
        break;
    case FIELD_NAMES_LENGTH:
        begin_list(input, FIELD_NAME_TYPE, 1);
        break;
    case FIELD_NAME_TYPE:
        wire_expect(hello, FIELD_NAME_LENGTH, 2, 0);
        break;
    case FIELD_NAME_LENGTH:
        begin_name(input, FIELD_NAME);
        break;
    case FIELD_NAME:
        text_add(offer->server_name, sizeof offer->server_name, value);
        wire_expect(hello, --hello->list_left > 0 ? FIELD_NAME : FIELD_NAME_TYPE, 1, 0);
        break;
    case FIELD_PROTOCOLS_LENGTH:
        begin_list(input, FIELD_PROTOCOL_LENGTH, 1);
        break;
    case FIELD_PROTOCOL_LENGTH:
        if (offer->protocols[0] != '\0')
            text_add(offer->protocols, sizeof offer->protocols, ',');
        begin_name(input, FIELD_PROTOCOL);
        break;
    case FIELD_PROTOCOL:
        text_add(offer->protocols, sizeof offer->protocols, value);
        wire_expect(hello, --hello->list_left > 0 ? FIELD_PROTOCOL : FIELD_PROTOCOL_LENGTH, 1, 0);
        break;
    case FIELD_VERSION_CHOSEN:
        wire->choice.version = (uint16_t)value;
        wire_expect(hello, FIELD_END, 0, hello->extension_left);
        break;
    case FIELD_GROUP_CHOSEN:
        wire->choice.group = (uint16_t)value;
        wire_expect(hello, FIELD_END, 0, hello->extension_left);
        break;
    case FIELD_IDENTITY_CHOSEN:
        wire->choice.identity = (uint16_t)value;
        wire_expect(hello, FIELD_END, 0, hello->extension_left);
        break;
    default:
        wire_weak(input, WIRE_REASON_MALFORMED);
    }
}

/* Whether an extension may end in front of `field`. */
static bool may_end_before(enum wire_field field)
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

void wire_extension_end(const struct wire_input *input)
{
    const struct wire_hello *hello = &input->stream->hello;
    if (hello->field < FIELD_VERSIONS_LENGTH || hello->extension_left > 0)
        return;
    if (hello->is_partial || !may_end_before((enum wire_field)hello->field))
        wire_weak(input, WIRE_REASON_MALFORMED);
    wire_extension_next(input);
}
