/*
 * libc's posix_spawn() carries out the file actions with its own system calls, in a process that shares this
 * memory. There it would duplicate the bare socket. So new actions come first, which put handoffs at the numbers
 * that a plane exports (fd/operations.h). Then the program's actions treat these as they would have treated the
 * sockets.
 */
#include "socket/spawn.h"

#include <errno.h>
#include <limits.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "fd/hidden.h"
#include "fd/own.h"
#include "fd/plane.h"
#include "socket/spawn_actions.h"

enum { STANDARD_LAST = 2 };

size_t spawn_room(const posix_spawn_file_actions_t *actions)
{
    if (!planes_have_connections())
        return 0;
    /* For each handoff socket one action before the program's actions, and perhaps one after them. */
    return spawn_bytes(actions, (size_t)2 * SPAWN_HANDOFFS_MAX);
}

/* The number will work in a program without pfswrap, too. Returns 0 or a negative errno value. */
static int export_bare(int fd)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    return operations != NULL && operations->export_bare != NULL ? operations->export_bare(fd) : 0;
}

/* The same for all numbers that the actions duplicate to a number of at most `last`. */
static int export_duplicated(const posix_spawn_file_actions_t *actions, int last)
{
    struct spawn_action action;
    for (struct spawn_iter iter = spawn_first(actions); spawn_next(&iter, &action);) {
        if (action.kind != SPAWN_DUP2 || action.target > last)
            continue;
        const int error = export_bare(action.fd);
        if (error != 0)
            return error;
    }
    return 0;
}

/* Whether the actions duplicate `number`. */
static bool is_duplicated(const posix_spawn_file_actions_t *actions, int number)
{
    struct spawn_action action;
    for (struct spawn_iter iter = spawn_first(actions); spawn_next(&iter, &action);)
        if (action.kind == SPAWN_DUP2 && action.fd == number)
            return true;
    return false;
}

/* Whether the actions close or replace `number`. */
static bool is_changed(const posix_spawn_file_actions_t *actions, int number)
{
    struct spawn_action action;
    for (struct spawn_iter iter = spawn_first(actions); spawn_next(&iter, &action);)
        if (((action.kind == SPAWN_CLOSE || action.kind == SPAWN_OPEN) && action.fd == number) ||
            (action.kind == SPAWN_DUP2 && action.target == number) ||
            (action.kind == SPAWN_CLOSEFROM && action.fd <= number))
            return true;
    return false;
}

/* Makes a handoff for `number`, at a high descriptor that no action uses. Returns 0 or a negative errno value. */
static int make_handoff(struct spawn_handoff *entry, int number)
{
    const int low = entry->operations->export_handoff(number, &entry->ticket);
    if (low < 0)
        return low;
    entry->handoff = fd_reserve_duplicate(low, OWN_FIRST);
    (void)raw_syscall(SYS_close, low);
    if (entry->handoff >= 0)
        return 0;
    entry->operations->forget_export(number, entry->ticket);
    return -EMFILE;
}

/* Whether both numbers are of one connection. Other threads may change them meanwhile. */
static bool are_duplicates(int one, int other)
{
    const uint64_t identity = fd_word_identity(fd_word(one));
    return identity != 0 && identity == fd_word_identity(fd_word(other));
}

/* Adds a handoff for `number`: its own, or that of another number of the connection. Returns whether it worked. */
static bool add_handoff(struct spawn_plan *plan, const struct fd_operations *operations, int number, bool cloexec)
{
    struct spawn_handoff *entry = &plan->handoffs[plan->count];
    *entry = (struct spawn_handoff){.number = number, .own = true, .cloexec = cloexec, .operations = operations};
    for (int i = 0; i < plan->count && entry->own; i++)
        if (are_duplicates(plan->handoffs[i].number, number)) {
            entry->own = false;
            entry->handoff = plan->handoffs[i].handoff;
        }
    if (entry->own && make_handoff(entry, number) != 0)
        return false;
    plan->count++;
    return true;
}

/* Adds handoffs for all numbers that survive or are duplicated. Returns 0 or a negative errno value. */
static int add_handoffs(struct spawn_plan *plan, const posix_spawn_file_actions_t *actions)
{
    for (int fd = fd_next_known(STANDARD_LAST + 1); fd >= 0 && plan->count < SPAWN_HANDOFFS_MAX;
         fd = fd_next_known((unsigned)fd + 1)) {
        const struct fd_operations *operations =
            fd_is_hidden(fd) || fd_is_closing(fd) ? NULL : fd_operations_if_known(fd);
        const bool duplicated = is_duplicated(actions, fd), cloexec = fd_cloexec(fd);
        if (operations == NULL || operations->export_handoff == NULL || (!duplicated && cloexec) ||
            add_handoff(plan, operations, fd, cloexec) || !duplicated)
            continue;
        const int error = export_bare(fd);
        if (error != 0)
            return error;
    }
    return 0;
}

/*
 * Writes the changed list to `room`: actions for the handoff sockets, the program's actions, and closing actions.
 */
static void change_actions(struct spawn_plan *plan, const posix_spawn_file_actions_t *actions, void *room)
{
    struct spawn_build build = spawn_build_begin(&plan->changed, room);
    for (int i = 0; i < plan->count; i++)
        spawn_build_dup2(&build, plan->handoffs[i].handoff, plan->handoffs[i].number);
    spawn_build_all(&build, actions);
    for (int i = 0; i < plan->count; i++)
        if (plan->handoffs[i].cloexec && !is_changed(actions, plan->handoffs[i].number))
            spawn_build_close(&build, plan->handoffs[i].number);
    plan->actions = &plan->changed;
}

int spawn_prepare(struct spawn_plan *plan, const posix_spawn_file_actions_t *actions, void *room, bool preloaded)
{
    const int saved = errno;
    plan->actions = actions;
    plan->count = 0;
    if (room == NULL)
        return 0;
    if (!preloaded || process_is_vfork_child())
        return export_duplicated(actions, INT_MAX);
    int error = export_duplicated(actions, STANDARD_LAST);
    if (error == 0)
        error = add_handoffs(plan, actions);
    if (error == 0 && plan->count > 0)
        change_actions(plan, actions, room);
    errno = saved;
    return error;
}

void spawn_finish(struct spawn_plan *plan, bool done)
{
    const int saved = errno;
    for (int i = 0; i < plan->count; i++) {
        const struct spawn_handoff *entry = &plan->handoffs[i];
        if (!entry->own)
            continue;
        if (!done)
            entry->operations->forget_export(entry->number, entry->ticket);
        fd_unreserve(entry->handoff, true);
    }
    errno = saved;
}
