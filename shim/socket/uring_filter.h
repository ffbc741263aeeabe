/*
 * A system call filter that closes io_uring(7) for programs that make its system calls themselves.
 */
#ifndef PFSWRAP_SOCKET_URING_FILTER_H
#define PFSWRAP_SOCKET_URING_FILTER_H

#include <stdbool.h>

/*
 * Installs the filter where the policy requires the seal, cuts plaintext, or asks for it (io-uring). Where the
 * kernel does not permit it, the log has `unprotected`; with io-uring = no-new-privs or require, the process ends
 * with 125. Once, before main(). Keeps errno.
 */
void uring_filter_start(void);

/* Whether the filter is in force here. */
bool uring_filter_is_installed(void);

/* Whether it is the only one, so that the program believes that it has none: for PR_GET_SECCOMP (prctl(2)). */
bool uring_filter_is_hidden(void);

/* The program has installed a filter itself. */
void uring_filter_show(void);

/*
 * SECCOMP_MODE_STRICT for a process with this filter: a filter that allows the same four calls, and ends the thread
 * by SIGSYS for any other. 0, or -1 with errno.
 */
int uring_filter_strict(void);

#endif
