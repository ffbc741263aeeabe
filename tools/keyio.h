/*
 * Input and output of the key commands: a line from standard input, which a terminal does not show, and a key to
 * standard output. Secrets do not go through the buffer of a stdio stream, which would keep a copy.
 */
#ifndef PFSWRAP_TOOLS_KEYIO_H
#define PFSWRAP_TOOLS_KEYIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool keyio_stdin_is_terminal(void);

/*
 * Reads a line of standard input to line[0..size), without its end and with a terminator. At a terminal it prints
 * `prompt` on standard error, and what is typed is not shown. With `alone`, only empty lines and comments may
 * follow; a terminal is not read any further. Returns 0, or -1 after a message on standard error.
 */
int keyio_read_line(const char *prompt, bool alone, char *line, size_t size);

/*
 * Writes a key in base64 and a newline to standard output. Warns on standard error if the key is secret and goes to
 * a file that its group or others can read. Returns an exit status; `command` is for messages.
 */
int keyio_print_key(const char *command, const uint8_t *key, bool secret);

/* Writes the comment that says when the key was made. Returns an exit status. */
int keyio_print_created(const char *command);

#endif
