/*
 * Which descriptors may be TCP sockets: those that are, and those of which the kernel does not tell.
 */
#include "../suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/socket_kind.h"

struct samples {
    int tcp, tcp6, udp, local, file, closed;
};

static struct samples open_samples(void)
{
    const struct samples samples = {
        .tcp = socket(AF_INET, SOCK_STREAM, 0),
        .tcp6 = socket(AF_INET6, SOCK_STREAM, 0), /* -1: this machine has no IPv6 */
        .udp = socket(AF_INET, SOCK_DGRAM, 0),
        .local = socket(AF_UNIX, SOCK_STREAM, 0),
        .file = open("/dev/null", O_WRONLY),
        .closed = dup(STDERR_FILENO),
    };
    ck_assert(samples.tcp >= 0 && samples.udp >= 0 && samples.local >= 0 && samples.file >= 0);
    ck_assert_int_eq(close(samples.closed), 0);
    return samples;
}

START_TEST(only_tcp_sockets_may_be_tcp)
{
    const struct samples is = open_samples();
    ck_assert(socket_may_be_tcp(is.tcp) && (is.tcp6 < 0 || socket_may_be_tcp(is.tcp6)));
    ck_assert(!socket_may_be_tcp(is.udp) && !socket_may_be_tcp(is.local));
    ck_assert(!socket_may_be_tcp(is.file) && !socket_may_be_tcp(is.closed) && !socket_may_be_tcp(-1));
}
END_TEST

START_TEST(only_ipv4_and_ipv6_sockets_may_be_internet)
{
    const struct samples is = open_samples();
    ck_assert(socket_may_be_internet(is.tcp) && (is.tcp6 < 0 || socket_may_be_internet(is.tcp6)));
    ck_assert(socket_may_be_internet(is.udp) && !socket_may_be_internet(is.local));
    ck_assert(!socket_may_be_internet(is.file) && !socket_may_be_internet(is.closed));
}
END_TEST

/* From now on, getsockopt(2) fails with EPERM in this process. */
static void forbid_getsockopt(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof code[0], code};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(a_descriptor_is_taken_for_tcp_if_the_kernel_does_not_tell)
{
    const struct samples is = open_samples();
    forbid_getsockopt();
    errno = 0;
    ck_assert(socket_may_be_tcp(is.tcp) && socket_may_be_tcp(is.udp) && socket_may_be_tcp(is.file));
    ck_assert(socket_may_be_internet(is.local));
    ck_assert_int_eq(errno, 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("socket kind");
    tcase_add_test(cases, only_tcp_sockets_may_be_tcp);
    tcase_add_test(cases, only_ipv4_and_ipv6_sockets_may_be_internet);
    tcase_add_test(cases, a_descriptor_is_taken_for_tcp_if_the_kernel_does_not_tell);
    return run_suite(cases, "socket_kind");
}
