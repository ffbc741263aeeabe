/*
 * Two sealed connections in one process, a client's and a server's. The test moves the bytes between them, as many
 * at a time as it likes, and may change or cut them. Every case is a process of its own (CK_FORK).
 */
#ifndef PFSWRAP_TESTS_CONNECTION_LINK_H
#define PFSWRAP_TESTS_CONNECTION_LINK_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connection/endpoint.h"
#include "connection/stream.h"
#include "config/init.h"

struct link {
    int client, server;           /* sealed descriptors */
    int client_wire, server_wire; /* the other ends: what comes out of one goes into the other */
};

/* The rules of link_start_policy(), by their numbers. */
enum { LINK_LISTEN, LINK_CONNECT, LINK_PREFER };

/*
 * Makes `directory` (a template of mkdtemp(3), which is changed) with keys and a policy, and lets the shim read
 * them.
 */
void link_start_policy(char *directory);

/* The same, with more lines at the end of the policy. */
void link_start_policy_with(char *directory, const char *more);

/* Removes what link_start_policy() has made, and the log. */
void link_end_policy(const char *directory);

/* The text of the audit log, at most 65535 bytes, to be freed with free(). */
char *link_read_log(const char *directory);

/* Two connected TCP sockets with TCP_NODELAY, not sealed. */
void link_pair(int *one, int *other);

/* Seals a connected socket under the rule with this number, as the initiator or as the responder. */
void link_seal(int fd, uint16_t rule, bool initiator, bool nonblocking);

/*
 * Both ends sealed and non-blocking, after the handshake, which goes over the wire in pieces of `piece` bytes. On a
 * busy machine a byte may take some time to cross the loopback; Check's time limit ends a handshake that never
 * completes.
 */
struct link link_open(size_t piece);

/* Moves up to `most` bytes from one wire end to the other. Returns how many, 0 at end of file, -1 if there are
 * none. */
ssize_t link_move(int from, int to, size_t most);

/* Moves what the client has sent to the server's socket, in pieces of `piece` bytes, until nothing more comes. */
void link_deliver(const struct link *link, size_t piece);

/* Whether the kernel reports `fd` as readable. */
bool link_is_readable(int fd);

/* Waits until `fd` is readable: a byte that was sent has crossed the loopback. */
void link_await(int fd);

/* recv(2) and send(2) on a sealed descriptor, through the shim. */
ssize_t link_receive(int fd, void *bytes, size_t size, int flags);
ssize_t link_send(int fd, const void *bytes, size_t size);

/* Whether the connection's handshake is done. */
bool link_is_open(int fd);

/* Everything that the client has sent must be `text` at the server. */
void link_expect(const struct link *link, const char *text);

/* How many processes and handoff sockets have the connection of this descriptor. */
uint32_t link_holders(int fd);

/* The child ends with this status. */
void link_expect_exit(pid_t child, int expected);

#endif
