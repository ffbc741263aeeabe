/*
 * The journal of an echo server for tests with hostile peers. link: -l:libsodium.a in programs that use it.
 *
 * The bytes that a client may send follow from its address and the seed (expected_bytes() in hostile_peer.py). For
 * each connection there is a line on standard output when it is accepted, `ADDRESS open 0`, when the first wrong
 * byte arrives, `ADDRESS wrong POSITION`, and when it has ended, `ADDRESS end BYTES`.
 */
#ifndef PFSWRAP_TESTS_JOURNAL_H
#define PFSWRAP_TESTS_JOURNAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct journal {
    struct in_addr address;
    unsigned char *expected; /* NULL: nothing has arrived yet */
    size_t received;
    bool is_wrong;
};

/* `seed` is a decimal number. Once, before the first connection. */
void journal_start(const char *seed);

void journal_open(struct journal *journal, struct in_addr address);
void journal_received(struct journal *journal, const void *bytes, size_t count);
void journal_end(struct journal *journal);

/*
 * The server's socket, on all addresses. Ends the program by status 0 at SIGTERM. accept() of a connection's number
 * and address; -1: see errno.
 */
int journal_listen(const char *port, bool blocks);
int journal_accept(int listener, struct in_addr *address, int flags);

/* A thread with this much stack for each connection: calls serve(client_new()), which ends the client. */
_Noreturn void journal_serve_in_threads(int listener, size_t stack,
                                        void *(*client_new)(int fd, struct in_addr address),
                                        void *(*serve)(void *));

#endif
