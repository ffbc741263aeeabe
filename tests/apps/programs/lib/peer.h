/*
 * What the TLS programs share: TCP connections over the loopback, and how a program fails. Nothing here depends on
 * TLS or on pfswrap.
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

/* Prints what failed, with errno in words, and ends the program with status 1. */
__attribute__((noreturn)) void fail(const char *what);

/* The loopback address with `port`, a decimal number. */
struct sockaddr_in peer_address(const char *port);

/* Connects to a port of the loopback and returns the descriptor. Ends the program if that fails. */
int peer_connect(const char *port);

/* Listens on a port of the loopback and returns the descriptor. Ends the program if that fails. */
int peer_listen(const char *port);

#endif
