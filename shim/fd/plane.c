/*
 * Asks the planes in turn (fd/plane.h), and keeps their records in the table of descriptors. Makes no system call
 * of its own, so it may run in signal handlers and in children of vfork().
 */
#include "fd/plane.h"

#include "base/fork.h"
#include "base/trace.h"
#include "fd/change.h"

atomic_int planes_filtering;

/* Whether one of the planes says yes. */
#define ANY(question)                                                                                              \
    PLANES_EACH(plane, question)                                                                                   \
    if (plane->question())                                                                                         \
        return true;                                                                                               \
    return false

bool planes_want(void)
{
    ANY(is_wanted);
}

bool planes_take_over(void)
{
    return planes[0]->is_wanted != NULL && planes[0]->is_wanted();
}

bool planes_started(void)
{
    ANY(is_started);
}

bool planes_enforce(void)
{
    ANY(enforces);
}

bool planes_have_connections(void)
{
    ANY(has_connections);
}

bool planes_make_room(void)
{
    ANY(make_room);
}

unsigned planes_threads(void)
{
    unsigned count = 0;
    PLANES_EACH(plane, threads)
    count += plane->threads();
    return count;
}

int planes_accept_flags(void)
{
    int flags = 0;
    PLANES_EACH(plane, is_wanted)
    if (plane->accept_flags != 0 && plane->is_wanted())
        flags |= plane->accept_flags;
    return flags;
}

/* The answer of the first plane that has one. */
#define FIRST(question, ...)                                                                                       \
    PLANES_EACH(plane, question)                                                                                   \
    {                                                                                                              \
        const int result_ = plane->question(__VA_ARGS__);                                                          \
        if (result_ != FD_FOREIGN)                                                                                 \
            return result_;                                                                                        \
    }                                                                                                              \
    return FD_FOREIGN

int planes_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    FIRST(connect, fd, address, length);
}

int planes_connected(int fd, const struct sockaddr *address, socklen_t length)
{
    FIRST(connected, fd, address, length);
}

int planes_accepted(int fd, int listener, int flags, const struct sockaddr *peer)
{
    FIRST(accepted, fd, listener, flags, peer);
}

void planes_inherited(int fd)
{
    PLANES_EACH(plane, inherited)
    if (plane->inherited(fd))
        return;
}

void planes_imported(int fd)
{
    PLANES_EACH(plane, imported)
    if (plane->imported(fd))
        return;
}

bool planes_release(int fd, uint32_t generation, bool is_replaced)
{
    PLANES_EACH(plane, release)
    if (plane->release(fd, generation, is_replaced))
        return true;
    return false;
}

void planes_before_exec(bool preloaded)
{
    PLANES_EACH(plane, before_exec)
    plane->before_exec(preloaded);
}

void planes_exec_failed(void)
{
    PLANES_EACH(plane, exec_failed)
    plane->exec_failed();
}

/* --- forks --- */

static bool is_busy(void)
{
    PLANES_EACH(plane, process)
    if (plane->process->is_busy != NULL && plane->process->is_busy())
        return true;
    return false;
}

/* In the reverse order, as process_observers (base/fork.h). */
static void before_fork(enum process_fork kind)
{
    size_t count = 0;
    while (planes[count] != NULL)
        count++;
    while (count-- > 0)
        if (planes[count]->process != NULL && planes[count]->process->before_fork != NULL)
            planes[count]->process->before_fork(kind);
}

static void after_fork_in_parent(bool failed)
{
    PLANES_EACH(plane, process)
    if (plane->process->after_fork_in_parent != NULL)
        plane->process->after_fork_in_parent(failed);
}

static void after_fork_in_child(enum process_fork kind)
{
    PLANES_EACH(plane, process)
    if (plane->process->after_fork_in_child != NULL)
        plane->process->after_fork_in_child(kind);
}

const struct process_observer planes_process_observer = {
    .is_busy = is_busy,
    .before_fork = before_fork,
    .after_fork_in_parent = after_fork_in_parent,
    .after_fork_in_child = after_fork_in_child,
};

/* --- records --- */

uint64_t plane_record_word(const struct plane *plane, uint32_t record)
{
    uint64_t number = 0;
    while (planes[number] != plane)
        number++;
    return FD_WORD_FOREIGN | number << FD_WORD_PLANE_SHIFT | (uint64_t)record << FD_WORD_RECORD_SHIFT;
}

bool plane_add_record(const struct plane *plane, int fd, uint32_t record)
{
    if (record == 0 || record > FD_WORD_RECORD >> FD_WORD_RECORD_SHIFT)
        return false;
    const bool is_added = fd_add_record(fd, plane_record_word(plane, record));
    if (is_added)
        TRACE(FD, "record", fd, "record", record);
    return is_added;
}

bool plane_remove_record(const struct plane *plane, int fd, uint32_t record)
{
    return record != 0 && fd_remove_record(fd, plane_record_word(plane, record));
}

const struct plane *plane_with_current_record(int fd)
{
    const uint64_t word = fd_word(fd);
    if (fd_word_record(word) == 0)
        return NULL;
    const struct plane *plane = planes[fd_word_plane(word)];
    return plane->operations.is_current == NULL || plane->operations.is_current(fd) ? plane : NULL;
}

void fd_dropped(int fd, uint64_t word)
{
    const struct plane *plane = plane_of_word(word);
    if (plane != NULL && plane->dropped != NULL)
        plane->dropped(fd, word);
}
