/*
 * Connections and processes: forks of every kind after which both sides go on, servers that fork for each
 * connection or before any, children that are killed or not trusted, vfork and posix_spawn, descriptors sent in
 * messages.
 */
#include "../lib/sock.h"

#include <sys/mman.h>
#include <sys/syscall.h>

enum { MEGABYTE = 1 << 20, PIECE = 3000 };

/* Parent and child send and receive in turns on one connection, then the child ends, then the parent. */
static void in_turns(int fd, pid_t (*fork_process)(void), size_t before)
{
    int turn[2];
    uint64_t word = 0;
    sock_set_nodelay(fd);
    text_send(fd, 0, before, PIECE, 1);
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, turn) == 0, "socketpair");
    pid_t pid = fork_process();
    sock_side = turn[pid == 0];
    for (size_t round = 0; round < 20; round++) {
        size_t at = before + (2 * round + (pid == 0)) * PIECE;
        if (pid == 0 || round > 0)
            word = side_receive();
        sock_expect(word == at || (round == 0 && pid != 0), "the turn is at %" PRIu64 ", expected %zu", word, at);
        text_send(fd, at, PIECE, 700, 1);
        text_receive(fd, at - before, PIECE, 700, 2);
        side_send(at + PIECE);
    }
    if (pid == 0)
        _exit(0);
    word = side_receive();
    sock_expect(sock_reap(pid) == 0, "the forked child");
    text_send(fd, word, PIECE, PIECE, 1);
    text_receive(fd, word - before, PIECE, PIECE, 2);
}

static void fork_client(int fd)
{
    in_turns(fd, sock_fork, 100);
}

static void clone_client(int fd)
{
    in_turns(fd, sock_fork_by_clone, 100);
}

/* Nothing has been sent when the process forks. */
static void fork_at_once_client(int fd)
{
    in_turns(fd, sock_fork, 0);
}

static void echo_turns_server(int fd, size_t before)
{
    sock_set_nodelay(fd);
    text_receive(fd, 0, before, PIECE, 1);
    for (size_t at = 0; at < (size_t)41 * PIECE; at += PIECE) {
        text_receive(fd, before + at, PIECE, PIECE, 1);
        text_send(fd, at, PIECE, PIECE, 2);
    }
    text_expect_end(fd);
}

static void turns_server(int fd)
{
    echo_turns_server(fd, 100);
}

static void turns_at_once_server(int fd)
{
    echo_turns_server(fd, 0);
}

/* The same at the end that accepted: the server forks after the first bytes. */
static void fork_server(int fd)
{
    in_turns(fd, sock_fork, 100);
    (void)close(fd);
}

static void clone_server(int fd)
{
    in_turns(fd, sock_fork_by_clone, 100);
    (void)close(fd);
}

/* Parent and child send at the same time: every byte arrives, in any order. */
static void send_value(int fd, unsigned char value)
{
    unsigned char buffer[4000];
    memset(buffer, value, sizeof buffer);
    for (size_t done = 0, size = 1; done < MEGABYTE; size = size * 3 % 3999 + 1) {
        size_t part = MEGABYTE - done < size ? MEGABYTE - done : size;
        ssize_t n = send(fd, buffer, part, 0);
        sock_expect(n > 0, "send returned %zd", n);
        done += (size_t)n;
    }
}

static void at_once_client(int fd)
{
    pid_t pid[3];
    text_send(fd, 0, 100, 100, 1);
    for (unsigned i = 0; i < 3; i++) {
        pid[i] = i % 2 ? sock_fork_by_clone() : sock_fork();
        if (pid[i] == 0) {
            send_value(fd, (unsigned char)(128 + i));
            _exit(0);
        }
    }
    send_value(fd, 131);
    for (int i = 0; i < 3; i++)
        sock_expect(sock_reap(pid[i]) == 0, "a forked child");
}

