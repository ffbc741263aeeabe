/*
 * Writes to the log's descriptor without a signal, which could end the program, and without a cancellation point.
 */
#ifndef PFSWRAP_AUDIT_QUIET_WRITE_H
#define PFSWRAP_AUDIT_QUIET_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* What is written by one system call: at most TEXT_PARTS_MAX parts. */
enum { TEXT_PARTS_MAX = 5 };
struct text {
    struct iovec parts[TEXT_PARTS_MAX];
    int count;
};

void text_add(struct text *text, const char *bytes, size_t length);

/*
 * Writes without raising a signal: SIGPIPE at a pipe without a reader, SIGXFSZ at a limit. `status` is that of
 * `fd`. Returns 0 or a negative errno value; -ENOSPC if only a part was written, and then *torn becomes true.
 */
int write_quietly(int fd, const struct stat *status, const struct text *text, bool *torn);

/*
 * Sends bytes to a socket that is connected to the journal, in a sealed memfd: for entries that are too large for
 * the socket's buffer (systemd.io, "Native Journal Protocol"). Returns 0 or a negative errno value.
 */
int send_as_memfd(int fd, const struct text *text);

#endif
