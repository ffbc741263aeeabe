/*
 * SO_RCVTIMEO and SO_SNDTIMEO: a call ends in time, and reports what it has moved until then.
 */
#include "../lib/sock.h"

#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* SO_RCVTIMEO: EAGAIN when the time is over, also if only a part of what is waited for has arrived. */
static void receive_timeout_server(int fd)
{
    struct timeval wait = {.tv_usec = 60000}, none = {0}, got = {0};
    socklen_t size = sizeof got;
    char buffer[100];
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0, "SO_RCVTIMEO");
    sock_expect(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &size) == 0 && got.tv_usec > 50000, "SO_RCVTIMEO");
    for (int round = 0; round < 2; round++) {
        double begun = now();
        ssize_t n = round ? read(fd, buffer, 10) : recv(fd, buffer, 10, 0);
        sock_expect(n == -1 && errno == EAGAIN, "recv returned %zd, expected EAGAIN", n);
        sock_expect(now() - begun > 0.05, "recv waited %g s of 0.06", now() - begun);
        if (round == 0) {
            side_send(0); /* the client's first byte, which on a sealed connection comes with the handshake */
            (void)side_receive();
            sock_expect(sock_wait(fd, POLLIN) & POLLIN,
                        "the first word"); /* so that no handshake has to complete within 0.06 s */
            sock_expect(recv(fd, buffer, 10, MSG_WAITALL) == 10, "recv of the first word");
            text_check(buffer, 10, 0, 1);
        }
    }
    side_send(0);
    (void)side_receive();
    double begun = now();
    ssize_t n = recv(fd, buffer, 100, MSG_WAITALL);
    sock_expect(n == 10, "recv of 100 bytes of which 10 came returned %zd", n);
    sock_expect(now() - begun > 0.05, "recv waited %g s of 0.06", now() - begun);
    text_check(buffer, 10, 10, 1);
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none) == 0, "SO_RCVTIMEO");
    side_send(0);
    text_receive(fd, 20, 10, 10, 1);
    text_expect_end(fd);
}

static void receive_timeout_client(int fd)
{
    for (size_t round = 0; round < 3; round++) {
        (void)side_receive();
        text_send(fd, round * 10, 10, 10, 1);
        if (round < 2)
            side_send(0);
    }
}

/* SO_SNDTIMEO: a blocked send returns the bytes that are sent, or EAGAIN; exactly these bytes arrive. */
static void send_timeout_client(int fd)
{
    struct timeval wait = {.tv_usec = 30000};
    static char text[200000];
    size_t done = 0;
    int timeouts = 0;
    sock_greet(fd);
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0, "SO_SNDTIMEO");
    while (timeouts < 3) {
        text_fill(text, sizeof text, done, 1);
        ssize_t n = send(fd, text, sizeof text, 0);
        sock_expect(n > 0 || (n == -1 && errno == EAGAIN), "send returned %zd", n);
        timeouts += n < 0;
        done += n > 0 ? (size_t)n : 0;
    }
    side_send(done);
    wait.tv_usec = 0;
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0, "SO_SNDTIMEO");
    text_send(fd, done, 100000, 100000, 1);
}

static void send_timeout_server(int fd)
{
    sock_greet(fd);
    size_t done = (size_t)side_receive();
    text_receive(fd, 0, done + 100000, 65536, 1);
    text_expect_end(fd);
}

static const struct scenario scenarios[] = {
    {"receive_timeout", receive_timeout_server, receive_timeout_client, NULL},
    {"send_timeout", send_timeout_server, send_timeout_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
