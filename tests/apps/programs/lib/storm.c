/* See storm.h. */
#include "storm.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void storm_fail(const char *what)
{
    perror(what);
    _exit(2);
}

struct sockaddr_in storm_address(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int storm_listen_on(int port, bool listens)
{
    const struct sockaddr_in address = storm_address(port);
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || (listens && listen(fd, 4096) != 0))
        storm_fail("listen");
    return fd;
}

/* Closes with a reset, so that no port stays in use (TIME_WAIT). */
void storm_close_with_reset(int fd)
{
    const struct linger linger = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)close(fd);
}

bool storm_contains_word(const char *bytes, size_t size)
{
    return memmem(bytes, size, WORD, WORD_BYTES) != NULL;
}

int storm_socket(int flags)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0)
        storm_fail("socket");
    return fd;
}
