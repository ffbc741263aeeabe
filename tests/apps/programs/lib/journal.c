/* See journal.h. */
#include "journal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sock.h"

enum { TEXT = 65536, LINE = 80, BACKLOG = 1024 };

static uint32_t seed;

static void write_line(const struct journal *journal, const char *what, size_t number)
{
    char line[LINE];
    char text[INET_ADDRSTRLEN];
    (void)inet_ntop(AF_INET, &journal->address, text, sizeof text);
    const int length = snprintf(line, sizeof line, "%s %s %zu\n", text, what, number);
    sock_expect(write(STDOUT_FILENO, line, (size_t)length) == length, "the journal");
}

void journal_start(const char *number)
{
    seed = (uint32_t)strtoul(number, NULL, 10);
    sock_expect(sodium_init() >= 0, "libsodium");
}

/* libsodium's randombytes_buf_deterministic(), whose seed is the seed, the address, and zeros. */
static unsigned char *expected_bytes(struct in_addr address)
{
    unsigned char key[randombytes_SEEDBYTES] = {0};
    const uint32_t words[2] = {htonl(seed), address.s_addr};
    memcpy(key, words, sizeof words);
    unsigned char *bytes = malloc(TEXT);
    sock_expect(bytes != NULL, "memory");
    randombytes_buf_deterministic(bytes, TEXT, key);
    return bytes;
}

void journal_open(struct journal *journal, struct in_addr address)
{
    *journal = (struct journal){.address = address};
    write_line(journal, "open", 0);
}

void journal_received(struct journal *journal, const void *bytes, size_t count)
{
    if (journal->expected == NULL)
        journal->expected = expected_bytes(journal->address);
    if (!journal->is_wrong &&
        (journal->received + count > TEXT || memcmp(journal->expected + journal->received, bytes, count) != 0)) {
        journal->is_wrong = true;
        write_line(journal, "wrong", journal->received);
    }
    journal->received += count;
}

void journal_end(struct journal *journal)
{
    write_line(journal, "end", journal->received);
    free(journal->expected);
    journal->expected = NULL;
}

static void stop(int number)
{
    (void)number;
    _exit(0);
}

int journal_listen(const char *port, bool blocks)
{
    const int listener = socket(AF_INET, SOCK_STREAM | (blocks ? 0 : SOCK_NONBLOCK), 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtol(port, NULL, 10))};
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    (void)signal(SIGTERM, stop);
    sock_expect(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                    bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
                    listen(listener, BACKLOG) == 0,
                "listen");
    return listener;
}

int journal_accept(int listener, struct in_addr *address, int flags)
{
    struct sockaddr_in peer = {0};
    socklen_t length = sizeof peer;
    const int fd = accept4(listener, (struct sockaddr *)&peer, &length, flags);
    *address = peer.sin_addr;
    return fd;
}

void journal_serve_in_threads(int listener, size_t stack, void *(*client_new)(int fd, struct in_addr address),
                              void *(*serve)(void *))
{
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, stack);
    for (;;) {
        struct in_addr address;
        pthread_t thread;
        const int fd = journal_accept(listener, &address, 0);
        if (fd >= 0)
            sock_expect(pthread_create(&thread, &attributes, serve, client_new(fd, address)) == 0,
                        "pthread_create");
    }
}
