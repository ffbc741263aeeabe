/*
 * What posix_spawn() does to descriptors in the new process, without an interposed call.
 */
#ifndef PFSWRAP_TRANSFER_SPAWN_H
#define PFSWRAP_TRANSFER_SPAWN_H

#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>

#include "connection/connection.h"

enum { SPAWN_HANDOFFS_MAX = 64 }; /* numbers of connections that survive: nobody means so many */

/* The actions that the real call is to carry out, and the handoff sockets in them. */
struct spawn_plan {
    const posix_spawn_file_actions_t *given;
    posix_spawn_file_actions_t changed;
    struct spawn_handoff {
        int number, handoff;
        bool own; /* this entry made the handoff socket; else another number's did */
        struct holder name;
    } handoffs[SPAWN_HANDOFFS_MAX];
    int count;
};

/* Bytes of room that spawn_prepare() needs for `actions` (NULL: none); 0: it needs none. */
size_t spawn_room(const posix_spawn_file_actions_t *actions);

/*
 * Sees to the sealed connections that the new program is to have: in handoff sockets, if it will be `preloaded`,
 * where they survive; by relays, where `actions` put them at 0, 1 or 2, and for any other program. Returns 0, or an
 * errno of posix_spawn(3). The plan refers to `room` and `actions`, and is to be finished in either case.
 */
int spawn_prepare(struct spawn_plan *plan, const posix_spawn_file_actions_t *actions, void *room, bool preloaded);
void spawn_finish(struct spawn_plan *plan, bool done);

#endif
