/*
 * What happens to a number when dup2(2) replaces it, for every kind of number (fd/table.h). This file makes the
 * call to the kernel possible; the caller makes it.
 */
#include "connection/release.h"

#include <errno.h>

#include "base/fork_lock.h"
#include "base/process.h"
#include "base/signals.h"
#include "connection/release_internal.h"
#include "fd/own.h"

/*
 * The program wants a hidden number: the endpoint that has it gets another hidden number, if one is free. Returns
 * whether the number is closing now.
 */
static bool move_hidden(int fd, uint32_t generation)
{
    struct endpoint *endpoint = endpoint_of(fd);
    struct connection *connection;
    if (endpoint == NULL)
        ENDPOINT_RAISE(make_way, fd);
    if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
        return false;
    bool is_closing = fd_is_hidden(fd) && atomic_load(&endpoint->fd) == fd;
    if (is_closing) {
        const int moved = fd_reserve_duplicate(fd, OWN_FIRST);
        is_closing = fd_unhide(fd, generation);
        atomic_store(&endpoint->fd, moved);
        if (moved >= 0)
            endpoint_hide(endpoint, moved);
    }
    endpoint_leave(connection);
    return is_closing;
}

/* Claims a foreign number. A sealed one has no word to be restored, so replacement->before is 0. */
static bool claim(struct replacement *replacement, bool passes)
{
    const bool claimed = fd_claim(replacement->fd, replacement->generation, passes, &replacement->before);
    if (!claimed)
        replacement->before = 0;
    return claimed;
}

/* Claims the number, or makes it closing, whatever its kind is. False: not yet possible. */
static bool take_number(struct replacement *replacement, bool passes)
{
    const int fd = replacement->fd;
    if (claim(replacement, passes))
        return true;
    if (fd_is_hidden(fd))
        replacement->released = move_hidden(fd, replacement->generation);
    else if (fd_is_sealed(fd))
        replacement->released = release_number(fd, replacement->generation, true);
    return replacement->released || claim(replacement, passes);
}

bool release_before_replace(int fd, bool passes, struct replacement *replacement)
{
    enum { TIMEOUT_MS = 1000 }; /* for other calls that change the number at the same time */
    bool taken = false;
    *replacement = (struct replacement){.fd = fd};
    if ((unsigned)fd >= FD_TABLE_SIZE || process_is_vfork_child() || fd_is_beyond_limit(fd))
        return true;
    const int saved = errno;
    signals_pin();
    process_block_forks();
    replacement->generation = fd_next_generation();
    for (int round = 0; !(taken = take_number(replacement, passes)) && fd_wait(round, TIMEOUT_MS); round++)
        continue;
    if (!taken) {
        process_unblock_forks();
        signals_unpin();
    }
    errno = taken ? saved : EBUSY;
    return taken;
}

void release_after_replace(const struct replacement *replacement, bool replaced, uint64_t word)
{
    const int saved = errno;
    if (replacement->generation == 0)
        return;
    if (!replaced && (replacement->released || (replacement->before & FD_WORD_HIDDEN) != 0))
        (void)release_close_number(replacement->fd, replacement->generation);
    else if (!fd_vacate_as(replacement->fd, replacement->generation, replaced ? word : replacement->before))
        fd_dropped(replacement->fd,
                   replaced ? word : replacement->before); /* another call has registered the number */
    if (replaced)
        fd_dropped(replacement->fd, replacement->before);
    process_unblock_forks();
    signals_unpin();
    errno = saved;
}
