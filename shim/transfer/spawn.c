/*
 * libc's posix_spawn() carries out the file actions with its own system calls, in a process that shares this
 * memory. There it would duplicate the bare socket. So new actions come first, which put handoff sockets at the
 * numbers of the connections. Then the program's actions treat these as they would have treated the sockets.
 */
#include "transfer/spawn.h"

#include <errno.h>
#include <limits.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "connection/endpoint.h"
#include "fd/own.h"
#include "transfer/export.h"
#include "transfer/relay.h"
#include "transfer/spawn_actions.h"

enum { STANDARD_LAST = 2 };

size_t spawn_room(const posix_spawn_file_actions_t *actions)
{
    if (atomic_load(&endpoint_count) == 0)
        return 0;
    /* For each handoff socket one action before the program's actions, and perhaps one after them. */
    return spawn_bytes(actions, (size_t)2 * SPAWN_HANDOFFS_MAX);
}

/* Relays the connections that the actions duplicate to a number of at most `last`. Returns 0 or an errno. */
static int relay_duplicated(const posix_spawn_file_actions_t *actions, int last)
{
    struct spawn_action action;
    for (struct spawn_cursor cursor = spawn_first(actions); spawn_next(&cursor, &action);) {
        if (action.kind != SPAWN_DUP2 || action.target > last || !fd_is_sealed(action.fd))
            continue;
        const int error = relay_start(action.fd);
        if (error != 0)
            return error;
    }
    return 0;
}

/* Whether the actions duplicate `number`. */
static bool is_duplicated(const posix_spawn_file_actions_t *actions, int number)
{
    struct spawn_action action;
    for (struct spawn_cursor cursor = spawn_first(actions); spawn_next(&cursor, &action);)
        if (action.kind == SPAWN_DUP2 && action.fd == number)
            return true;
    return false;
}

/* Whether the actions close or replace `number`. */
static bool is_changed(const posix_spawn_file_actions_t *actions, int number)
{
    struct spawn_action action;
    for (struct spawn_cursor cursor = spawn_first(actions); spawn_next(&cursor, &action);)
        if (((action.kind == SPAWN_CLOSE || action.kind == SPAWN_OPEN) && action.fd == number) ||
            (action.kind == SPAWN_DUP2 && action.target == number) ||
            (action.kind == SPAWN_CLOSEFROM && action.fd <= number))
            return true;
    return false;
}

/* Makes a handoff socket for `number`, at a high descriptor that no action uses. Returns 0 or a negated errno. */
static int add_handoff(struct spawn_plan *plan, int number, bool cloexec)
{
    struct spawn_handoff *entry = &plan->handoffs[plan->count];
    *entry = (struct spawn_handoff){.number = number, .own = true, .cloexec = cloexec};
    const struct endpoint *endpoint = endpoint_of(number);
    for (int i = 0; i < plan->count && entry->own && endpoint != NULL; i++)
        if (endpoint_of(plan->handoffs[i].number) == endpoint) {
            entry->own = false;
            entry->handoff = plan->handoffs[i].handoff;
        }
    if (entry->own) {
        const int low = export_make_handoff(number, &entry->name);
        if (low < 0)
            return low;
        entry->handoff = fd_reserve_duplicate(low, OWN_FIRST);
        (void)raw_syscall(SYS_close, low);
        if (entry->handoff < 0) {
            export_forget(number, entry->name);
            return -EMFILE;
        }
    }
    plan->count++;
    return 0;
}

/* Makes handoff sockets for all numbers that survive or are duplicated. Returns 0 or an errno. */
static int add_handoffs(struct spawn_plan *plan, const posix_spawn_file_actions_t *actions)
{
    for (int fd = fd_next(STANDARD_LAST + 1); fd >= 0 && plan->count < SPAWN_HANDOFFS_MAX;
         fd = fd_next((unsigned)fd + 1)) {
        const bool duplicated = is_duplicated(actions, fd), cloexec = fd_cloexec(fd);
        if (fd_is_hidden(fd) || fd_is_closing(fd) || (!duplicated && cloexec) ||
            add_handoff(plan, fd, cloexec) == 0 || !duplicated)
            continue;
        const int error = relay_start(fd);
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
        return relay_duplicated(actions, INT_MAX);
    int error = relay_duplicated(actions, STANDARD_LAST);
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
            export_forget(entry->number, entry->name);
        fd_unreserve(entry->handoff, true);
    }
    errno = saved;
}
