/*
 * How the program behind a relay has ended. The kernel closes a killed program's descriptors like those of one that
 * has said all it had to say, and only the relay can tell the peer which it was.
 */
#ifndef PFSWRAP_TRANSFER_RELAY_PROGRAM_H
#define PFSWRAP_TRANSFER_RELAY_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

struct relay_program {
    int pidfd;  /* readable when it has ended; -1: the kernel knows no such thing (Linux 5.3) */
    int status; /* /proc/PID/stat, or -1 */
};

/* The process `pid`, which lives. */
void relay_program_open(struct relay_program *program, pid_t pid);

/*
 * All who had the descriptor are gone. Whether the program has closed it by being killed: that is, it is ending or
 * dead, and by a signal. False where the kernel does not tell. May wait for the program to end, if it is about to.
 */
bool relay_program_was_killed(const struct relay_program *program);

#endif
