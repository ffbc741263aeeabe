/*
 * A reader for JSON objects on one line. See json_line.h.
 */
#include "json_line.h"

#include <string.h>

#include "base/utf8.h"

enum { DEPTH_MAX = 16 }; /* of arrays and objects; the log has none, the journal has arrays */

struct cursor {
    char *at, *end; /* *end is 0 */
};

bool utf8_check(const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes, *const end = at + length;
    while (at < end) {
        const size_t step = utf8_length(at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

static void skip_blanks(struct cursor *cursor)
{
    while (*cursor->at == ' ' || *cursor->at == '\t' || *cursor->at == '\r')
        cursor->at++;
}

static bool take(struct cursor *cursor, char wanted)
{
    if (*cursor->at != wanted || cursor->at == cursor->end)
        return false;
    cursor->at++;
    return true;
}

/* Reads the four digits behind \u. -1: there are none. */
static long read_hex(struct cursor *cursor)
{
    long value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = *cursor->at;
        if (c >= '0' && c <= '9')
            value = 16 * value + (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = 16 * value + ((c | 0x20) - 'a' + 10);
        else
            return -1;
        cursor->at++;
    }
    return value;
}

static char *put_utf8(char *to, long code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | (code >> 6));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | (code >> 12));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | (code >> 18));
        *to++ = (char)(0x80 | ((code >> 12) & 0x3f));
        *to++ = (char)(0x80 | ((code >> 6) & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

/* Reads what is behind \u. NULL: it is no escape. The result is never longer than the escape. */
static char *read_unicode(struct cursor *cursor, char *to)
{
    enum { REPLACEMENT = 0xfffd };
    long code = read_hex(cursor);
    if (code < 0)
        return NULL;
    if (code >= 0xd800 && code <= 0xdbff && cursor->at[0] == '\\' && cursor->at[1] == 'u') {
        char *const second = cursor->at;
        cursor->at += 2;
        const long low = read_hex(cursor);
        if (low < 0)
            return NULL;
        if (low >= 0xdc00 && low <= 0xdfff)
            return put_utf8(to, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
        cursor->at = second;
    }
    if (code == 0 || (code >= 0xd800 && code <= 0xdfff))
        code = REPLACEMENT;
    return put_utf8(to, code);
}

/* Reads the escape behind a backslash. NULL: it is none. */
static char *read_escape(struct cursor *cursor, char *to)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char letter = *cursor->at++;
    if (letter == 'u')
        return read_unicode(cursor, to);
    const char *const found = letter != '\0' ? strchr(letters, letter) : NULL;
    if (found == NULL)
        return NULL;
    *to++ = meanings[found - letters];
    return to;
}

/* Reads a string, the opening quote included. NULL: it is none. A terminator replaces its closing quote. */
static char *read_string(struct cursor *cursor)
{
    if (!take(cursor, '"'))
        return NULL;
    char *const begin = cursor->at;
    char *to = begin;
    for (;;) {
        const char c = *cursor->at;
        if (c == '"')
            break;
        if ((unsigned char)c < 0x20) /* also the end of the line */
            return NULL;
        cursor->at++;
        if (c != '\\')
            *to++ = c;
        else if ((to = read_escape(cursor, to)) == NULL)
            return NULL;
    }
    cursor->at++;
    *to = '\0';
    return begin;
}

/* Steps over digits. False: there are none. */
static bool skip_digits(struct cursor *cursor)
{
    const size_t length = strspn(cursor->at, "0123456789");
    cursor->at += length;
    return length > 0;
}

static bool skip_number(struct cursor *cursor)
{
    (void)take(cursor, '-');
    if (!take(cursor, '0') && !skip_digits(cursor))
        return false;
    if (take(cursor, '.') && !skip_digits(cursor))
        return false;
    if (*cursor->at != 'e' && *cursor->at != 'E')
        return true;
    cursor->at++;
    if (*cursor->at == '+' || *cursor->at == '-')
        cursor->at++;
    return skip_digits(cursor);
}

static bool take_word(struct cursor *cursor, const char *word)
{
    const size_t length = strlen(word);
    if (strncmp(cursor->at, word, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

/* Steps over a value that is not of interest. */
static bool skip_value(struct cursor *cursor, int depth)
{
    const char opening = *cursor->at;
    if (opening == '"')
        return read_string(cursor) != NULL;
    if (opening != '[' && opening != '{')
        return take_word(cursor, "null") || take_word(cursor, "true") || take_word(cursor, "false") ||
               skip_number(cursor);
    const char closing = opening == '[' ? ']' : '}';
    if (depth == DEPTH_MAX)
        return false;
    cursor->at++;
    skip_blanks(cursor);
    if (take(cursor, closing))
        return true;
    do {
        skip_blanks(cursor);
        if (opening == '{' && read_string(cursor) == NULL)
            return false;
        skip_blanks(cursor);
        if (opening == '{' && !take(cursor, ':'))
            return false;
        skip_blanks(cursor);
        if (!skip_value(cursor, depth + 1))
            return false;
        skip_blanks(cursor);
    } while (take(cursor, ','));
    return take(cursor, closing);
}

/* Reads a value. *value becomes NULL for one that is left out, *bare_end the end of one that has no terminator yet.
 */
static bool read_value(struct cursor *cursor, char **value, char **bare_end)
{
    *value = *bare_end = NULL;
    const char first = *cursor->at;
    if (first == '"')
        return (*value = read_string(cursor)) != NULL;
    char *const begin = cursor->at;
    if (!skip_value(cursor, 0))
        return false;
    if (first != '[' && first != '{' && first != 'n') {
        *value = begin;
        *bare_end = cursor->at;
    }
    return true;
}

bool json_line_read(char *text, size_t length, void (*member)(void *context, const char *key, char *value),
                    void *context)
{
    struct cursor cursor = {.at = text, .end = text + length};
    bool is_more;
    text[length] = '\0';
    skip_blanks(&cursor);
    if (!take(&cursor, '{'))
        return false;
    skip_blanks(&cursor);
    if (*cursor.at != '}')
        do {
            char *value, *bare_end;
            skip_blanks(&cursor);
            const char *const key = read_string(&cursor);
            skip_blanks(&cursor);
            if (key == NULL || !take(&cursor, ':'))
                return false;
            skip_blanks(&cursor);
            if (!read_value(&cursor, &value, &bare_end))
                return false;
            skip_blanks(&cursor);
            is_more = *cursor.at == ',';
            if (!is_more && *cursor.at != '}')
                return false;
            if (bare_end != NULL && bare_end != cursor.at)
                *bare_end = '\0';
            else if (bare_end != NULL)
                *cursor.at = '\0';
            if (value != NULL)
                member(context, key, value);
            cursor.at++;
        } while (is_more);
    else
        cursor.at++;
    skip_blanks(&cursor);
    return cursor.at == cursor.end;
}
