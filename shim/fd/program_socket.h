/*
 * A socket as the program sees it, for modules that must not call interposed functions. The kernel's answer is not
 * always the right one: behind a sealed descriptor the kernel has ciphertext, and the program's end of a relayed
 * connection is a Unix socket.
 *
 * All functions keep errno, and none of them waits.
 */
#ifndef PFSWRAP_FD_PROGRAM_SOCKET_H
#define PFSWRAP_FD_PROGRAM_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum program_socket_end { PROGRAM_SOCKET_LOCAL, PROGRAM_SOCKET_PEER };

/*
 * The address that getsockname(2) or getpeername(2) gives the program, and its length. Returns false if `fd` is not
 * a socket, or has no peer.
 */
bool program_socket_address(int fd, enum program_socket_end end, struct sockaddr_storage *address,
                            socklen_t *length);

/*
 * Whether the Unix socket `fd` stands for a TCP connection. If so, *address is an address of that connection, and
 * program_socket_tcp_length() is its length.
 */
bool program_socket_tcp_address(int fd, enum program_socket_end end, struct sockaddr_in6 *address);
socklen_t program_socket_tcp_length(const struct sockaddr_in6 *address);

/* How many bytes a read returns at most; 0 also if `fd` cannot be read. */
size_t program_socket_available(int fd);

/* Copies up to `size` bytes that the next read will return. Returns their number, 0 at the end, or -1. */
ssize_t program_socket_peek(int fd, void *bytes, size_t size);

/* shutdown(2). The callers do not need its result. */
void program_socket_shutdown(int fd, int how);

/* Whether reads and writes wait (no O_NONBLOCK). Returns false also if `fd` is not open. */
bool program_socket_blocks(int fd);

/* A module with Unix sockets that stand for TCP connections. */
struct address_resolver {
    /* Returns false if the Unix socket `fd` does not stand for a TCP connection. May change errno. */
    bool (*resolve)(int fd, enum program_socket_end end, struct sockaddr_in6 *address);
};
extern const struct address_resolver *const address_resolvers[]; /* in shim/order.c; ends with NULL */

#endif
