/*
 * Clients that say what their calls returned, for peers that the test script chooses: one that stays silent, one
 * that has no key.
 */
#include "../lib/connecting.h"
#include "../lib/sock.h"

/*
 * Connects without blocking to a peer that accepts and never sends a byte (a plain socket of the test), sends a
 * word, and prints SO_ERROR and what the calls return.
 */
static void wait_for_silence(const struct sock_target *target)
{
    int fd = connecting_start(target);
    static unsigned char text[64];
    char byte;
    text_fill(text, sizeof text, 0, 1);
    (void)sock_wait(fd, POLLOUT);
    int error = connecting_error(fd);
    ssize_t sent = error ? 0 : send(fd, text, sizeof text, MSG_NOSIGNAL);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int n = error ? 1 : poll(&wait, 1, 3000);
    ssize_t got = n == 1 ? recv(fd, &byte, 1, 0) : 0;
    (void)printf("error %d sent %zd received %zd %d\n", error, sent, got, got < 0 ? errno : 0);
}

/* Connects, sends and receives, blocking; prints how far it came. For peers that misbehave. */
static void talk(const struct sock_target *target)
{
    int fd = sock_open(target, 0);
    char byte;
    (void)signal(SIGPIPE, SIG_IGN);
    if (connect(fd, (const struct sockaddr *)&target->address, target->length) != 0) {
        (void)printf("connect %d\n", errno);
        return;
    }
    static unsigned char text[64];
    text_fill(text, sizeof text, 0, 1);
    ssize_t sent = write(fd, text, sizeof text);
    int send_error = sent < 0 ? errno : 0;
    ssize_t n = read(fd, &byte, 1);
    (void)printf("write %zd %d read %zd %d\n", sent, send_error, n, n < 0 ? errno : 0);
}

static const struct scenario scenarios[] = {
    {"wait_for_silence", NULL, NULL, wait_for_silence},
    {"talk", NULL, NULL, talk},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
