/*
 * Text of another process, made fit for a terminal. See safe_text.h.
 */
#include "safe_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

static uint32_t decode(const unsigned char *at, size_t length)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = at[0] & first[length];
    for (size_t i = 1; i < length; i++)
        code = code << 6 | (at[i] & 0x3fU);
    return code;
}

static bool is_harmless(uint32_t code)
{
    const bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    const bool is_format = code == 0xad || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
                           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
                           code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb);
    return !is_control && !is_format;
}

size_t safe_text(char *text, size_t size)
{
    if (size == 0)
        return 0;
    text[size - 1] = '\0';
    for (size_t at = 0; text[at] != '\0';) {
        const unsigned char *bytes = (const unsigned char *)text + at;
        const size_t length = utf8_length(bytes);
        const bool passes = length != 0 && is_harmless(decode(bytes, length));
        for (size_t i = 0; !passes && i < (length != 0 ? length : 1); i++)
            text[at + i] = '?';
        at += length != 0 ? length : 1;
    }
    return strlen(text);
}

size_t text_columns(const char *text)
{
    size_t columns = 0;
    for (; *text != '\0'; text++)
        columns += (*text & 0xc0) != 0x80;
    return columns;
}

size_t text_cut(const char *text, size_t columns)
{
    size_t at = 0, used = 0;
    for (; text[at] != '\0'; at++) {
        used += (text[at] & 0xc0) != 0x80;
        if (used > columns)
            break;
    }
    return at;
}
