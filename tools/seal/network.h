/*
 * TCP connections by host name and port. Descriptors that these functions return do not block, and are closed on
 * exec.
 */
#ifndef PFSWRAP_TOOLS_SEAL_NETWORK_H
#define PFSWRAP_TOOLS_SEAL_NETWORK_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { NETWORK_TEXT_MAX = 80 }; /* bytes of "[ADDRESS]:PORT", with the terminator */

/*
 * The addresses of a host, to be freed with freeaddrinfo(3). Returns NULL after a message. `passive`: to listen on;
 * then an empty host is every address of this machine.
 */
struct addrinfo *network_resolve(const char *host, const char *port, bool passive);

/* Connects to the address. Returns the descriptor, or a negative errno value: -ETIMEDOUT after `timeout_ms`. */
int network_connect(const struct addrinfo *address, int timeout_ms);

/* Listens on the first of the addresses that works. Returns the descriptor, or a negative errno value. */
int network_listen(const struct addrinfo *addresses);

/*
 * Waits for a connection. Returns its descriptor and sets *local to its address here; or returns a negative errno
 * value.
 */
int network_accept(int listener, struct sockaddr_storage *local, socklen_t *length);

/* Writes the address as [ADDRESS]:PORT or ADDRESS:PORT, in digits. */
void network_text(const struct sockaddr *address, socklen_t length, char text[static NETWORK_TEXT_MAX]);

/*
 * Waits until one of `events` (poll(2)) is there. `deadline_ms` is a time of network_now(), or -1: none. Returns 0,
 * or a negative errno value: -ETIMEDOUT at the deadline.
 */
int network_wait(int fd, short events, long deadline_ms);

/* Milliseconds of CLOCK_MONOTONIC. */
long network_now(void);

#endif
