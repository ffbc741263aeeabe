/*
 * Notes by number, each one word: whoever reads one asks the kernel whether it still holds, so that nobody has to
 * take them back. May run before any constructor, in signal handlers and in children of vfork(): nothing allocates.
 */
#include "socket/unconnected.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

#include "connection/endpoint.h"
#include "connection/process.h"
#include "init.h"
#include "real/kernel.h"
#include "socket/open.h"
#include "watch/watch.h"

enum { NOTES = 4096, NUMBER_SHIFT = 32, NUMBER_MASK = ENDPOINT_FDS - 1 };

static const uint64_t noted = UINT64_C(1) << 63, stream = UINT64_C(1) << 62;

static _Atomic uint64_t notes[NOTES]; /* by number, the last one only */
static atomic_int end;                /* no place from here on has ever been used */

/* The note that holds for `fd` as long as it is this socket, told by its number on the file system of sockets. */
static uint64_t note_of(int fd)
{
    struct stat status = {0};
    if ((unsigned)fd >= ENDPOINT_FDS || KERNEL_4(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) != 0 ||
        !S_ISSOCK(status.st_mode))
        return 0;
    return noted | (uint64_t)(unsigned)fd << NUMBER_SHIFT | (uint32_t)status.st_ino;
}

static int number_of(uint64_t note)
{
    return (int)(note >> NUMBER_SHIFT & NUMBER_MASK);
}

static void put(int fd, uint64_t flag)
{
    uint64_t note = note_of(fd);
    const int place = fd % NOTES;
    const uint64_t before = atomic_load(&notes[place]);
    if (note == 0)
        return;
    if ((before & ~stream) == note)
        note |= before & stream;
    atomic_store(&notes[place], note | flag);
    int seen = atomic_load(&end);
    while (seen <= place && !atomic_compare_exchange_weak(&end, &seen, place + 1))
        continue;
}

static bool matters(int fd)
{
    return (pfswrap_seals() || watch_is_wanted()) && !process_sandboxed && !endpoint_is_sealed(fd) &&
           !watch_is_on(fd) && open_is_tcp(fd);
}

void unconnected_copied(int fd, int copy)
{
    if (fd == copy || !matters(fd))
        return;
    put(fd, 0);
    put(copy, 0);
}

void unconnected_streamed(int fd)
{
    if (matters(fd))
        put(fd, stream);
}

/* The next note for the socket that `self` is a note of; 0: none. */
static uint64_t next_note(uint64_t self, int *place)
{
    while (self != 0 && *place < atomic_load(&end)) {
        const uint64_t note = atomic_load(&notes[(*place)++]);
        if (note != 0 && (uint32_t)note == (uint32_t)self && note_of(number_of(note)) == (note & ~stream))
            return note;
    }
    return 0;
}

static uint64_t asked(int fd)
{
    return atomic_load_explicit(&end, memory_order_relaxed) > 0 && !process_sandboxed ? note_of(fd) : 0;
}

int unconnected_next(int fd, int *place)
{
    const uint64_t self = asked(fd);
    for (uint64_t note = next_note(self, place); note != 0; note = next_note(self, place))
        if (number_of(note) != fd)
            return number_of(note);
    return -1;
}

bool unconnected_has_stream(int fd)
{
    int place = 0;
    const uint64_t self = asked(fd);
    for (uint64_t note = next_note(self, &place); note != 0; note = next_note(self, &place))
        if ((note & stream) != 0)
            return true;
    return false;
}
