/*
 * A server in the manner of inetd, whose connection is its descriptors 0, 1 and 2: it greets, answers "got LINE" to
 * each line, and says "bye" at the end of its input. One version uses system calls, the other stdio.
 */
#ifndef PFSWRAP_TESTS_INETD_LINES_H
#define PFSWRAP_TESTS_INETD_LINES_H

/* By read(2) and write(2). Returns the program's exit status. */
int inetd_by_calls(void);

/* By stdio's streams. Returns the program's exit status. */
int inetd_by_stdio(void);

#endif
