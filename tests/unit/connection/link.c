#include "link.h"

#include <sys/wait.h>

#include "../tcp_pair.h"

/* The shim's background thread is not joined at exit: it has no memory of its own, and the kernel ends it. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0";
}

static void link_write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

void link_start_policy(char *directory)
{
    link_start_policy_with(directory, "");
}

void link_start_policy_with(char *directory, const char *more)
{
    char path[256], text[2048];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/key", directory);
    link_write_file(path, "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n", 0600);
    (void)snprintf(path, sizeof path, "%s/peers", directory);
    link_write_file(path, "it hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n", 0644);
    (void)snprintf(text, sizeof text,
                   "[policy]\nlog = %s/log\n[seal]\nidentity = %s/key\npeers = %s/peers\nhandshake-timeout = 60s\n"
                   "linger = 1s\n[listen l]\naddress = 127.0.0.1:*\nseal = require\n"
                   "[connect c]\naddress = 127.0.0.1:*\nseal = require\npeer = it\n"
                   "[listen p]\naddress = 127.0.0.2:*\nseal = prefer\nclients = any\n%s",
                   directory, directory, directory, more);
    (void)snprintf(path, sizeof path, "%s/policy", directory);
    link_write_file(path, text, 0644);
    ck_assert_int_eq(setenv("PFSWRAP_POLICY", path, 1), 0);
    ck_assert(pfswrap_seals());
}

void link_end_policy(const char *directory)
{
    static const char *const files[] = {"key", "peers", "policy", "log"};
    char path[256];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(directory);
}

char *link_read_log(const char *directory)
{
    char path[256];
    char *text = calloc(1, 65536);
    (void)snprintf(path, sizeof path, "%s/log", directory);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_gt(fread(text, 1, 65535, file), 0);
    (void)fclose(file);
    return text;
}

void link_pair(int *one, int *other)
{
    const struct tcp_pair pair = tcp_pair_connect();
    const int no_delay = 1;
    *one = pair.here;
    *other = pair.there;
    (void)setsockopt(*one, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
    (void)setsockopt(*other, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
}

void link_seal(int fd, uint16_t rule, bool initiator, bool nonblocking)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (nonblocking)
        ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    const struct policy_rule *const settings = &pfswrap_policy()->rules[rule];
    ck_assert_int_eq(endpoint_open(fd, settings, initiator, nonblocking, false, &endpoint, &connection), 0);
    handshake_begin(connection, fd);
    connection->buffer_at_ms = UINT64_MAX;
    connection->buffering = false; /* both ends begin like one that connects */
    endpoint_update(fd, connection);
    endpoint_leave(connection);
}

ssize_t link_move(int from, int to, size_t most)
{
    char bytes[65536];
    ssize_t count = recv(from, bytes, most < sizeof bytes ? most : sizeof bytes, MSG_DONTWAIT);
    if (count > 0)
        ck_assert_int_eq(send(to, bytes, (size_t)count, MSG_NOSIGNAL), count);
    return count;
}

bool link_is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLIN) != 0;
}

void link_await(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&poll_fd, 1, 60000), 1);
}

ssize_t link_receive(int fd, void *bytes, size_t size, int flags)
{
    const struct iovec vector = {.iov_base = bytes, .iov_len = size};
    return stream_receive(fd, &vector, 1, flags, TRANSPORT_SOCKET);
}

ssize_t link_send(int fd, const void *bytes, size_t size)
{
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    return stream_send(fd, &vector, 1, MSG_NOSIGNAL, TRANSPORT_SOCKET);
}

bool link_is_open(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(fd, &endpoint, &connection), ENDPOINT_ENTERED);
    const bool open = connection->phase == CONNECTION_OPEN;
    endpoint_leave(connection);
    return open;
}

struct link link_open(size_t piece)
{
    struct link link;
    char byte;
    link_pair(&link.client, &link.client_wire);
    link_pair(&link.server, &link.server_wire);
    link_seal(link.client, 1, true, true);
    link_seal(link.server, 0, false, true);
    for (int quiet = 0; quiet < 50 || !link_is_open(link.client) || !link_is_open(link.server);) {
        bool moved = link_move(link.client_wire, link.server_wire, piece) > 0;
        moved = link_move(link.server_wire, link.client_wire, piece) > 0 || moved;
        ck_assert_int_eq(link_receive(link.client, &byte, 1, 0), -1);
        ck_assert_int_eq(errno, EAGAIN);
        ck_assert_int_eq(link_receive(link.server, &byte, 1, 0), -1);
        ck_assert_int_eq(errno, EAGAIN);
        quiet = moved ? 0 : quiet + 1;
    }
    return link;
}

void link_deliver(const struct link *link, size_t piece)
{
    while (link_is_readable(link->client_wire) && link_move(link->client_wire, link->server_wire, piece) > 0)
        continue;
}

void link_expect_exit(pid_t child, int expected)
{
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), expected);
}

/* Everything that the client has sent must be `text` at the server. */
void link_expect(const struct link *link, const char *text)
{
    char got[64] = "";
    size_t done = 0;
    while (done < strlen(text)) {
        (void)link_move(link->client_wire, link->server_wire, 65536);
        ssize_t count = link_receive(link->server, got + done, sizeof got - 1 - done, 0);
        if (count > 0)
            done += (size_t)count;
        else
            ck_assert_int_eq(errno, EAGAIN);
    }
    ck_assert_str_eq(got, text);
}

uint32_t link_holders(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(fd, &endpoint, &connection), ENDPOINT_ENTERED);
    const uint32_t count = connection->holder_count;
    endpoint_leave(connection);
    return count;
}
