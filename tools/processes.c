/* See processes.h. What a process has written is checked, since any process can make a file of this name. */
#include "processes.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads a file of /proc/PID. Returns the length, or -1. */
static ssize_t read_file(int pid, const char *name, char *text, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const ssize_t length = read(fd, text, size - 1);
    (void)close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The first word of the command line without its directories; else the kernel's name for the process. */
static void read_name(int pid, char name[PROCESS_NAME_BYTES])
{
    char text[PATH_MAX];
    if (read_file(pid, "cmdline", text, sizeof text) <= 0 || text[0] == '\0') {
        if (read_file(pid, "comm", text, sizeof text) <= 0)
            (void)strcpy(text, "?");
        text[strcspn(text, "\n")] = '\0';
    }
    (void)snprintf(name, PROCESS_NAME_BYTES, "%.*s", PROCESS_NAME_BYTES - 1, last_part(text));
    name[strcspn(name, " :")] = '\0'; /* "nginx: worker process" */
}

bool process_is_called(int pid, const char *name)
{
    char link[64], text[PATH_MAX], shown[PROCESS_NAME_BYTES];
    read_name(pid, shown);
    if (strcmp(shown, name) == 0)
        return true;
    (void)snprintf(link, sizeof link, "/proc/%d/exe", pid);
    const ssize_t length = readlink(link, text, sizeof text - 1);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return strcmp(last_part(text), name) == 0 || strcmp(text, name) == 0;
}

/* The process's id as it sees itself: the last one of NSpid (proc(5)). 0: not known. */
static uint32_t own_pid(int pid)
{
    char text[8192];
    if (read_file(pid, "status", text, sizeof text) <= 0)
        return 0;
    const char *line = strstr(text, "\nNSpid:");
    uint32_t last = 0;
    for (const char *at = line != NULL ? line + 7 : ""; *at != '\0' && *at != '\n';) {
        char *end;
        const unsigned long value = strtoul(at, &end, 10);
        if (end == at)
            break;
        last = (uint32_t)value;
        at = end;
    }
    return last;
}

/* Maps the page. Returns PAGE_FOUND or PAGE_INVALID. */
static enum page_state map_page(struct process *process, int fd)
{
    struct stat status;
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &status) != 0 || status.st_size < CONTROL_BYTES)
        return PAGE_INVALID;
    struct control *control = mmap(NULL, CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED)
        return PAGE_INVALID;
    process->control = control;
    process->inode = status.st_ino;
    process->is_owner = control->pid == own_pid(process->pid);
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

void process_find_page(struct process *process)
{
    static const char target[] = "/memfd:" CONTROL_FILE " (deleted)";
    char folder[64], text[sizeof target + 1];
    (void)snprintf(folder, sizeof folder, "/proc/%d/fd", process->pid);
    read_name(process->pid, process->name);
    DIR *numbers = opendir(folder);
    if (numbers == NULL) {
        process->state = state_of_error(errno);
        return;
    }
    process->state = PAGE_NONE;
    for (struct dirent *entry; (entry = readdir(numbers)) != NULL;) {
        const ssize_t length = readlinkat(dirfd(numbers), entry->d_name, text, sizeof text);
        if (length != (ssize_t)sizeof target - 1 || memcmp(text, target, sizeof target - 1) != 0)
            continue;
        const int fd = openat(dirfd(numbers), entry->d_name, O_RDWR | O_CLOEXEC);
        process->state = fd >= 0 ? map_page(process, fd) : state_of_error(errno);
        if (fd >= 0)
            (void)close(fd);
        break;
    }
    (void)closedir(numbers);
}

int process_next(int pid)
{
    DIR *processes = opendir("/proc");
    int next = 0;
    if (processes == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        const int number = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;
        if (number > pid && (next == 0 || number < next))
            next = number;
    }
    (void)closedir(processes);
    return next;
}
