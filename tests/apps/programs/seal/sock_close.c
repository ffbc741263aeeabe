/*
 * The ends of connections: a close or an exit loses nothing that was sent, no close stalls an event loop, and a
 * killed peer is an error.
 */
#include "../lib/sock.h"

#include <sys/epoll.h>

enum { MEGABYTE = 1 << 20 };

/* Sends until the socket takes no more, reports how much, and closes or exits with all of it on its way. */
static void stuff_and_close(int fd)
{
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    size_t done = sock_stuff(fd, 4100000, 1);
    sock_expect(close(fd) == 0, "close");
    side_send(done);
}

static void stuff_and_exit(int fd)
{
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    side_send(sock_stuff(fd, 4100000, 1));
    exit(0);
}

static void stuff_and_exit_now(int fd)
{
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    side_send(sock_stuff(fd, 4100000, 1));
    _exit(0);
}

/* The thread that ends the process is not the one that sent: any thread may call exit_group. */
static void stuff_and_exec(int fd)
{
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    sock_expect(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0, "FD_CLOEXEC");
    side_send(sock_stuff(fd, 4100000, 1));
    (void)execl("/bin/true", "true", (char *)NULL);
    sock_fail("execl");
}

/* Half-closes while the other end's megabytes are still on their way, then reads them: none is lost. */
static void half_close_then_drain(int fd)
{
    sock_greet(fd);
    size_t total = (size_t)side_receive();
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_receive(fd, 0, total, 65536, 1);
    text_expect_end_at(fd, total, 1);
    (void)close(fd);
}

static void drain(int fd)
{
    sock_greet(fd);
    size_t total = (size_t)side_receive();
    text_receive(fd, 0, total, 65536, 1);
    text_expect_end_at(fd, total, 1);
}

/* One end has read everything and closes with a megabyte on its way; the other half-closes before it reads that. */
static void both_in_flight_closer(int fd)
{
    text_send(fd, 0, MEGABYTE, 16384, 1);
    text_receive(fd, 0, 100000, 16384, 2);
    (void)close(fd);
    side_send(0);
}

static void both_in_flight_reader(int fd)
{
    text_send(fd, 0, 100000, 16384, 2);
    (void)side_receive();
    (void)shutdown(fd, SHUT_WR);
    text_receive(fd, 0, MEGABYTE, 16384, 1);
    text_expect_end(fd);
}

/*
 * An event loop closes a full connection and must serve its next event while the peer still sleeps: the peer reads
 * only after the answer to a question that it asks when the close is under way.
 */
static void loop_closer(int fd)
{
    sock_greet(fd);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = sock_side};
    int epoll = epoll_create1(0);
    sock_set_nonblocking(fd, true);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, sock_side, &event) == 0, "EPOLL_CTL_ADD");
    event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    size_t done = sock_stuff(fd, 64 * MEGABYTE, 1);
    side_send(done);
    sock_expect(close(fd) == 0, "close");
    for (int served = 0; served < 2; served++) {
        sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1 && event.data.fd == sock_side,
                    "expected the side's event alone");
        side_send(side_receive() + 1);
    }
}

static void loop_peer(int fd)
{
    sock_greet(fd);
    size_t total = (size_t)side_receive();
    side_send(41);
    sock_expect(side_receive() == 42, "the loop's answer while its connection is full");
    text_receive(fd, 0, total, 65536, 1);
    text_expect_end_at(fd, total, 1);
    side_send(1);
    sock_expect(side_receive() == 2, "the loop's answer afterwards");
}

/* The same with a blocking descriptor, whose close has no more right to wait. */
static void blocking_closer(int fd)
{
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    size_t done = sock_stuff(fd, 64 * MEGABYTE, 1);
    sock_set_nonblocking(fd, false);
    side_send(done);
    sock_expect(close(fd) == 0, "close");
    side_send(side_receive() + 1);
    side_send(side_receive() + 1);
}

/*
 * Reads to the end and prints what it was. Bare TCP cannot distinguish a killed peer from one that closed; a sealed
 * connection must.
 */
static void read_to_some_end(int fd, size_t at)
{
    static char buffer[65536];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        text_check(buffer, (size_t)n, at, 1);
        if (at == 0)
            sock_expect(printf("reading\n") > 0 && fflush(stdout) == 0, "printf");
        at += (size_t)n;
    }
    (void)printf("end: %s\n", n == 0 ? "clean" : errno == ECONNRESET ? "reset" : strerror(errno));
    sock_expect(read(fd, buffer, 1) <= 0, "data after the end");
}

