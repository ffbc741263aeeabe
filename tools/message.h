/*
 * Messages and output of the commands, and the exit statuses of pfswrap run.
 */
#ifndef PFSWRAP_TOOLS_MESSAGE_H
#define PFSWRAP_TOOLS_MESSAGE_H

enum {
    STATUS_REFUSED = 125,      /* pfswrap refuses or fails */
    STATUS_NOT_RUNNABLE = 126, /* PROGRAM cannot be executed, as for env(1) */
    STATUS_NOT_FOUND = 127,    /* PROGRAM does not exist */
};

/* Writes "pfswrap: MESSAGE" and a newline to standard error. Control characters in it are replaced by '?'. */
void message(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes to standard output, which is buffered. */
void out(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Flushes standard output. Returns an exit status: 0, or 1 after a message if any output could not be written. */
int out_finish(void);

#endif
