/*
 * Programs for test_linger.py, which tells them through standard input what to do next:
 *
 *     sock_linger crowd PORT LIMIT MOST
 *         an echo server with LIMIT descriptors, which turns away each client that comes when it has MOST.
 *         "count": prints how many it turned away. "room": prints how many files it could open now. "most N": takes
 *         more clients
 *     sock_linger pinger PORT
 *         a client of that server; a line is one byte there and back
 *     sock_linger closer PORT
 *         accepts a client, fills the connection, closes it, and prints how many bytes were sent. "state": prints
 *         its descriptors and threads
 *     sock_linger reader PORT
 *         its client. "read N", "rest": receives N bytes or all, slowly for "slow N"
 */
#include "../lib/sock.h"

#include <dirent.h>
#include <sys/resource.h>
#include <time.h>

enum {
    CLIENTS_MAX = 1000,
    SLOW_STEP = 100000,
    SLOW_PAUSE_MS = 150,
    FULL_MS = 500, /* the kernel at the other end may take more after a moment */
    FULL_ROUNDS = 20,
};

static char line[64];

/* The next line of the test; false at its end. */
static bool next_line(void)
{
    return fgets(line, sizeof line, stdin) != NULL;
}

static void say(const char *what, size_t number)
{
    sock_expect(printf("%s %zu\n", what, number) > 0 && fflush(stdout) == 0, "printf");
}

/* How many files can be opened now. */
static size_t room(void)
{
    int files[CLIENTS_MAX];
    size_t count = 0;
    while (count < CLIENTS_MAX && (files[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    for (size_t i = 0; i < count; i++)
        (void)close(files[i]);
    return count;
}

static size_t entries(const char *path)
{
    DIR *folder = opendir(path);
    size_t count = 0;
    sock_expect(folder != NULL, "opendir %s", path);
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count - 2;
}

static struct pollfd polls[CLIENTS_MAX + 2];
static nfds_t used = 2;
static size_t most, turned_away;

static void accept_one(int listener)
{
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        sock_expect(errno == EAGAIN || errno == ECONNABORTED, "accept");
        return;
    }
    if (used - 2 < most) {
        polls[used++] = (struct pollfd){.fd = fd, .events = POLLIN};
        return;
    }
    sock_expect(close(fd) == 0, "close of a client that is turned away");
    turned_away++;
}

static void serve_client(nfds_t at)
{
    char bytes[100];
    const ssize_t count = read(polls[at].fd, bytes, sizeof bytes);
    if (count > 0)
        sock_expect(write(polls[at].fd, bytes, (size_t)count) == count, "write");
    if (count > 0 || (count < 0 && errno == EAGAIN))
        return;
    (void)close(polls[at].fd);
    polls[at] = polls[--used];
}

static void crowd(const struct sock_target *target, int limit)
{
    const struct rlimit files = {(rlim_t)limit, (rlim_t)limit};
    const int listener = sock_listen(target);
    sock_set_nonblocking(listener, true);
    sock_expect(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
    polls[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (;;) {
        sock_expect(poll(polls, used, -1) > 0, "poll");
        for (nfds_t i = used - 1; i > 1; i--)
            if (polls[i].revents != 0)
                serve_client(i);
        if (polls[1].revents != 0)
            accept_one(listener);
        if (polls[0].revents == 0)
            continue;
        if (!next_line())
            return;
        if (strncmp(line, "most ", 5) == 0)
            most = strtoul(line + 5, NULL, 10);
        else if (strcmp(line, "room\n") == 0)
            say("room", room());
        else
            say("turned away", turned_away);
    }
}

static void pinger(const struct sock_target *target)
{
    const int fd = sock_connect(target);
    for (size_t i = 0; next_line(); i++) {
        char byte = 'P';
        sock_expect(write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1, "a byte there and back");
        say("pong", i);
    }
}

/* Sends until the connection takes no more, which may be at once. */
static size_t fill(int fd)
{
    static const char bytes[16384];
    size_t sent = 0;
    for (ssize_t count; (count = write(fd, bytes, sizeof bytes)) > 0;)
        sent += (size_t)count;
    sock_expect(errno == EAGAIN, "write");
    return sent;
}

static void closer(const struct sock_target *target)
{
    const int listener = sock_listen(target), fd = sock_accept(listener), bytes = 1 << 20;
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    /* As large as the kernel allows, so that only a program with CAP_NET_ADMIN can extend it. */
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0, "SO_SNDBUF");
    size_t sent = sock_stuff(fd, (size_t)64 << 20, 1);
    for (int i = 0; i < FULL_ROUNDS && poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, FULL_MS) > 0; i++)
        sent += fill(fd);
    sent += fill(fd);
    sock_expect(close(fd) == 0, "close");
    say("sent", sent);
    while (next_line()) {
        say("descriptors", entries("/proc/self/fd"));
        say("threads", entries("/proc/self/task"));
    }
}

/* Receives at most `size` bytes; with pauses, if `slow`. Prints how many, and how the stream ended if it did. */
static void receive(int fd, size_t size, bool slow)
{
    static char bytes[SLOW_STEP];
    const struct timespec pause = {.tv_nsec = SLOW_PAUSE_MS * 1000000L};
    size_t done = 0;
    ssize_t count = 1;
    while (done < size && count > 0) {
        count = read(fd, bytes, size - done < sizeof bytes ? size - done : sizeof bytes);
        done += count > 0 ? (size_t)count : 0;
        if (slow && done / SLOW_STEP != (done - (size_t)(count > 0 ? count : 0)) / SLOW_STEP)
            (void)nanosleep(&pause, NULL);
    }
    say(count > 0 ? "received" : count == 0 ? "end" : errno == ECONNRESET ? "reset" : strerror(errno), done);
}

static void reader(const struct sock_target *target)
{
    const int fd = sock_connect(target);
    sock_greet(fd);
    say("greeted", 0);
    while (next_line())
        if (strncmp(line, "read ", 5) == 0)
            receive(fd, strtoul(line + 5, NULL, 10), false);
        else
            receive(fd, SIZE_MAX, strcmp(line, "slow\n") == 0);
}

int main(int count, char **words)
{
    sock_expect(count >= 3 && setvbuf(stdin, NULL, _IONBF, 0) == 0, "usage: sock_linger ROLE PORT");
    const struct sock_target target = sock_target_parse("127.0.0.1", words[2]);
    if (strcmp(words[1], "crowd") == 0 && count == 5) {
        most = strtoul(words[4], NULL, 10);
        crowd(&target, atoi(words[3]));
    } else if (strcmp(words[1], "pinger") == 0) {
        pinger(&target);
    } else if (strcmp(words[1], "closer") == 0) {
        closer(&target);
    } else {
        reader(&target);
    }
    return 0;
}
