/*
 * JSON on standard output (RFC 8259), for the commands that have an option --json.
 */
#ifndef PFSWRAP_TOOLS_JSON_H
#define PFSWRAP_TOOLS_JSON_H

/* Writes a string in quotes. Bytes that are not UTF-8 are written as U+FFFD, since JSON text is UTF-8
 * (section 8.1). */
void json_write_string(const char *text);

/* Writes "key": and the value as a string, or null if it is NULL. */
void json_write_member(const char *key, const char *value);

#endif
