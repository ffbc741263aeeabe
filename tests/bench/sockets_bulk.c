/*
 * Bulk data over TCP, for the socket benchmark. The receiver checks the bytes at both ends of each read against the
 * expected pattern, and answers the last byte with the number of bytes. The sender compares that number. Only then
 * it prints `BYTES SECONDS` and waits for the end of its standard input.
 *
 *     sockets_bulk serve PORT
 *         one connection after another, blocking reads
 *     sockets_bulk serve-epoll PORT
 *         any number at a time, level-triggered
 *     sockets_bulk send PORT WRITE-SIZE MILLISECONDS BYTES
 *         one connection, blocking writes
 *     sockets_bulk send-epoll PORT WRITE-SIZE MILLISECONDS CONNECTIONS
 *         this many connections, non-blocking
 */
#include "lib/load.h"

enum {
    PATTERN = 251, /* a prime, so that no block size is a multiple of it */
    LAST = 255,    /* the byte that ends a stream: not in the pattern */
    READ_SIZE = 65536,
    WRITE_MAX = 1 << 20,
    CONNECTIONS_MAX = 1024
};

static uint8_t source[WRITE_MAX + PATTERN];

static void source_fill(void)
{
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (uint8_t)(i % PATTERN);
}

static const uint8_t *source_at(uint64_t position)
{
    return source + position % PATTERN;
}

/* Reads `length` bytes that came at *position; returns whether the stream is complete. */
static int bytes_check(uint64_t *position, const uint8_t *bytes, size_t length)
{
    const uint64_t last = *position + length - 1;
    const int complete = bytes[length - 1] == LAST;
    errno = EBADMSG;
    must(bytes[0] == *source_at(*position) || (complete && length == 1), "a byte that was not sent");
    must(complete || bytes[length - 1] == *source_at(last), "bytes were lost or changed");
    *position += length;
    return complete;
}

/* The peer closes after it has its answer; a clean end must come, and nothing else. */
static void connection_finish(int fd, uint64_t position)
{
    write_all(fd, &position, sizeof position);
}

static void serve(long port)
{
    static uint8_t buffer[READ_SIZE];
    int listener = socket_listen(port);
    for (;;) {
        uint64_t position = 0;
        int complete = 0;
        int fd = accept(listener, NULL, NULL);
        must(fd >= 0, "accept");
        for (;;) {
            ssize_t got = read(fd, buffer, sizeof buffer);
            if (got <= 0) {
                if (position > 0 && !complete) /* a connection without a byte only tests whether the port listens */
                    die("the stream ended early");
                break;
            }
            complete = bytes_check(&position, buffer, (size_t)got);
            if (complete)
                connection_finish(fd, position);
        }
        close(fd);
    }
}

struct connection {
    int fd;
    int complete;
    uint64_t position;
};

static void serve_epoll(long port)
{
    static uint8_t buffer[READ_SIZE];
    struct epoll_event events[64];
    int listener = socket_listen(port);
    int poller = poller_new();
    socket_make_nonblocking(listener);
    poller_add(poller, listener, EPOLLIN, NULL);
    for (;;) {
        int count = epoll_wait(poller, events, 64, -1);
        must(count >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection == NULL) {
                int fd = socket_accept_at_once(listener);
                if (fd < 0)
                    continue;
                connection = calloc(1, sizeof *connection);
                must(connection != NULL, "no memory");
                connection->fd = fd;
                poller_add(poller, fd, EPOLLIN, connection);
                continue;
            }
            ssize_t got = read(connection->fd, buffer, sizeof buffer);
            if (got < 0 && errno == EAGAIN)
                continue;
            if (got <= 0) {
                must(connection->position == 0 || connection->complete, "the stream ended early");
                close(connection->fd);
                free(connection);
                continue;
            }
            connection->complete = bytes_check(&connection->position, buffer, (size_t)got);
            if (connection->complete)
                connection_finish(connection->fd, connection->position);
        }
    }
}

static uint64_t answer_check(int fd, uint64_t sent)
{
    uint64_t received = 0;
    read_all(fd, &received, sizeof received);
    if (received != sent) {
        (void)fprintf(stderr, "sockets_bulk: %llu bytes were sent, %llu received\n", (unsigned long long)sent,
                      (unsigned long long)received);
        exit(1);
    }
    return received;
}

static void report(uint64_t bytes, double begun)
{
    printf("%llu %.9f\n", (unsigned long long)bytes, clock_seconds() - begun);
    wait_for_leave();
}

static void send_blocking(long port, size_t size, double seconds, uint64_t bytes)
{
    static const uint8_t last = LAST;
    int fd = socket_connect(port, 0);
    double begun = clock_seconds();
    uint64_t sent = 0;
    while (sent < bytes && clock_seconds() - begun < seconds) {
        ssize_t written = write(fd, source_at(sent), size);
        must(written > 0, "write");
        sent += (uint64_t)written;
    }
    write_all(fd, &last, 1);
    report(answer_check(fd, sent + 1), begun);
    close(fd);
}

static void send_epoll(long port, size_t size, double seconds, int connections)
{
    static struct connection all[CONNECTIONS_MAX];
    static const uint8_t last = LAST;
    struct epoll_event events[64];
    uint64_t bytes = 0;
    int poller = poller_new();
    for (int i = 0; i < connections; i++) {
        all[i].fd = socket_connect(port, 0);
        socket_make_nonblocking(all[i].fd);
        poller_add(poller, all[i].fd, EPOLLOUT, &all[i]);
    }
    double begun = clock_seconds();
    while (clock_seconds() - begun < seconds) {
        int count = epoll_wait(poller, events, 64, -1);
        must(count >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            ssize_t written = write(connection->fd, source_at(connection->position), size);
            must(written > 0 || errno == EAGAIN, "write");
            if (written > 0)
                connection->position += (uint64_t)written;
        }
    }
    for (int i = 0; i < connections; i++) {
        must(fcntl(all[i].fd, F_SETFL, 0) == 0, "fcntl");
        /* What was reported as sent does not change; the rest of a full socket goes first. */
        write_all(all[i].fd, source_at(all[i].position), 1);
        write_all(all[i].fd, &last, 1);
        all[i].position += 2;
    }
    for (int i = 0; i < connections; i++)
        bytes += answer_check(all[i].fd, all[i].position);
    report(bytes, begun);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    descriptors_allow_many();
    source_fill();
    if (argc == 3 && strcmp(what, "serve") == 0)
        serve(number_parse(argv[2], 1, 65535));
    if (argc == 3 && strcmp(what, "serve-epoll") == 0)
        serve_epoll(number_parse(argv[2], 1, 65535));
    if (argc != 6 || (strcmp(what, "send") != 0 && strcmp(what, "send-epoll") != 0)) {
        (void)fputs("usage: sockets_bulk serve|serve-epoll PORT | send PORT WRITE-SIZE MILLISECONDS BYTES | "
                    "send-epoll PORT WRITE-SIZE MILLISECONDS CONNECTIONS\n",
                    stderr);
        return 2;
    }
    long port = number_parse(argv[2], 1, 65535);
    size_t size = (size_t)number_parse(argv[3], 1, WRITE_MAX);
    double seconds = (double)number_parse(argv[4], 1, 3600000) / 1e3;
    if (strcmp(what, "send") == 0)
        send_blocking(port, size, seconds, (uint64_t)number_parse(argv[5], 1, INT64_MAX));
    else
        send_epoll(port, size, seconds, (int)number_parse(argv[5], 1, CONNECTIONS_MAX));
    return 0;
}
