/*
 * musl's list of file actions is linked in both directions, and begins with the action that was added last (musl's
 * src/process/fdop.h). Its layout has been the same since musl 0.7.12, and a test checks it.
 */
#include "socket/spawn_actions.h"

#include <stdint.h>
#include <string.h>
#include <sys/types.h>

struct node {
    struct node *next, *prev; /* that was added before, and after it */
    int command, fd, source, flags;
    mode_t mode;
    char path[]; /* of open and chdir */
};

enum { NODE_CLOSE = 1, NODE_DUP2 = 2, NODE_OPEN = 3, NODE_CHDIR = 4 };

struct spawn_iter spawn_first(const posix_spawn_file_actions_t *actions)
{
    const struct node *node = actions != NULL ? (const void *)actions->__actions : NULL;
    while (node != NULL && node->next != NULL)
        node = node->next;
    return (struct spawn_iter){.at = node};
}

bool spawn_next(struct spawn_iter *iter, struct spawn_action *action)
{
    const struct node *node = iter->at;
    if (node == NULL)
        return false;
    iter->at = node->prev;
    *action = (struct spawn_action){.kind = SPAWN_OTHER};
    switch (node->command) {
    case NODE_CLOSE:
        *action = (struct spawn_action){.kind = SPAWN_CLOSE, .fd = node->fd};
        break;
    case NODE_DUP2:
        *action = (struct spawn_action){.kind = SPAWN_DUP2, .fd = node->source, .target = node->fd};
        break;
    case NODE_OPEN:
        *action = (struct spawn_action){.kind = SPAWN_OPEN, .fd = node->fd};
        break;
    default:
        break;
    }
    return true;
}

/* With the path, and up to the place of the next node. */
static size_t node_bytes(const struct node *node)
{
    const size_t path = node->command == NODE_OPEN || node->command == NODE_CHDIR ? strlen(node->path) + 1 : 0;
    const size_t all = sizeof *node + path;
    return (all + _Alignof(struct node) - 1) / _Alignof(struct node) * _Alignof(struct node);
}

size_t spawn_bytes(const posix_spawn_file_actions_t *actions, size_t more)
{
    size_t bytes = more * sizeof(struct node);
    for (const struct node *node = spawn_first(actions).at; node != NULL; node = node->prev)
        bytes += node_bytes(node);
    return bytes;
}

struct spawn_build spawn_build_begin(posix_spawn_file_actions_t *list, void *room)
{
    *list = (posix_spawn_file_actions_t){0};
    return (struct spawn_build){.list = list, .room = room};
}

static void add(struct spawn_build *build, const struct node *original)
{
    struct node *node = build->room;
    struct node *before = (void *)build->list->__actions;
    const size_t bytes = node_bytes(original);
    memcpy(node, original, bytes);
    node->next = before;
    node->prev = NULL;
    if (before != NULL)
        before->prev = node;
    build->list->__actions = (void *)node;
    build->room = (char *)build->room + bytes;
}

void spawn_build_close(struct spawn_build *build, int fd)
{
    add(build, &(struct node){.command = NODE_CLOSE, .fd = fd});
}

void spawn_build_dup2(struct spawn_build *build, int fd, int target)
{
    add(build, &(struct node){.command = NODE_DUP2, .source = fd, .fd = target});
}

void spawn_build_all(struct spawn_build *build, const posix_spawn_file_actions_t *actions)
{
    for (const struct node *node = spawn_first(actions).at; node != NULL; node = node->prev)
        add(build, node);
}
