/*
 * Recognises UTF-8 (RFC 3629). JSON must be UTF-8 (RFC 8259, section 8.1), but a file name may have any bytes.
 */
#ifndef PFSWRAP_BASE_UTF8_H
#define PFSWRAP_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The length of the UTF-8 sequence at `s`, 1 to 4 bytes, or 0 if it is not valid. `s` ends with a zero byte, and
 * nothing is read after that byte, which is itself a sequence of length 1.
 */
static inline size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        return (s[1] & 0xc0) == 0x80 ? 2 : 0;
    if (s[0] >= 0xe0 && s[0] <= 0xef) {
        const bool is_overlong = s[0] == 0xe0 && s[1] < 0xa0;
        const bool is_surrogate = s[0] == 0xed && s[1] >= 0xa0;
        return (s[1] & 0xc0) == 0x80 && !is_overlong && !is_surrogate && (s[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        const bool is_in_range = (s[0] != 0xf0 || s[1] >= 0x90) && (s[0] != 0xf4 || s[1] < 0x90);
        return (s[1] & 0xc0) == 0x80 && is_in_range && (s[2] & 0xc0) == 0x80 && (s[3] & 0xc0) == 0x80 ? 4 : 0;
    }
    return 0;
}

#endif
