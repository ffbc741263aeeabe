/*
 * What the load programs of the socket benchmark share: sockets on the loopback, clocks, arguments. Each of them is
 * an ordinary program without code for pfswrap or for proxies, so that all contenders carry the same load. Anything
 * unexpected ends the program with status 1: a figure is printed only by a run in which every byte arrived.
 */
#ifndef PFSWRAP_TESTS_LOAD_H
#define PFSWRAP_TESTS_LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Prints the program's name, what failed and errno in words, and ends the program with status 1. */
_Noreturn void die(const char *what);

static inline void must(int condition, const char *what)
{
    if (!condition)
        die(what);
}

/* CLOCK_MONOTONIC in seconds. */
double clock_seconds(void);

/* A whole number between the two bounds, both included. Ends the program with status 2 if `text` is none. */
long number_parse(const char *text, long least, long most);

/* Raises the limit of open descriptors to the hard limit. */
void descriptors_allow_many(void);

/* `host` is in host byte order, as INADDR_LOOPBACK is. */
struct sockaddr_in loopback(uint32_t host, long port);

/* TCP_NODELAY. */
void socket_send_at_once(int fd);

/* A socket that listens on 127.0.0.1. */
int socket_listen(long port);

/*
 * A blocking connection from 127.0.0.1, or with `source` from another address of the loopback. A client that opens
 * tens of thousands of connections a second would otherwise run out of ports, since each stays in TIME_WAIT for a
 * minute.
 */
int socket_connect(long port, uint32_t source);

void socket_make_nonblocking(int fd);

/* The next connection, non-blocking; -1 if none is waiting. */
int socket_accept_at_once(int listener);

/* All of `length` bytes, on a blocking socket. */
void write_all(int fd, const void *data, size_t length);
void read_all(int fd, void *data, size_t length);

/* An epoll, and a registration with it: `data` is what an event carries. */
int poller_new(void);
void poller_add(int poller, int fd, uint32_t events, void *data);

/*
 * Flushes the figures and waits for the end of standard input: the benchmark measures this process first, and then
 * closes it.
 */
void wait_for_leave(void);

#endif
