/*
 * /proc/PID/stat (proc(5)) shows that a process is ending before its descriptors are closed. It has the exit code
 * until the parent has waited for the process. After that, the pidfd has it (ioctl_pidfd(2), Linux 6.15). Calls no
 * function of libc: see relay_run.c.
 */
#include "transfer/relay_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/filter.h"
#include "base/raw_file.h"

/* struct pidfd_info of linux/pidfd.h, in the first version that has exit codes. */
struct exit_information {
    uint64_t mask, cgroup;
    uint32_t ids[11];
    int32_t exit_code;
};
_Static_assert(sizeof(struct exit_information) == 64, "the kernel's size (PIDFD_INFO_SIZE_VER0)");

#define GET_INFORMATION _IOWR(0xff, 11, struct exit_information)

enum {
    INFORMATION_EXIT = 1 << 3,
    FLAG_EXITING = 4, /* PF_EXITING of the kernel's linux/sched.h */
    FIELD_FLAGS = 9,
    FIELD_EXIT_CODE = 52,
    ENDING_TIMEOUT_MS = 1000, /* the kernel frees memory after it has closed the descriptors */
    SIGNAL_MASK = 0x7f,       /* the signal in an exit code (wait(2)) */
};

bool relay_program_open(struct relay_program *program, pid_t pid)
{
    char path[sizeof "/proc/2147483647/stat"] = "/proc/", digits[10];
    size_t count = 0, at = sizeof "/proc/" - 1;
    program->pidfd = filter_allows(SYS_pidfd_open) ? (int)raw_syscall(SYS_pidfd_open, pid, 0) : -1;
    for (; pid > 0; pid /= 10)
        digits[count++] = (char)('0' + pid % 10);
    while (count > 0)
        path[at++] = digits[--count];
    for (const char *rest = "/stat"; *rest != '\0'; rest++)
        path[at++] = *rest;
    program->status = (int)raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    return program->pidfd != -ESRCH;
}

/* The field with this number (proc_pid_stat(5)); -1: the process is gone, or the file could not be opened. */
static long field(const struct relay_program *program, int number)
{
    char text[2048] = {0};
    if (program->status < 0)
        return -1;
    const long length = raw_pread(program->status, text, sizeof text, 0);
    long at = length;
    while (at > 0 && text[at - 1] != ')') /* the name in front of it may contain any character */
        at--;
    for (int i = 2; i < number && at < length; at++)
        if (text[at] == ' ')
            i++;
    if (at <= 0 || at >= length || text[at] < '0' || text[at] > '9')
        return -1;
    long value = 0;
    for (; at < length && text[at] >= '0' && text[at] <= '9'; at++)
        value = value * 10 + (text[at] - '0');
    return value;
}

/* Whether the process ends within the timeout. */
static bool has_ended(const struct relay_program *program, int timeout_ms)
{
    struct pollfd poll = {.fd = program->pidfd, .events = POLLIN};
    const struct timespec limit = {.tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    return raw_syscall(SYS_ppoll, &poll, 1, &limit, NULL, 0) == 1;
}

bool relay_program_was_killed(const struct relay_program *program)
{
    struct exit_information information = {.mask = INFORMATION_EXIT};
    if (program->pidfd < 0)
        return false;
    if (!has_ended(program, 0)) {
        const long flags = field(program, FIELD_FLAGS);
        if (flags < 0 || (flags & FLAG_EXITING) == 0 || !has_ended(program, ENDING_TIMEOUT_MS))
            return false;
    }
    const long code = field(program, FIELD_EXIT_CODE);
    if (code > 0)
        return (code & SIGNAL_MASK) != 0;
    return raw_syscall(SYS_ioctl, program->pidfd, GET_INFORMATION, &information) == 0 &&
           (information.mask & INFORMATION_EXIT) != 0 && (information.exit_code & SIGNAL_MASK) != 0;
}
