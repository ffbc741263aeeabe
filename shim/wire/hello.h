/*
 * For hello.c and extension.c: the fields of a hello, in the order in which they are read, and what both files use.
 */
#ifndef PFSWRAP_WIRE_HELLO_H
#define PFSWRAP_WIRE_HELLO_H

#include "wire/reader.h"

enum wire_field {
    FIELD_HINT_LENGTH, /* ServerKeyExchange */
    FIELD_CURVE_TYPE,
    FIELD_CURVE,
    FIELD_VERSION, /* hello; up to FIELD_EXTENSION_LENGTH, a field is outside of an extension */
    FIELD_RANDOM,  /* one byte at a time, compared with the value of a HelloRetryRequest */
    FIELD_SESSION_LENGTH,
    FIELD_SUITES_LENGTH,
    FIELD_SUITE_OFFERED,
    FIELD_COMPRESSIONS_LENGTH,
    FIELD_SUITE_CHOSEN,
    FIELD_COMPRESSION_CHOSEN,
    FIELD_EXTENSIONS_LENGTH,
    FIELD_EXTENSION_TYPE,
    FIELD_EXTENSION_LENGTH,
    FIELD_VERSIONS_LENGTH, /* from here on, a field is inside of an extension */
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
    FIELD_END, /* of the extension or of the message */
};

/* Sets what comes next: `skip` bytes to ignore, and then an integer of `need` bytes. */
static inline void wire_expect(struct wire_hello *hello, enum wire_field field, uint8_t need, uint32_t skip)
{
    hello->field = (uint8_t)field;
    hello->need = need;
    hello->value = 0;
    hello->is_partial = false;
    hello->skip = skip;
}

/* Adds an integer to a list, if there is room for it. */
static inline void wire_list_add(uint16_t *list, uint8_t *count, size_t room, uint32_t value)
{
    if (*count < room)
        list[(*count)++] = (uint16_t)value;
}

/* Begins the extension whose length was just read. */
void wire_extension_begin(const struct wire_input *input);

/* Continues after an extension, or after the length of all extensions. */
void wire_extension_next(const struct wire_input *input);

/* Processes an integer inside of an extension, hello->value. */
void wire_extension_take(const struct wire_input *input, enum wire_field field);

/* If the bytes of the current extension have all been read, checks that it may end there, and continues after it.
 */
void wire_extension_end(const struct wire_input *input);

#endif
