/*
 * JSON strings. See json.h.
 */
#include "json.h"

#include <string.h>

#include "base/utf8.h"
#include "message.h"

void json_write_string(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    out("\"");
    while (*at != '\0') {
        size_t length = utf8_length(at);
        if (length == 0)
            out("\\ufffd");
        else if (*at == '"' || *at == '\\')
            out("\\%c", *at);
        else if (*at < 0x20 || *at == 0x7f)
            out("\\u%04x", *at);
        else
            out("%.*s", (int)length, (const char *)at);
        at += length == 0 ? 1 : length;
    }
    out("\"");
}

void json_write_member(const char *key, const char *value)
{
    out("\"%s\": ", key);
    if (value == NULL)
        out("null");
    else
        json_write_string(value);
}
