/*
 * Standard input and the output of a command, as bytes. The files are in the working directory (files.h).
 */
#ifndef PFSWRAP_TESTS_TOOLS_CAPTURE_H
#define PFSWRAP_TESTS_TOOLS_CAPTURE_H

#include <stddef.h>

/* Makes standard input the `size` bytes at `bytes`. */
void capture_input(const void *bytes, size_t size);

/* From here on, standard output and standard error go to files. */
void capture_start(void);

/* What has been written since then, up to 8,191 bytes, with a terminator. Output goes where it went before. */
struct captured {
    char out[8192], err[8192];
};
struct captured capture_stop(void);

#endif
