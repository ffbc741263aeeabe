/*
 * Notes about sockets that are not connected yet (fd/table.h). The numbers of one socket have the same id in their
 * words. Makes system calls only.
 */
#include "fd/table.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/process.h"
#include "base/raw_file.h"
#include "base/socket_cookie.h"
#include "fd/change.h"

#define BY_INODE ((uint64_t)1 << 63) /* no cookie is that high */

uint64_t fd_socket_identity(int fd)
{
    struct stat status = {0};
    const uint64_t cookie = socket_cookie(fd, SO_COOKIE);
    if (cookie != 0)
        return cookie;
    return raw_fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) ? BY_INODE | status.st_ino : 0;
}

bool fd_identify_socket(int fd, uint64_t *identity)
{
    struct stat status = {0};
    const long asked = socket_cookie_read(fd, SO_COOKIE, identity);
    if (asked == 0 && *identity != 0)
        return true;
    const long stated = raw_fstat(fd, &status);
    if (asked == 0 || asked == -ENOPROTOOPT) /* a kernel without cookies */
        *identity = stated == 0 ? BY_INODE | status.st_ino : 0;
    return asked != -EBADF && asked != -ENOTSOCK && stated != -EBADF && (stated != 0 || S_ISSOCK(status.st_mode));
}

bool fd_may_be_socket(int fd, uint64_t identity)
{
    uint64_t now;
    if (!fd_identify_socket(fd, &now))
        return false;
    const bool is_comparable = identity == 0 || ((now ^ identity) & BY_INODE) == 0; /* 0: there was no socket */
    return now == 0 || now == identity || !is_comparable;
}

bool fd_may_have_id(int fd, uint32_t id)
{
    uint64_t now;
    return fd_identify_socket(fd, &now) && (now == 0 || (uint32_t)now == id);
}

uint32_t fd_socket_id(int fd)
{
    const uint32_t id = process_sandboxed ? fd_word_id(fd_note_of(fd)) : (uint32_t)fd_socket_identity(fd);
    return id != 0 ? id : fd_next_generation();
}

uint64_t fd_note_of(int fd)
{
    const uint64_t word = fd_word(fd);
    return (word & FD_WORD_FOREIGN) != 0 && (word & FD_WORD_NOTED) != 0 ? word : 0;
}

/* Keeps what else is recorded. FD_WORD_STREAM is kept only if it was recorded for this socket. */
void fd_note(int fd, uint32_t id, unsigned flags)
{
    const uint64_t kept = FD_WORD_LINGER | FD_WORD_OWN | FD_WORD_RECORD | FD_WORD_PLANE;
    uint64_t before, word = fd_word(fd);
    if ((unsigned)fd >= FD_TABLE_SIZE)
        return;
    do {
        const uint64_t stream = fd_word_id(word) == id ? word & FD_WORD_STREAM : 0;
        if (!fd_word_is_free(word))
            return;
        before = word;
        word = fd_table_swap(fd, before, fd_note_word(id, flags) | (word == 0 ? 0 : stream | (word & kept)));
    } while (word != before);
}

int fd_noted(unsigned first, uint32_t id)
{
    for (int fd = fd_next_known(first); fd >= 0; fd = fd_next_known((unsigned)fd + 1)) {
        const uint64_t word = fd_note_of(fd);
        if (word == 0 || fd_word_id(word) != id)
            continue;
        if (process_sandboxed || fd_may_have_id(fd, id))
            return fd;
        fd_forget(fd); /* another file has the number by now */
    }
    return -1;
}
