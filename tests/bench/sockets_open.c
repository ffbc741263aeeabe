// link: -pthread
/*
 * Connections for the socket benchmark. The server is sockets_ping's: it answers each byte.
 *
 *     sockets_open open PORT THREADS MILLISECONDS
 *         each thread connects, exchanges a byte, closes, and repeats; prints `CONNECTIONS SECONDS`
 *     sockets_open times PORT COUNT
 *         does the same COUNT times, one after the other
 *     sockets_open hold PORT COUNT
 *         opens COUNT connections with a byte on each, prints `ready`, and keeps them until its standard input ends
 */
#include <pthread.h>

#include "lib/load.h"

enum { THREADS_MAX = 64, HELD_MAX = 20000, SOURCES = 200 };

struct opener {
    pthread_t thread;
    long port;
    double end;
    uint32_t number;
    unsigned long opened;
};

static void byte_exchange(int fd, char byte)
{
    char answer;
    write_all(fd, &byte, 1);
    read_all(fd, &answer, 1);
    errno = EBADMSG;
    must(answer == byte, "another answer than was asked for");
}

/* Connects from 127.X.0.Y, where X is `network` and Y changes, exchanges a byte and closes. */
static void connection_open(long port, uint32_t network, unsigned long number)
{
    int fd = socket_connect(port, INADDR_LOOPBACK + 0x10000 * (1 + network) + (uint32_t)number % SOURCES);
    socket_send_at_once(fd);
    byte_exchange(fd, (char)number);
    close(fd);
}

static void *opener_run(void *argument)
{
    struct opener *opener = argument;
    while (clock_seconds() < opener->end) {
        connection_open(opener->port, opener->number, opener->opened);
        opener->opened++;
    }
    return NULL;
}

static void open_many(long port, long threads, double seconds)
{
    static struct opener openers[THREADS_MAX];
    unsigned long opened = 0;
    double begun = clock_seconds();
    for (long i = 0; i < threads; i++) {
        openers[i] = (struct opener){.port = port, .end = begun + seconds, .number = (uint32_t)i};
        errno = pthread_create(&openers[i].thread, NULL, opener_run, &openers[i]);
        must(errno == 0, "pthread_create");
    }
    for (long i = 0; i < threads; i++) {
        pthread_join(openers[i].thread, NULL);
        opened += openers[i].opened;
    }
    printf("%lu %.9f\n", opened, clock_seconds() - begun);
}

static void hold(long port, long count)
{
    static int held[HELD_MAX];
    for (long i = 0; i < count; i++) {
        held[i] = socket_connect(port, 0);
        byte_exchange(held[i], (char)i);
    }
    puts("ready");
    wait_for_leave();
    for (long i = 0; i < count; i++)
        close(held[i]);
}

int main(int argc, char **argv)
{
    descriptors_allow_many();
    if (argc == 5 && strcmp(argv[1], "open") == 0) {
        open_many(number_parse(argv[2], 1, 65535), number_parse(argv[3], 1, THREADS_MAX),
                  (double)number_parse(argv[4], 1, 3600000) / 1e3);
    } else if (argc == 4 && strcmp(argv[1], "times") == 0) {
        const long port = number_parse(argv[2], 1, 65535), count = number_parse(argv[3], 1, 1000000);
        for (long i = 0; i < count; i++)
            connection_open(port, 0, (unsigned long)i);
    } else if (argc == 4 && strcmp(argv[1], "hold") == 0) {
        hold(number_parse(argv[2], 1, 65535), number_parse(argv[3], 0, HELD_MAX));
    } else {
        (void)fputs("usage: sockets_open open PORT THREADS MILLISECONDS | times PORT COUNT | hold PORT COUNT\n",
                    stderr);
        return 2;
    }
    return 0;
}
