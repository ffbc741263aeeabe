/*
 * Closes io_uring(7) for a program that makes its system calls itself, such as one with liburing inside: a system
 * call filter (seccomp(2)) of the shim's own answers io_uring_setup(2) with ENOSYS, and allows everything else. A
 * process may install it with CAP_SYS_ADMIN, or after PR_SET_NO_NEW_PRIVS, which takes the privileges from
 * set-user-ID programs that it executes. See uring_filter.h for when that is done.
 *
 * The filter is inherited by every program that the process executes. It is recognised by its answer to a number of
 * entries that no program asks for. If there is another filter already, that one may end the process for a call
 * that it does not know, so a child makes each new call first.
 *
 * Runs before main().
 */
#include "socket/uring_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "audit/audit.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/init.h"
#include "fd/plane.h"
#include "rules/rules.h"

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define MACHINE AUDIT_ARCH_I386
#else
#define MACHINE AUDIT_ARCH_AARCH64
#endif

enum {
    MARK = 0x70667377,      /* as the number of entries: it asks for the shim's filter */
    MARK_ANSWER = ENOTUNIQ, /* what only the shim's filter returns */
    X32_BIT = 0x40000000,   /* in the numbers of x32 programs */
    STATUS_BYTES = 8192,    /* of /proc/self/status; the line is near its end */
    FLAGS = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
};

/* io_uring_setup(2) has the same number on every machine, and for 32-bit programs. */
static const struct sock_filter instructions[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup | X32_BIT, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)), /* the low half: little endian */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | MARK_ANSWER),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
};

/* What SECCOMP_MODE_STRICT permits (seccomp(2)). The kernel has no such mode for a process with a filter. */
static const struct sock_filter strict_instructions[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 0, 5),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 4, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static bool is_installed, is_alone; /* the shim's filter is in force; there was no other one at the start */

/* Whether a process can set up a ring. */
enum ring { RING_OPEN, RING_CLOSED, RING_CLOSED_BY_SHIM };

static enum ring ring_ask(void)
{
    switch (raw_syscall(SYS_io_uring_setup, MARK, NULL)) {
    case -MARK_ANSWER:
        return RING_CLOSED_BY_SHIM;
    case -ENOSYS: /* the kernel has none, or another filter answers */
    case -EPERM:  /* the same, or sysctl kernel.io_uring_disabled */
    case -EACCES:
        return RING_CLOSED;
    default: /* EFAULT */
        return RING_OPEN;
    }
}

/* Whether the filter could be installed. With SPEC_ALLOW, the kernel adds no mitigation that slows the program
 * down. */
static bool install(bool no_new_privs)
{
    const struct sock_fprog program = {.len = sizeof instructions / sizeof instructions[0],
                                       .filter = (struct sock_filter *)(uintptr_t)instructions};
    if (no_new_privs && raw_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    long result = raw_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, FLAGS, &program);
    if (result == -EINVAL) /* Linux before 4.17 */
        result = raw_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    return result == 0;
}

/* How many filters the process has (proc(5)): 0, 1, or 2 for more or an unknown number. 0 if /proc does not say. */
static int filters_count(void)
{
    static const char mode[] = "\nSeccomp:\t", count[] = "\nSeccomp_filters:\t"; /* since Linux 5.9 */
    char text[STATUS_BYTES];
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const long length = raw_syscall(SYS_read, fd, text, sizeof text - 1);
    (void)raw_syscall(SYS_close, fd);
    text[length > 0 ? length : 0] = '\0';
    const char *line = strstr(text, mode);
    if (line == NULL || line[sizeof mode - 1] == '0')
        return 0;
    line = strstr(text, count);
    return line != NULL && strncmp(line + sizeof count - 1, "1\n", 2) == 0 ? 1 : 2;
}

/* How far the child has come. */
enum step { STEP_NONE, STEP_ASKS, STEP_OPEN, STEP_CLOSED, STEP_CLOSED_BY_SHIM, STEP_INSTALLED };

