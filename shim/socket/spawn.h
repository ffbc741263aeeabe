/*
 * What posix_spawn() does to descriptors in the new process, without an interposed call.
 */
#ifndef PFSWRAP_SOCKET_SPAWN_H
#define PFSWRAP_SOCKET_SPAWN_H

#include <spawn.h>

/*
 * Relays the sealed connections that `actions` (NULL: none) duplicate for the new process. Returns 0, or an errno
 * of posix_spawn(3).
 */
int spawn_relay(const posix_spawn_file_actions_t *actions);

#endif
