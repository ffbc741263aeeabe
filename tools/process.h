/*
 * The processes of this machine, as /proc shows them (proc(5)), and their memory. Nothing here stops or changes a
 * process.
 */
#ifndef PFSWRAP_TOOLS_PROCESS_H
#define PFSWRAP_TOOLS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "snapshot.h"

enum {
    PROCESS_OBJECTS_MAX = 4, /* objects named libpfswrap.so that are tried in one process */
    PROCESS_NAME_MAX = 64,
};

struct process {
    pid_t pid;                   /* as this process sees it */
    int32_t own_pid;             /* as the process itself sees it, in its own pid namespace */
    uid_t user;                  /* effective */
    uint64_t start;              /* in clock ticks after the boot: tells processes with the same id apart */
    char name[PROCESS_NAME_MAX]; /* of its main thread, safe for a terminal */
};

/*
 * Calls `call` for each process of the machine, in the order of their ids. Returns 0, or a negative errno value if
 * there is no /proc.
 */
int process_each(void (*call)(void *argument, pid_t pid), void *argument);

/* Fills *process. False: it has ended. */
bool process_describe(struct process *process, pid_t pid);

/*
 * The addresses at which a libpfswrap.so is mapped, whether its file still exists or not. Returns how many, at most
 * PROCESS_OBJECTS_MAX; or a negative errno: the kernel does not say, or the process has ended.
 */
int process_objects(pid_t pid, uint64_t bases[PROCESS_OBJECTS_MAX]);

/* A source for snapshot_read(). `*pid` must stay. */
struct memory_source process_memory(pid_t *pid);

/*
 * Reads a file of at most `size` - 1 bytes below /proc/PID and ends it with a zero byte. Returns its length, or a
 * negative errno.
 */
ssize_t process_read_file(pid_t pid, const char *name, char *text, size_t size);

#endif
