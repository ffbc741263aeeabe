/*
 * Sockets as the program sees them: the kernel answers, unless the descriptor's own operations do.
 */
#include "../suite.h"
#include "../tcp_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/process.h"
#include "fd/change.h"
#include "fd/plane.h"
#include "fd/program_socket.h"

/* A resolver for the Unix socket `relayed`. */
static int relayed = -1;
static const struct sockaddr_in6 tcp_local = {
    .sin6_family = AF_INET6, .sin6_port = 1, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
static const struct sockaddr_in tcp_peer = {.sin_family = AF_INET, .sin_port = 2, .sin_addr = {3}};

static bool resolve(int fd, enum program_socket_end end, struct sockaddr_in6 *address)
{
    errno = ENOTTY;
    if (fd != relayed)
        return false;
    if (end == PROGRAM_SOCKET_LOCAL)
        *address = tcp_local;
    else
        memcpy(address, &tcp_peer, sizeof tcp_peer);
    return true;
}

static const struct address_resolver resolver = {.resolve = resolve};
const struct address_resolver *const address_resolvers[] = {&resolver, NULL};

/* Operations that answer for sealed descriptors, or leave the call to the kernel. */
static bool is_foreign;
static int shut_how = -1;

static ssize_t own_receive(int fd, const struct iovec *vectors, long count, int flags, enum transport_call call)
{
    (void)fd;
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(flags, MSG_PEEK | MSG_DONTWAIT);
    ck_assert_int_eq((int)call, TRANSPORT_SOCKET);
    errno = EAGAIN;
    if (is_foreign)
        return FD_FOREIGN;
    memcpy(vectors->iov_base, "plain", 5);
    return 5;
}

static ssize_t own_available(int fd)
{
    (void)fd;
    errno = EAGAIN;
    return is_foreign ? FD_FOREIGN : 7;
}

static int own_shutdown(int fd, int how)
{
    (void)fd;
    errno = EAGAIN;
    if (is_foreign)
        return FD_FOREIGN;
    shut_how = how;
    return -1;
}

static const struct plane takes_over = {
    .operations = {.receive = own_receive, .available = own_available, .shutdown = own_shutdown}};
static const struct plane records;
const struct plane *const planes[] = {&takes_over, &records, NULL};
const struct process_observer *const process_observers[] = {NULL};

/* Returns once the bytes have crossed the loopback. */
static void send_bytes(const struct tcp_pair *pair, const char *bytes)
{
    struct pollfd ready = {.fd = pair->here, .events = POLLIN};
    ck_assert_int_eq(send(pair->there, bytes, strlen(bytes), 0), (ssize_t)strlen(bytes));
    ck_assert_int_eq(poll(&ready, 1, -1), 1);
}

/* Makes `fd` a sealed descriptor in the table. */
static void seal(int fd)
{
    (void)fd_table_put(fd, UINT64_C(1) << FD_WORD_ID_SHIFT | 1);
    ck_assert(fd_is_sealed(fd));
}

static struct sockaddr_storage address;
static socklen_t length;

START_TEST(a_tcp_socket_has_the_kernels_addresses)
{
    struct tcp_pair pair = tcp_pair_connect();
    struct sockaddr_in local, peer;
    socklen_t size = sizeof local;
    ck_assert_int_eq(getsockname(pair.here, (struct sockaddr *)&local, &size), 0);
    ck_assert_int_eq(getpeername(pair.here, (struct sockaddr *)&peer, &size), 0);
    ck_assert(program_socket_address(pair.here, PROGRAM_SOCKET_LOCAL, &address, &length));
    ck_assert_uint_eq(length, sizeof local);
    ck_assert_mem_eq(&address, &local, sizeof local);
    ck_assert(program_socket_address(pair.here, PROGRAM_SOCKET_PEER, &address, &length));
    ck_assert_mem_eq(&address, &peer, sizeof peer);
}
END_TEST

START_TEST(a_unix_socket_that_stands_for_tcp_has_the_addresses_of_the_tcp_connection)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    relayed = ends[0];
    errno = EXDEV;
    ck_assert(program_socket_address(ends[0], PROGRAM_SOCKET_LOCAL, &address, &length));
    ck_assert_uint_eq(length, sizeof tcp_local);
    ck_assert_mem_eq(&address, &tcp_local, sizeof tcp_local);
    ck_assert(program_socket_address(ends[0], PROGRAM_SOCKET_PEER, &address, &length));
    ck_assert_uint_eq(length, sizeof tcp_peer);
    ck_assert_mem_eq(&address, &tcp_peer, sizeof tcp_peer);
    ck_assert(program_socket_address(ends[1], PROGRAM_SOCKET_LOCAL, &address, &length));
    ck_assert_uint_eq(address.ss_family, AF_UNIX);
    ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(what_is_no_socket_or_has_no_peer_has_no_address)
{
    int pipes[2], unconnected = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(pipe(pipes), 0);
    errno = EXDEV;
    ck_assert(!program_socket_address(pipes[0], PROGRAM_SOCKET_LOCAL, &address, &length));
    ck_assert(!program_socket_address(-1, PROGRAM_SOCKET_LOCAL, &address, &length));
    ck_assert(!program_socket_address(unconnected, PROGRAM_SOCKET_PEER, &address, &length));
    ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(bytes_of_a_plain_socket_are_seen_and_stay_there)
{
    struct tcp_pair pair = tcp_pair_connect();
    char bytes[8] = "";
    errno = EXDEV;
    ck_assert_uint_eq(program_socket_available(pair.here), 0);
    ck_assert_int_eq(program_socket_peek(pair.here, bytes, sizeof bytes), -1);
    send_bytes(&pair, "abc");
    ck_assert_uint_eq(program_socket_available(pair.here), 3);
    ck_assert_int_eq(program_socket_peek(pair.here, bytes, 2), 2);
    ck_assert_str_eq(bytes, "ab");
    ck_assert_int_eq(errno, EXDEV);
    ck_assert_int_eq(recv(pair.here, bytes, sizeof bytes, MSG_DONTWAIT), 3);
    ck_assert_int_eq(close(pair.there), 0);
    struct pollfd ended = {.fd = pair.here, .events = POLLIN};
    ck_assert_int_eq(poll(&ended, 1, -1), 1);
    ck_assert_int_eq(program_socket_peek(pair.here, bytes, sizeof bytes), 0);
}
END_TEST

START_TEST(a_plain_socket_is_shut_down_by_the_kernel)
{
    struct tcp_pair pair = tcp_pair_connect();
    char byte;
    program_socket_shutdown(pair.here, SHUT_WR);
    ck_assert_int_eq(recv(pair.there, &byte, 1, 0), 0);
    ck_assert_int_eq(send(pair.there, "x", 1, MSG_NOSIGNAL), 1);
    program_socket_shutdown(-1, SHUT_WR);
}
END_TEST

START_TEST(a_sealed_descriptor_answers_by_its_operations)
{
    struct tcp_pair pair = tcp_pair_connect();
    char bytes[8] = "";
    send_bytes(&pair, "cipher");
    seal(pair.here);
    errno = EXDEV;
    ck_assert_uint_eq(program_socket_available(pair.here), 7);
    ck_assert_int_eq(program_socket_peek(pair.here, bytes, sizeof bytes), 5);
    ck_assert_str_eq(bytes, "plain");
    program_socket_shutdown(pair.here, SHUT_RDWR);
    ck_assert_int_eq(shut_how, SHUT_RDWR);
    ck_assert_int_eq(send(pair.here, "x", 1, MSG_NOSIGNAL), 1); /* the kernel's socket is open */
    ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(a_descriptor_that_is_not_sealed_any_more_is_the_kernels)
{
    struct tcp_pair pair = tcp_pair_connect();
    char bytes[8] = "";
    send_bytes(&pair, "abc");
    seal(pair.here);
    is_foreign = true;
    ck_assert_uint_eq(program_socket_available(pair.here), 3);
    ck_assert_int_eq(program_socket_peek(pair.here, bytes, sizeof bytes), 3);
    program_socket_shutdown(pair.here, SHUT_WR);
    ck_assert_int_eq(send(pair.here, "x", 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EPIPE);
}
END_TEST

START_TEST(a_descriptor_blocks_unless_it_has_o_nonblock_or_is_not_open)
{
    struct tcp_pair pair = tcp_pair_connect();
    ck_assert(program_socket_blocks(pair.here));
    ck_assert_int_eq(fcntl(pair.here, F_SETFL, O_NONBLOCK), 0);
    ck_assert(!program_socket_blocks(pair.here));
    ck_assert(!program_socket_blocks(-1));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("program_socket");
    tcase_add_test(cases, a_tcp_socket_has_the_kernels_addresses);
    tcase_add_test(cases, a_unix_socket_that_stands_for_tcp_has_the_addresses_of_the_tcp_connection);
    tcase_add_test(cases, what_is_no_socket_or_has_no_peer_has_no_address);
    tcase_add_test(cases, bytes_of_a_plain_socket_are_seen_and_stay_there);
    tcase_add_test(cases, a_plain_socket_is_shut_down_by_the_kernel);
    tcase_add_test(cases, a_sealed_descriptor_answers_by_its_operations);
    tcase_add_test(cases, a_descriptor_that_is_not_sealed_any_more_is_the_kernels);
    tcase_add_test(cases, a_descriptor_blocks_unless_it_has_o_nonblock_or_is_not_open);
    return run_suite(cases, "program_socket");
}
