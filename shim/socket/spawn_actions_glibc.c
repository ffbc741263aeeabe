/*
 * glibc's list of file actions is an array. Its layout has been the same since glibc 2.3, and a test checks it.
 */
#include "socket/spawn_actions.h"

#include <string.h>
#include <sys/types.h>

/* An element of the array. */
struct element {
    enum { ACTION_CLOSE, ACTION_DUP2, ACTION_OPEN, ACTION_CLOSEFROM = 5 } tag; /* others have no descriptors */
    union {
        int fd; /* of close and open; the first of closefrom */
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

struct spawn_iter spawn_first(const posix_spawn_file_actions_t *actions)
{
    if (actions == NULL)
        return (struct spawn_iter){0};
    return (struct spawn_iter){.at = actions->__actions, .left = actions->__used};
}

bool spawn_next(struct spawn_iter *iter, struct spawn_action *action)
{
    static const enum spawn_kind kinds[] = {
        [ACTION_CLOSE] = SPAWN_CLOSE,
        [ACTION_DUP2] = SPAWN_DUP2,
        [ACTION_OPEN] = SPAWN_OPEN,
        [ACTION_CLOSEFROM] = SPAWN_CLOSEFROM,
    };
    if (iter->left-- <= 0)
        return false;
    const struct element *element = iter->at;
    iter->at = element + 1;
    *action = (struct spawn_action){.kind = SPAWN_OTHER};
    if ((size_t)element->tag < sizeof kinds / sizeof kinds[0])
        action->kind = kinds[element->tag];
    action->fd = element->action.fd;
    if (action->kind == SPAWN_DUP2)
        action->target = element->action.dup2.target;
    return true;
}

size_t spawn_bytes(const posix_spawn_file_actions_t *actions, size_t more)
{
    return ((size_t)spawn_first(actions).left + more) * sizeof(struct element);
}

struct spawn_build spawn_build_begin(posix_spawn_file_actions_t *list, void *room)
{
    *list = (posix_spawn_file_actions_t){.__actions = room};
    return (struct spawn_build){.list = list, .room = room};
}

static void add(struct spawn_build *build, const struct element *elements, int count)
{
    if (count > 0)
        memcpy(build->room, elements, (size_t)count * sizeof *elements);
    build->room = (struct element *)build->room + count;
    build->list->__used += count;
    build->list->__allocated = build->list->__used;
}

void spawn_build_close(struct spawn_build *build, int fd)
{
    add(build, &(struct element){.tag = ACTION_CLOSE, .action.fd = fd}, 1);
}

void spawn_build_dup2(struct spawn_build *build, int fd, int target)
{
    add(build, &(struct element){.tag = ACTION_DUP2, .action.dup2 = {fd, target}}, 1);
}

void spawn_build_all(struct spawn_build *build, const posix_spawn_file_actions_t *actions)
{
    const struct spawn_iter first = spawn_first(actions);
    add(build, first.at, first.left);
}