/* Three processes receive at the same time what these processes send. */
static void at_once_server(int fd)
{
    size_t *counted = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid[3] = {0};
    text_receive(fd, 0, 100, 100, 1);
    for (int i = 0; i < 3; i++) {
        pid[i] = i < 2 ? sock_fork() : 0;
        if (pid[i])
            continue;
        static unsigned char buffer[2500];
        ssize_t n;
        while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
            for (ssize_t k = 0; k < n; k++)
                __atomic_fetch_add(&counted[buffer[k]], 1, __ATOMIC_RELAXED);
        sock_expect(n == 0, "recv returned %zd", n);
        if (i < 2)
            _exit(0);
    }
    for (int i = 0; i < 2; i++)
        sock_expect(sock_reap(pid[i]) == 0, "a forked child");
    for (unsigned value = 128; value < 132; value++)
        sock_expect(counted[value] == MEGABYTE, "%zu bytes of sender %u arrived", counted[value], value - 128);
}

/* --- servers and their processes; each client is a process, too --- */

enum { CLIENTS = 12 };

static pid_t start_client(const struct sock_target *target, unsigned number)
{
    pid_t pid = sock_fork();
    if (pid)
        return pid;
    int fd = sock_connect(target);
    sock_set_nodelay(fd);
    for (size_t at = 0; at < 50000; at += 10000) {
        text_send(fd, at, 10000, 3000, number);
        text_receive(fd, at, 10000, 3000, number + 1);
    }
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_expect_end(fd);
    exit(0);
}

/* The stream identifies the client: its first 16 bytes are those of one seed only. */
static void serve_client(int fd)
{
    unsigned char head[16];
    unsigned number = 0;
    sock_set_nodelay(fd);
    sock_expect(recv(fd, head, sizeof head, MSG_WAITALL) == sizeof head, "the head");
    while (number < 1000 && (text_byte(8, number) != head[8] || text_byte(9, number) != head[9] ||
                             text_byte(10, number) != head[10] || text_byte(15, number) != head[15]))
        number++;
    text_check(head, sizeof head, 0, number);
    text_receive(fd, 16, 10000 - 16, 4096, number);
    text_send(fd, 0, 10000, 4096, number + 1);
    for (size_t at = 10000; at < 50000; at += 10000) {
        text_receive(fd, at, 10000, 4096, number);
        text_send(fd, at, 10000, 4096, number + 1);
    }
    text_expect_end(fd);
}

static void reap_all(const pid_t *pids, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++)
        sock_expect(sock_reap(pids[i]) == 0, "%s %zu", what, i);
}

/* The parent accepts, and a child for each connection serves it; the parent closes its copy. */
static void accept_and_fork(const struct sock_target *target)
{
    pid_t clients[CLIENTS], servers[CLIENTS];
    int listener = sock_listen(target);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = start_client(target, 10 + 2 * i);
    for (int i = 0; i < CLIENTS; i++) {
        int fd = sock_accept(listener);
        servers[i] = i % 2 ? sock_fork_by_clone() : sock_fork();
        if (servers[i] == 0) {
            (void)close(listener);
            serve_client(fd);
            exit(0);
        }
        (void)close(fd);
    }
    reap_all(clients, CLIENTS, "client");
    reap_all(servers, CLIENTS, "server");
}

/* Children that were made before any connection accept on the listener that they share. */
static void prefork(const struct sock_target *target)
{
    pid_t clients[CLIENTS], servers[3];
    int listener = sock_listen(target);
    for (int i = 0; i < 3; i++) {
        servers[i] = sock_fork();
        if (servers[i] == 0) {
            for (int served = 0; served < CLIENTS / 3; served++) {
                int fd = sock_accept(listener);
                serve_client(fd);
                (void)close(fd);
            }
            exit(0);
        }
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = start_client(target, 10 + 2 * i);
    reap_all(clients, CLIENTS, "client");
    reap_all(servers, 3, "server");
}

static const struct scenario scenarios[] = {
    {"fork", turns_server, fork_client, NULL},
    {"clone", turns_server, clone_client, NULL},
    {"fork_at_once", turns_at_once_server, fork_at_once_client, NULL},
    {"fork_server", fork_server, turns_server, NULL},
    {"clone_server", clone_server, turns_server, NULL},
    {"at_once", at_once_server, at_once_client, NULL},
    {"accept_and_fork", NULL, NULL, accept_and_fork},
    {"prefork", NULL, NULL, prefork},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
