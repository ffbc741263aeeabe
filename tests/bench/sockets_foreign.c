/*
 * The cost of read and write on descriptors that are not sealed, in a process that has some connections open:
 * sealed ones if it runs wrapped, otherwise plain TCP to the same peers. For the socket benchmark.
 *
 *     sockets_foreign calls PORT CONNECTIONS CALLS
 *
 * PORT answers each byte (sockets_ping serve). Prints a line `NAME NANOSECONDS` for each kind of call, the median
 * of 101 batches of CALLS.
 */
#include "lib/load.h"

enum { BATCHES = 101, CONNECTIONS_MAX = 1024 };

struct descriptors {
    int null, zero, pipe_read, pipe_write, pair[2];
};

typedef void batch(const struct descriptors *fds, long calls);

static void batch_write(const struct descriptors *fds, long calls)
{
    for (long i = 0; i < calls; i++)
        must(write(fds->null, "x", 1) == 1, "write");
}

static void batch_read(const struct descriptors *fds, long calls)
{
    char byte;
    for (long i = 0; i < calls; i++)
        must(read(fds->zero, &byte, 1) == 1, "read");
}

static void batch_pipe(const struct descriptors *fds, long calls)
{
    char byte = 'x';
    for (long i = 0; i < calls; i += 2) {
        must(write(fds->pipe_write, &byte, 1) == 1, "write");
        must(read(fds->pipe_read, &byte, 1) == 1, "read");
    }
}

static void batch_socket(const struct descriptors *fds, long calls)
{
    char byte = 'x';
    for (long i = 0; i < calls; i += 2) {
        must(send(fds->pair[0], &byte, 1, 0) == 1, "send");
        must(recv(fds->pair[1], &byte, 1, 0) == 1, "recv");
    }
}

static int double_compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double call_nanoseconds(batch *run, const struct descriptors *fds, long calls)
{
    double times[BATCHES];
    run(fds, calls);
    for (int i = 0; i < BATCHES; i++) {
        double begun = clock_seconds();
        run(fds, calls);
        times[i] = (clock_seconds() - begun) * 1e9 / (double)calls;
    }
    qsort(times, BATCHES, sizeof times[0], double_compare);
    return times[BATCHES / 2];
}

int main(int argc, char **argv)
{
    struct descriptors fds;
    int ends[2];
    if (argc != 5 || strcmp(argv[1], "calls") != 0) {
        (void)fputs("usage: sockets_foreign calls PORT CONNECTIONS CALLS\n", stderr);
        return 2;
    }
    long port = number_parse(argv[2], 1, 65535);
    long connections = number_parse(argv[3], 0, CONNECTIONS_MAX);
    long calls = number_parse(argv[4], 2, 10000000);
    for (long i = 0; i < connections; i++) {
        char byte = 'x';
        int fd = socket_connect(port, 0);
        write_all(fd, &byte, 1);
        read_all(fd, &byte, 1);
    }
    fds.null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fds.zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    must(fds.null >= 0 && fds.zero >= 0, "open");
    must(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
    fds.pipe_read = ends[0];
    fds.pipe_write = ends[1];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.pair) == 0, "socketpair");
    printf("write %.2f\n", call_nanoseconds(batch_write, &fds, calls));
    printf("read %.2f\n", call_nanoseconds(batch_read, &fds, calls));
    printf("pipe %.2f\n", call_nanoseconds(batch_pipe, &fds, calls));
    printf("socket %.2f\n", call_nanoseconds(batch_socket, &fds, calls));
    return 0;
}
