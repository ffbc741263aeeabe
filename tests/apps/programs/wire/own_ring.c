/*
 * A program that makes io_uring's system calls itself, as one with liburing inside does.
 *     own_ring send PORT             connects and sends "SECRET" through a ring; 1: the ring is refused
 *     own_ring exec PROGRAM ARG...   executes the program
 *     own_ring drop PROGRAM ARG...   gives up root first
 *     own_ring filter MODE PROGRAM ARG...   first installs a filter
 *     own_ring strict HOW            enters SECCOMP_MODE_STRICT, and makes a forbidden call
 *     own_ring seccomp [MODE]        prints PR_GET_SECCOMP, also by number, and PR_GET_NO_NEW_PRIVS
 *
 * The filter of a MODE answers "kill" or "errno" to io_uring_setup, to seccomp(2) ("final"), or to acct(2)
 * ("none"). `seccomp` installs it by prctl(3). HOW is prctl, syscall-prctl or syscall-seccomp.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/raw_syscall.h"

struct ring {
    int fd;
    unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
    struct io_uring_sqe *requests;
    struct io_uring_cqe *results;
};

static void *map(const struct ring *ring, size_t size, off_t offset)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, offset);
}

/* Returns 0 or an errno. */
static int ring_open(struct ring *ring)
{
    struct io_uring_params p = {0};
    ring->fd = (int)raw_syscall(SYS_io_uring_setup, 4, &p);
    if (ring->fd < 0)
        return -ring->fd;
    char *const sq = map(ring, p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    char *const cq = map(ring, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
    ring->requests = map(ring, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
    ring->sq_tail = (unsigned *)(void *)(sq + p.sq_off.tail);
    ring->sq_mask = (unsigned *)(void *)(sq + p.sq_off.ring_mask);
    ring->sq_array = (unsigned *)(void *)(sq + p.sq_off.array);
    ring->cq_head = (unsigned *)(void *)(cq + p.cq_off.head);
    ring->cq_tail = (unsigned *)(void *)(cq + p.cq_off.tail);
    ring->cq_mask = (unsigned *)(void *)(cq + p.cq_off.ring_mask);
    ring->results = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
    return 0;
}

/* Makes one request and returns its result. */
static int ring_do(const struct ring *ring, const struct io_uring_sqe *request)
{
    const unsigned at = *ring->sq_tail & *ring->sq_mask;
    ring->requests[at] = *request;
    ring->sq_array[at] = at;
    __atomic_store_n(ring->sq_tail, *ring->sq_tail + 1, __ATOMIC_RELEASE);
    if (raw_syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        return -EIO;
    const int result = ring->results[*ring->cq_head & *ring->cq_mask].res;
    __atomic_store_n(ring->cq_head, *ring->cq_head + 1, __ATOMIC_RELEASE);
    return result;
}

static int send_secret(int port)
{
    struct ring ring;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)port);
    const int error = ring_open(&ring);
    if (error != 0) {
        printf("io_uring_setup: %s\n", strerror(error));
        return 1;
    }
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct io_uring_sqe connects = {
        .opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)&address, .off = sizeof address};
    const struct io_uring_sqe sends = {.opcode = IORING_OP_SEND, .fd = fd, .addr = (uintptr_t) "SECRET", .len = 6};
    return ring_do(&ring, &connects) == 0 && ring_do(&ring, &sends) == 6 ? 0 : 2;
}

static int install(const char *mode, bool by_libc)
{
    const unsigned number = strcmp(mode, "final") == 0  ? SYS_seccomp
                            : strcmp(mode, "none") == 0 ? SYS_acct
                                                        : SYS_io_uring_setup;
    const unsigned action = strcmp(mode, "errno") == 0 ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_KILL_PROCESS;
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = 4, .filter = (struct sock_filter *)(uintptr_t)filter};
    (void)raw_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return by_libc ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)
                   : (int)raw_syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static int enter_strict(const char *how)
{
    long result;
    if (strcmp(how, "prctl") == 0)
        result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
    else if (strcmp(how, "syscall-prctl") == 0)
        result = syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
    else
        result = syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL);
    if (result != 0)
        return 3;
    (void)raw_syscall(SYS_write, STDOUT_FILENO, "strict\n", 7);
    (void)raw_syscall(SYS_getppid);
    (void)raw_syscall(SYS_write, STDOUT_FILENO, "alive\n", 6);
    raw_syscall(SYS_exit, 0);
    return 0;
}

int main(int argc, char **argv)
{
    const char *const what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "send") == 0 && argc == 3)
        return send_secret(atoi(argv[2]));
    if (strcmp(what, "strict") == 0 && argc == 3)
        return enter_strict(argv[2]);
    if (strcmp(what, "seccomp") == 0 && (argc == 2 || install(argv[2], true) == 0)) {
        printf("%d %ld %d\n", prctl(PR_GET_SECCOMP), syscall(SYS_prctl, PR_GET_SECCOMP),
               prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
        return 0;
    }
    if (strcmp(what, "filter") == 0 && argc > 3 && install(argv[2], false) == 0)
        execv(argv[3], argv + 3);
    if (strcmp(what, "drop") == 0 && argc > 2 && setgid(65534) == 0 && setuid(65534) == 0)
        execv(argv[2], argv + 2);
    if (strcmp(what, "exec") == 0 && argc > 2)
        execv(argv[2], argv + 2);
    perror(what);
    return 4;
}
