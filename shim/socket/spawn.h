/*
 * Numbers of planes in posix_spawn(3). Libc carries out its file actions in the new process without interposed
 * calls, so the actions are changed before. For socket/exec.c.
 */
#ifndef PFSWRAP_SOCKET_SPAWN_H
#define PFSWRAP_SOCKET_SPAWN_H

#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>

#include "fd/operations.h"

enum { SPAWN_HANDOFFS_MAX = 64 }; /* more numbers than a program would pass on deliberately */

/* The file actions for the real call, and the handoffs in them. */
struct spawn_plan {
    const posix_spawn_file_actions_t *actions; /* the program's, or `changed` */
    posix_spawn_file_actions_t changed;
    struct spawn_handoff {
        int number, handoff; /* the number in the new process; what is put there (export_handoff) */
        bool own;            /* this entry made the handoff; otherwise it is that of an earlier entry */
        bool cloexec;        /* the program's flag for the number when the handoff was made */
        uint64_t ticket;
        const struct fd_operations *operations;
    } handoffs[SPAWN_HANDOFFS_MAX];
    int count;
};

/* How many bytes of `room` spawn_prepare() needs for these actions, which may be NULL; 0: it needs none. */
size_t spawn_room(const posix_spawn_file_actions_t *actions);

/*
 * Prepares the numbers that the new program will have. If it will be `preloaded`, it gets handoffs
 * (export_handoff), except for those that `actions` put at 0, 1 or 2: these, and all numbers of any other program,
 * work without pfswrap (export_bare). Returns 0, or a negative errno value. The plan refers to `room` and
 * `actions`. In both cases spawn_finish() must follow; `done`: the real call succeeded.
 */
int spawn_prepare(struct spawn_plan *plan, const posix_spawn_file_actions_t *actions, void *room, bool preloaded);
void spawn_finish(struct spawn_plan *plan, bool done);

#endif
