/*
 * The notes stand in the table of descriptors (endpoint.h): numbers of one socket have the same id there. May run
 * before any constructor and in signal handlers: nothing allocates.
 */
#include "socket/unconnected.h"

#include "base/process.h"
#include "config/init.h"
#include "socket/open.h"
#include "inspect/inspect.h"

/* In a sandbox nobody can tell what it is. The table of a child of vfork() is its parent's. */
static bool matters(int fd)
{
    return (pfswrap_seals() || inspect_is_wanted()) && !fd_is_sealed(fd) && !inspect_is_current(fd) &&
           (process_sandboxed || open_is_tcp(fd)) && !process_is_vfork_child();
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

/* What is noted of the socket that the number stands for now. */
static uint64_t note_of(int fd)
{
    const uint64_t note = fd_note_of(fd);
    return note != 0 && fd_socket_id(fd) == fd_word_id(note) ? note : 0;
}

int unconnected_next(int fd, int *place)
{
    const uint64_t note = note_of(fd);
    int number = -1;
    while (note != 0 && (number = fd_noted((unsigned)*place, fd_word_id(note))) >= 0) {
        *place = number + 1;
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