/* Two ends of a stream that only a signal ends: the test runs them as separate processes, and kills one. */
static void endless_reader(int fd)
{
    read_to_some_end(fd, 0);
}

static void endless_writer(int fd)
{
    static char text[16000];
    ssize_t n = 1;
    (void)signal(SIGPIPE, SIG_IGN);
    text_fill(text, sizeof text, 0, 1);
    for (size_t at = 0; n > 0; at += (size_t)(n > 0 ? n : 0)) {
        text_fill(text, sizeof text, at, 1);
        n = write(fd, text, sizeof text);
    }
    (void)printf("end: %s\n", errno == ECONNRESET || errno == EPIPE ? "reset" : strerror(errno));
}

/* A stream of known length with an orderly end, for a network that interferes. */
static void finite_writer(int fd)
{
    static char text[1000];
    ssize_t n = 1;
    (void)signal(SIGPIPE, SIG_IGN);
    sock_set_nodelay(fd);
    for (size_t at = 0; n > 0 && at < 50000; at += (size_t)(n > 0 ? n : 0)) {
        text_fill(text, sizeof text, at, 1);
        n = write(fd, text, sizeof text);
    }
    (void)printf("wrote: %s\n", n > 0 ? "all" : strerror(errno));
    (void)close(fd);
}

static void killed_while_sending_server(int fd)
{
    text_receive(fd, 0, 100000, 16384, 1);
    sock_expect(kill(sock_peer_pid, SIGKILL) == 0, "kill");
    sock_expect(sock_reap(sock_peer_pid) == 128 + SIGKILL, "the peer ended otherwise");
    sock_peer_pid = 0;
    read_to_some_end(fd, 100000);
}

static void endless_client(int fd)
{
    text_send(fd, 0, SIZE_MAX, 10000, 1);
}

static void killed_idle_server(int fd)
{
    text_receive(fd, 0, 100, 100, 1);
    sock_expect(kill(sock_peer_pid, SIGKILL) == 0, "kill");
    sock_expect(sock_reap(sock_peer_pid) == 128 + SIGKILL, "the peer ended otherwise");
    sock_peer_pid = 0;
    read_to_some_end(fd, 100);
}

static void idle_client(int fd)
{
    char byte;
    text_send(fd, 0, 100, 100, 1);
    (void)!read(fd, &byte, 1);
}

/*
 * Both directions are shut with megabytes on their way, and the other end half-closes before it reads them: none is
 * lost.
 */
static void stuff_and_shut(int fd)
{
    char byte;
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    size_t done = sock_stuff(fd, 4100000, 1);
    sock_expect(shutdown(fd, SHUT_RDWR) == 0, "shutdown");
    sock_expect(read(fd, &byte, 1) == 0, "read after shutdown");
    side_send(done);
    (void)side_receive();
}

static void half_close_then_drain_and_report(int fd)
{
    half_close_then_drain(fd);
    side_send(0);
}

static const struct scenario scenarios[] = {
    {"in_flight_close", half_close_then_drain, stuff_and_close, NULL},
    {"in_flight_close_by_server", stuff_and_close, half_close_then_drain, NULL},
    {"in_flight_exit", half_close_then_drain, stuff_and_exit, NULL},
    {"in_flight_exit_now", drain, stuff_and_exit_now, NULL},
    {"in_flight_exec", drain, stuff_and_exec, NULL},
    {"both_in_flight", both_in_flight_reader, both_in_flight_closer, NULL},
    {"both_in_flight_by_server", both_in_flight_closer, both_in_flight_reader, NULL},
    {"loop_closes", loop_peer, loop_closer, NULL},
    {"loop_closes_server", loop_closer, loop_peer, NULL},
    {"blocking_closes", loop_peer, blocking_closer, NULL},
    {"killed_while_sending", killed_while_sending_server, endless_client, NULL},
    {"killed_idle", killed_idle_server, idle_client, NULL},
    {"shut_in_flight", stuff_and_shut, half_close_then_drain_and_report, NULL},
    {"server_writes", endless_writer, endless_reader, NULL},
    {"client_writes", endless_reader, endless_writer, NULL},
    {"server_writes_some", finite_writer, endless_reader, NULL},
    {"client_writes_some", endless_reader, finite_writer, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
