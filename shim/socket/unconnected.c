/*
 * The notes are in the table of descriptors (fd/table.h), where all numbers of one socket have the same id. May run
 * before any constructor and in signal handlers, so nothing here allocates memory.
 */
#include "socket/unconnected.h"

#include "base/process.h"
#include "base/socket_kind.h"
#include "fd/plane.h"
#include "socket/data_call.h"

/*
 * Whether the socket needs notes. In a sandbox the kernel is not asked. A child of vfork() cannot change the table.
 */
static bool matters(int fd)
{
    return planes_want() && plane_with_current_record(fd) == NULL && !fd_has_operations(fd) &&
           (process_sandboxed || socket_may_be_tcp(fd)) && !process_is_vfork_child();
}

uint32_t unconnected_copied(int fd)
{
    if (!matters(fd))
        return 0;
    const uint32_t id = fd_socket_id(fd);
    fd_note(fd, id, 0);
    return id;
}

void unconnected_streamed(int fd)
{
    if (matters(fd))
        fd_note(fd, fd_socket_id(fd), FD_WORD_STREAM);
}

/* The word of a number with a note about the socket that it is now; 0: there is none. */
static uint64_t note_of(int fd)
{
    const uint64_t note = fd_note_of(fd);
    return note != 0 && (process_sandboxed || fd_may_have_id(fd, fd_word_id(note))) ? note : 0;
}

int unconnected_next(int fd, int *next)
{
    const uint64_t note = note_of(fd);
    int number = -1;
    while (note != 0 && (number = fd_noted((unsigned)*next, fd_word_id(note))) >= 0) {
        *next = number + 1;
        if (number != fd)
            break;
    }
    return number;
}

bool unconnected_has_stream(int fd)
{
    const uint64_t note = note_of(fd);
    int number = note != 0 ? fd_noted(0, fd_word_id(note)) : -1;
    while (number >= 0 && (fd_note_of(number) & FD_WORD_STREAM) == 0)
        number = fd_noted((unsigned)number + 1, fd_word_id(note));
    return number >= 0;
}
