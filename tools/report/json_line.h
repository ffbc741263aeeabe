/*
 * Reads a line that is one JSON object (RFC 8259) without allocating memory: strings are unescaped where they are.
 * A library would build a tree of each line; the report reads gigabytes and needs a few members.
 */
#ifndef PFSWRAP_TOOLS_REPORT_JSON_LINE_H
#define PFSWRAP_TOOLS_REPORT_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads the object at text[0..length); text[length] must be writable, and the text is changed. Calls member() for
 * each member whose value is a string (unescaped), a number or a boolean (as written), with terminators. Arrays,
 * objects and null are checked and left out. A NUL in a string becomes U+FFFD, and so does half a surrogate pair.
 * The text must be UTF-8. Returns false if it is not exactly one object; member() may have been called by then.
 */
bool json_line_read(char *text, size_t length, void (*member)(void *context, const char *key, char *value),
                    void *context);

/* Whether the bytes are UTF-8. bytes[length] must be 0. */
bool utf8_check(const char *bytes, size_t length);

#endif