static void child_try(_Atomic int *step, bool no_new_privs)
{
    (void)raw_syscall(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0); /* a filter that ends it makes no core dump */
    *step = STEP_ASKS;
    const enum ring ring = ring_ask();
    *step = ring == RING_OPEN ? STEP_OPEN : ring == RING_CLOSED ? STEP_CLOSED : STEP_CLOSED_BY_SHIM;
    if (ring == RING_OPEN && install(no_new_privs))
        *step = STEP_INSTALLED;
}

/* What a child with the same filters finds. A child that is ended while it asks has found the ring closed. */
static enum step try_in_child(bool no_new_privs)
{
    void *const page = mmap(NULL, sizeof(_Atomic int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return STEP_NONE;
    _Atomic int *const step = page;
    const long child = raw_syscall(SYS_clone, 0, NULL, NULL, NULL, NULL); /* no signal when it ends */
    if (child == 0) {
        child_try(step, no_new_privs);
        raw_exit(0);
    }
    int interrupted = 0;
    if (child > 0)
        while (raw_is_interrupted(raw_syscall(SYS_wait4, child, NULL, __WCLONE, NULL), &interrupted))
            continue;
    const enum step reached = child > 0 ? (enum step) * step : STEP_NONE;
    (void)munmap(page, sizeof(_Atomic int));
    return reached == STEP_ASKS ? STEP_CLOSED : reached;
}

/* Closes the ring if that is possible. Returns whether it is closed now. */
static bool close_ring(bool no_new_privs)
{
    const int filters = filters_count();
    if (filters > 0) {
        const enum step step = try_in_child(no_new_privs);
        is_installed = step == STEP_CLOSED_BY_SHIM || (step == STEP_INSTALLED && install(no_new_privs));
        is_alone = step == STEP_CLOSED_BY_SHIM && filters == 1;
        return is_installed || step == STEP_CLOSED;
    }
    if (ring_ask() != RING_OPEN)
        return true;
    is_alone = is_installed = install(false) || (no_new_privs && install(true));
    return is_installed;
}

/* Whether a rule requires the seal, or the policy cuts plaintext. */
static bool promises_no_plaintext(const struct policy *policy)
{
    if (rules_require(policy, POLICY_CONNECT) || rules_require(policy, POLICY_LISTEN))
        return true;
    bool found = policy_plaintext_refuses(policy->wire.plaintext);
    for (size_t i = 0; i < policy->rule_count && !found; i++)
        found = policy_plaintext_refuses(policy->rules[i].plaintext);
    return found && policy->mode == POLICY_ENFORCE;
}

void uring_filter_start(void)
{
    const struct policy *policy = pfswrap_policy();
    const bool is_asked_for = policy->io_uring != POLICY_IO_URING_LOG;
    if (!planes_enforce() || (!is_asked_for && !promises_no_plaintext(policy)))
        return;
    /* With children = require, no program that gains privileges is executed anyway. */
    const bool no_new_privs = policy->io_uring == POLICY_IO_URING_NO_NEW_PRIVS ||
                              (policy->children == POLICY_CHILDREN_REQUIRE && policy->mode == POLICY_ENFORCE);
    const int saved = errno;
    const bool is_closed = close_ring(no_new_privs);
    errno = saved;
    if (is_closed)
        return;
    if (is_asked_for)
        pfswrap_die("io_uring cannot be closed, expected permission for a system call filter: CAP_SYS_ADMIN, or "
                    "io-uring = no-new-privs in the policy");
    const struct audit_field fields[] = {
        AUDIT_S("reason",
                "io_uring could not be closed, since that takes CAP_SYS_ADMIN or no_new_privs: a program that "
                "makes its system calls itself could send past pfswrap"),
        AUDIT_S("rule", "io-uring"),
    };
    audit_event("unprotected", fields, sizeof fields / sizeof fields[0]);
}

bool uring_filter_is_hidden(void)
{
    return is_alone;
}

void uring_filter_show(void)
{
    is_alone = false;
}

bool uring_filter_is_installed(void)
{
    return is_installed;
}

int uring_filter_strict(void)
{
    const struct sock_fprog program = {.len = sizeof strict_instructions / sizeof strict_instructions[0],
                                       .filter = (struct sock_filter *)(uintptr_t)strict_instructions};
    (void)raw_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const long result = raw_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    if (result == 0)
        return 0;
    errno = (int)-result;
    return -1;
}
