/* See storm.h: a server that sends WORD to every client, and clients without a key that look for it. */
#include "storm.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int server, port;
static atomic_long left, connects, broken;

static void *serve(void *nothing)
{
    char received[64];
    for (;;) {
        struct pollfd polls[2] = {{.fd = server, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
        if (poll(polls, 2, -1) > 0 && polls[1].revents != 0)
            return nothing;
        const int fd = accept(server, NULL, NULL);
        if (fd < 0)
            continue;
        const int copy = dup(fd);
        (void)send(fd, WORD, WORD_BYTES, MSG_NOSIGNAL);
        (void)recv(fd, received, sizeof received, MSG_DONTWAIT);
        (void)close(fd);
        if (copy >= 0) {
            (void)send(copy, WORD, WORD_BYTES, MSG_NOSIGNAL);
            (void)close(copy);
        }
        const int file = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (file < 0 || write(file, WORD, WORD_BYTES) != WORD_BYTES)
            atomic_fetch_add(&broken, 1);
        (void)close(file);
    }
}

int storm_serve(int threads, int at)
{
    pthread_t all[THREADS_MOST];
    (void)signal(SIGPIPE, SIG_IGN);
    server = storm_listen_on(at, true);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&all[i], NULL, serve, NULL) != 0)
            storm_fail("pthread_create");
    for (int i = 0; i < threads; i++)
        (void)pthread_join(all[i], NULL);
    (void)printf("{\"broken\": %ld}\n", atomic_load(&broken));
    return atomic_load(&broken) != 0;
}

static void *call(void *argument)
{
    long *received_word = argument;
    for (unsigned i = 0; atomic_fetch_sub(&left, 1) > 0; i++) {
        char bytes[4096];
        size_t size = 0;
        ssize_t count = 1;
        const int fd = storm_socket(0);
        const struct sockaddr_in address = storm_address(port);
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
            storm_fail("connect");
        atomic_fetch_add(&connects, 1);
        if (i % 4 != 0)
            (void)send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL);
        if (i % 4 == 1)
            (void)shutdown(fd, SHUT_WR);
        if (i % 4 != 0) /* otherwise it is closed at once */
            while (size < sizeof bytes && (count = recv(fd, bytes + size, sizeof bytes - size, 0)) > 0)
                size += (size_t)count;
        *received_word += storm_contains_word(bytes, size);
        storm_close_with_reset(fd);
    }
    return NULL;
}

int storm_call(int threads, long count, int to)
{
    static long received[THREADS_MOST];
    long readable = 0;
    pthread_t all[THREADS_MOST];
    atomic_store(&left, count);
    port = to;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&all[i], NULL, call, &received[i]) != 0)
            storm_fail("pthread_create");
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(all[i], NULL);
        readable += received[i];
    }
    (void)printf("{\"connects\": %ld, \"readable\": %ld}\n", atomic_load(&connects), readable);
    return readable != 0;
}
