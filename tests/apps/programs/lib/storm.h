/*
 * The parts of descriptor_storm (seal/descriptor_storm.c), which says what they do. Each storm_* that is a part of
 * its command line prints its counts as one line of JSON, and returns an exit status: 1 if something arrived that
 * must not arrive.
 */
#ifndef PFSWRAP_TESTS_STORM_H
#define PFSWRAP_TESTS_STORM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* What a program sends: no byte of it may reach a peer that has no key. MAGIC begins a sealed connection
 * (docs/WIRE.md). */
#define WORD "PFSMARK:readable"
#define MAGIC "\xf5pfsw\r\n\x01"
enum { WORD_BYTES = sizeof WORD - 1, MAGIC_BYTES = sizeof MAGIC - 1, THREADS_MOST = 64 };

/* How a peer behaves. The port is FIRST_PORT plus this number. REFUSES does not listen. */
enum kind { ECHOES, CLOSES, RESETS, SLOW, SILENT, REFUSES, KINDS };

/* Peers of every kind, until standard input ends. */
int storm_listen(int first_port);

/* Threads that accept, send WORD and close, until standard input ends. */
int storm_serve(int threads, int at);

/* Threads that connect `count` times in all, and read what comes. */
int storm_call(int threads, long count, int to);

/* --- what these parts share; each ends the program if the system refuses something --- */

_Noreturn void storm_fail(const char *what);
struct sockaddr_in storm_address(int port);

/* A socket that is bound, and listens unless `listens` is false. */
int storm_listen_on(int port, bool listens);

/* A TCP socket. `flags`: those of socket(2). */
int storm_socket(int flags);

/* Closes with a reset, so that no port stays in use (TIME_WAIT). */
void storm_close_with_reset(int fd);

bool storm_contains_word(const char *bytes, size_t size);

#endif
