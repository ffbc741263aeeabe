/*
 * The content is checked, since any process can make a file of this name. See control_page.h.
 */
#include "control_page.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum page_state map_page(struct control_page *page, int fd, int32_t own_pid)
{
    struct stat status;
    const int seals = fcntl(fd, F_GET_SEALS); /* without this seal, an access could end this command */
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &status) != 0 || status.st_size < CONTROL_BYTES)
        return PAGE_INVALID;
    struct control *control = mmap(NULL, CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED)
        return PAGE_INVALID;
    page->control = control;
    page->inode = status.st_ino;
    page->is_owner = control->pid == (uint32_t)own_pid;
    return memcmp(control->magic, CONTROL_MAGIC, sizeof CONTROL_MAGIC) == 0 && control->layout == CONTROL_LAYOUT
               ? PAGE_FOUND
               : PAGE_INVALID;
}

static enum page_state state_of_error(int error)
{
    return error == EACCES || error == EPERM   ? PAGE_DENIED
           : error == ENOENT || error == ESRCH ? PAGE_GONE
                                               : PAGE_NONE;
}

void control_page_find(struct control_page *page, const struct process *process)
{
    static const char target[] = "/memfd:" CONTROL_FILE " (deleted)";
    char folder[64], text[sizeof target + 1];
    *page = (struct control_page){.state = PAGE_NONE};
    (void)snprintf(folder, sizeof folder, "/proc/%d/fd", (int)process->pid);
    DIR *numbers = opendir(folder);
    if (numbers == NULL) {
        page->state = state_of_error(errno);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(numbers)) != NULL;) {
        const ssize_t length = readlinkat(dirfd(numbers), entry->d_name, text, sizeof text);
        if (length != (ssize_t)sizeof target - 1 || memcmp(text, target, sizeof target - 1) != 0)
            continue;
        const int fd = openat(dirfd(numbers), entry->d_name, O_RDWR | O_CLOEXEC);
        page->state = fd >= 0 ? map_page(page, fd, process->own_pid) : state_of_error(errno);
        if (fd >= 0)
            (void)close(fd);
        break;
    }
    (void)closedir(numbers);
}
