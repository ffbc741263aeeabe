/*
 * What the tools say to a person: one line on stderr, after the name of the product.
 */
#ifndef PFSWRAP_TOOLS_MESSAGE_H
#define PFSWRAP_TOOLS_MESSAGE_H

enum {
    STATUS_REFUSED = 125,      /* pfswrap itself refuses or fails */
    STATUS_NOT_RUNNABLE = 126, /* PROGRAM is there and cannot be executed, as env(1) has it */
    STATUS_NOT_FOUND = 127,    /* PROGRAM is not there */
};

/* Writes "pfswrap: MESSAGE" and a newline to stderr; control characters in it become '?'. */
void message(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes to stdout, buffered. */
void out(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Flushes stdout. Returns 0, or 1 after a message if anything that was written did not arrive: an exit status. */
int out_finish(void);

#endif
