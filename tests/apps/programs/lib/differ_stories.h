/*
 * Stories of more than one thread or process, and of rarer ways to connect. Each makes its own
 * connections. A part of sock_differ.
 */
#ifndef PFSWRAP_TESTS_DIFFER_STORIES_H
#define PFSWRAP_TESTS_DIFFER_STORIES_H

/* The path of this program, which story_execute() executes. */
extern const char *stories_program;

/* What the program does when it is executed with a connection: it returns what arrives in the other case. */
int stories_in_another_program(int argc, char **argv);

/* Large transfers both ways at once, in random pieces: by four threads, or by two threads each in two processes. */
void story_transfer_both_ways(void);

/* This program executed with a connection, by posix_spawn, vfork or fork. */
void story_execute(void);

/* A connection passed over a Unix socket, to this process or to another. */
void story_pass_on(void);

/* Formatted output and lines of input by stdio. */
void story_print(void);

/* TCP fast open, by sendto() or by connect(). */
void story_connect_fast(void);

/* Multipath TCP, where the kernel has it. */
void story_connect_by_many_paths(void);

/* A non-blocking connect: EINPROGRESS, EALREADY or EISCONN, then writable, without an error. */
void story_connect_without_waiting(void);

/* Bytes sent before the peer accepts arrive, with and without shutdown. */
void story_send_before_accept(void);

/* The process that F_SETOWN names gets SIGIO when something arrives. */
void story_be_signalled(void);

#endif
