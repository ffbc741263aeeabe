/*
 * Finds out how the program behind a relay has ended. The kernel closes the descriptors of a killed program like
 * those of a program that exits. The peer must see the difference: no FINAL is sent for a program that was killed.
 * Makes system calls only.
 */
#ifndef PFSWRAP_TRANSFER_RELAY_PROGRAM_H
#define PFSWRAP_TRANSFER_RELAY_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

struct relay_program {
    int pidfd;  /* readable when it has ended; -1: the kernel has no pidfds (before Linux 5.3) */
    int status; /* /proc/PID/stat, or -1 */
};

/* Begins with a process. Returns whether it is running, as far as the kernel tells. */
bool relay_program_open(struct relay_program *program, pid_t pid);

/*
 * To be called when the program's end of the relay is closed. Returns whether a signal has ended the program. False
 * if it is running, or if the kernel does not tell. If the program is just ending, waits for it, 1 second at most.
 */
bool relay_program_was_killed(const struct relay_program *program);

#endif
