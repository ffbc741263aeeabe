/*
 * What the sock_*.c programs share. A scenario is a sentence about a TCP connection. It is written as two
 * functions, one for each end, or as one function that holds both ends. Each program runs one of its scenarios:
 *
 *     sock_X SCENARIO PORT [ADDRESS [both|client|server]]
 *
 * and prints "ok" if everything that it expects came true. Otherwise it prints what it expected and exits with
 * status 1. The programs do not depend on pfswrap: what they expect holds on bare TCP. Where a sealed connection
 * must differ (a truncated stream is an error), they ask sock_is_sealed().
 */
#ifndef PFSWRAP_TESTS_SOCK_H
#define PFSWRAP_TESTS_SOCK_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOCK_DEADLINE_MS = 50000 }; /* what waits longer than this hangs, on a busy machine too */

struct sock_target {
    struct sockaddr_storage address;
    socklen_t length;
};

struct scenario {
    const char *name;
    void (*server)(int fd);                          /* with the accepted connection */
    void (*client)(int fd);                          /* with the connected one, in a child process */
    void (*alone)(const struct sock_target *target); /* or: one function that makes its own connections */
};

extern struct sock_target sock_target_global; /* for scenarios that open further connections */
extern int sock_side;                         /* a Unix socket to the other end's process */
extern pid_t sock_peer_pid;                   /* the client's process, in the server's; 0: do not wait for it */

/* Prints what was expected, with errno, and ends the process with status 1. */
#define sock_fail(...) sock_fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define sock_expect(condition, ...)                                                                                \
    do {                                                                                                           \
        if (!(condition))                                                                                          \
            sock_fail_at(__FILE__, __LINE__, __VA_ARGS__);                                                         \
    } while (0)

__attribute__((noreturn, format(printf, 3, 4))) void sock_fail_at(const char *file, int line, const char *format,
                                                                  ...);

/* Whether the connections of this run are sealed: the test script sets SOCK_SEALED. */
bool sock_is_sealed(void);

/* --- what is sent: text in which each byte depends on its offset, and which a capture of the wire recognises ---
 */

/* The byte at offset `at` of stream `seed`. */
unsigned char text_byte(uint64_t at, unsigned seed);

/* Writes `size` bytes of stream `seed`, from offset `at`, to `buffer`. */
void text_fill(void *buffer, size_t size, uint64_t at, unsigned seed);

/* Expects `buffer` to hold exactly those bytes. */
void text_check(const void *buffer, size_t size, uint64_t at, unsigned seed);

/* Sends `size` bytes of stream `seed`, from offset `at`, in writes of at most `step` bytes. */
void text_send(int fd, uint64_t at, size_t size, size_t step, unsigned seed);

/* Receives exactly `size` bytes of stream `seed` from offset `at`, in reads of at most `step` bytes, and compares.
 */
void text_receive(int fd, uint64_t at, size_t size, size_t step, unsigned seed);

/* Expects the stream to be at its orderly end, and to stay there. */
void text_expect_end(int fd);

/*
 * Expects the end of a stream whose sender gave up on a full socket, after `at` bytes were reported as sent. A
 * sealed stream may have one byte more, the next one that the sender offered: once the kernel took a part of a
 * frame, the frame has to be finished.
 */
void text_expect_end_at(int fd, uint64_t at, unsigned seed);

/* Receives the piece with this number, of `size` bytes of stream 1, and sends the same piece of stream 2. */
void text_take_turn(int fd, size_t size, size_t piece);

/* --- connections --- */

/* `address` is an IPv4 or IPv6 address, `port` a decimal number. */
struct sock_target sock_target_parse(const char *address, const char *port);

/* A socket that listens on the target, with close-on-exec. */
int sock_listen(const struct sock_target *target);

/*
 * A socket for the target that is not connected yet; `flags` as SOCK_NONBLOCK. With SOCK_SMALL=BYTES in the
 * environment this and sock_listen() make the kernel's buffers that small, with segments that fit them, as on a
 * network: the loopback's segments of 64 KiB would stop and start by timers.
 */
int sock_open(const struct sock_target *target, int flags);

/* A connected, blocking socket. */
int sock_connect(const struct sock_target *target);

/* The next connection of a listening socket. */
int sock_accept(int listener);

void sock_set_nonblocking(int fd, bool on);
void sock_set_nodelay(int fd);

/* Waits by poll(2) until one of `events` is reported on the descriptor. Returns what poll reported. */
int sock_wait(int fd, int events);

/* Which of `events` poll(2) reports now, or 0. */
int sock_ready(int fd, int events);

/*
 * Sends stream `seed` on a non-blocking descriptor until the kernel takes no more, or `limit` bytes. Returns the
 * number of bytes sent.
 */
size_t sock_stuff(int fd, size_t limit, unsigned seed);

/* Sends a byte and receives one. After this a connection is complete, sealed or not. */
void sock_greet(int fd);

/* The client of a server that echoes everything: sends 300,000 bytes, and then expects the end of the stream. */
void sock_echo_client(int fd);

/* --- messages to the other end's process, on a Unix socket: they must not travel on a connection under test --- */

void side_send(uint64_t word);
uint64_t side_receive(void);

/* --- processes --- */

/* fork(2). The child is killed when its parent ends. */
pid_t sock_fork(void);

/* The same past libc's fork() and its handlers, as vsftpd and language runtimes do it. */
pid_t sock_fork_by_clone(void);

/* Waits for a child and returns its exit status; a signal counts as 128 + its number. */
int sock_reap(pid_t pid);

/* The program that a scenario executes to continue: the same file, or the one that SOCK_PROGRAM names. */
const char *sock_program(void);

/* The state letter of a process or thread (proc(5), stat, field 3): S sleeps, Z has ended. X: there is none. */
char sock_state_of(pid_t pid);

/* Runs the scenario that the command line names, from a list that ends with a NULL name. Returns the exit status.
 */
int scenario_main(int argc, char **argv, const struct scenario *scenarios);

#endif
