/*
 * Another program whose output is read: openssl(1), sslscan(1), testssl(1), pfswrap-seal.
 */
#ifndef PFSWRAP_TOOLS_SCAN_CHILD_H
#define PFSWRAP_TOOLS_SCAN_CHILD_H

#include <stddef.h>

enum { CHILD_MISSING = -2, CHILD_FAILED = -1 };

/* When a program's input may end. */
struct child_input {
    const char *until; /* the output has this text; NULL: none */
    const char *file;  /* or this file is not empty; NULL: none */
};

/*
 * Runs a program found on PATH (or the path argv[0]), and keeps at most size - 1 bytes of its standard output in
 * output[], ended by a zero byte. Its standard input stays open and empty until `input` says so, or the time is
 * over. Returns its exit status; CHILD_MISSING: it is not installed; CHILD_FAILED: it was killed at the end of the
 * time, or by a signal.
 */
int child_run(char *const argv[], int timeout_ms, const struct child_input *input, char *output, size_t size);

#endif
