/*
 * What the test programs share: a TCP connection to or from the loopback, and how they fail. Each program is one
 * file that includes this. Knows nothing of TLS and of pfswrap.
 */
#ifndef PFSWRAP_TESTS_PEER_H
#define PFSWRAP_TESTS_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Says what failed and ends the program with status 1. */
__attribute__((noreturn, unused)) static void fail(const char *what)
{
    (void)fprintf(stderr, "%s failed: %s\n", what, strerror(errno));
    exit(1);
}

/* The loopback address with the port that `text` says. */
__attribute__((unused)) static struct sockaddr_in peer_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)strtoul(text, NULL, 10));
    return address;
}

/* Connects to a port of the loopback; returns the descriptor. */
__attribute__((unused)) static int peer_connect(const char *port)
{
    struct sockaddr_in address = peer_address(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect");
    return fd;
}

/* Listens on a port of the loopback; returns the descriptor. */
__attribute__((unused)) static int peer_listen(const char *port)
{
    struct sockaddr_in address = peer_address(port);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0)
        fail("listen");
    return fd;
}

#endif
