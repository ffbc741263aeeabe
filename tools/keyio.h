/*
 * How the key commands read and write: one line from stdin, without echo if that is a terminal; one key to stdout.
 * Secrets never pass through a stdio buffer, which would keep a copy.
 */
#ifndef PFSWRAP_TOOLS_KEYIO_H
#define PFSWRAP_TOOLS_KEYIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool keyio_stdin_is_terminal(void);

/*
 * Reads one line of stdin, without its end, to line[0..size) with a terminator. A terminal is asked with `prompt`,
 * and does not show what is typed. `alone`: nothing but empty lines may follow. Returns 0, or -1 after a message on
 * stderr.
 */
int keyio_read_line(const char *prompt, bool alone, char *line, size_t size);

/*
 * Writes a key as base64 and a line end to stdout. If it is a secret and goes to a file that group or others can
 * read, says so on stderr. Returns an exit status.
 */
int keyio_print_key(const char *command, const uint8_t *key, bool secret);

#endif
