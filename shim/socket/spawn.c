/*
 * glibc's posix_spawn() carries out its file actions with system calls of its own, in a process that shares our
 * memory. What it duplicates there would be the bare socket, so that is relayed before. The list of actions has no
 * getter; its form has been the same since glibc 2.3, and a test compares.
 */
#include "socket/spawn.h"

#include "connection/endpoint.h"
#include "connection/relay.h"

/* As glibc lays it out behind posix_spawn_file_actions_t. */
struct spawn_action {
    enum { ACTION_CLOSE, ACTION_DUP2, ACTION_OPEN } tag; /* and more, which take no descriptor of ours */
    union {
        struct {
            int fd, target;
        } dup2;
        struct {
            int fd;
            char *path;
            int flags;
            mode_t mode;
        } open;
    } action;
};

int spawn_relay(const posix_spawn_file_actions_t *actions)
{
    if (actions == NULL || atomic_load(&endpoint_count) == 0)
        return 0;
    const struct spawn_action *list = (const void *)actions->__actions;
    for (int i = 0; i < actions->__used; i++) {
        if (list[i].tag != ACTION_DUP2 || !endpoint_is_sealed(list[i].action.dup2.fd))
            continue;
        const int error = relay_start(list[i].action.dup2.fd);
        if (error != 0)
            return error;
    }
    return 0;
}
