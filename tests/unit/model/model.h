/*
 * Every order in which a few threads can do their steps: a model of the kernel's table of descriptors, and a
 * scheduler that runs threads as coroutines and switches between them at each step that others can notice (a system
 * call, an operation on a shared word). An execution may be preempted at most `bound` times where the thread could
 * have continued; all executions within the bound are run (context bounding: Musuvathi and Qadeer, PLDI 2007). A
 * switch at a point where a thread waits costs nothing, and if all threads wait, it is a deadlock.
 *
 * The kernel here has files and TCP sockets. A peer is one without the key, or one that resets the connection: the
 * fault that the model looks for is a byte written to it without the shim's seal.
 */
#ifndef PFSWRAP_TESTS_MODEL_H
#define PFSWRAP_TESTS_MODEL_H

#include <stdbool.h>
#include <sys/socket.h>

enum {
    MODEL_NUMBERS = 16,
    MODEL_HIDDEN = 9 /* the shim's numbers, 400 and above in the real kernel, begin here */
};

enum model_peer { PEER_KEYLESS, PEER_KEYED, PEER_REFUSES, PEER_RESETS, PEER_PLAIN /* no rule seals it */ };

/* One test: what each thread does, from a state without descriptors. A thread's index is its argument. */
struct model_scenario {
    const char *name;
    int threads;
    int bound;
    void (*run)(int thread);
    void (*begin)(void); /* or NULL: makes what exists before the threads begin */
};

/* Explores it. Returns the number of executions; a fault ends the test and prints the order of its steps. */
long model_explore(const struct model_scenario *scenario);

/*
 * For the threads: a new descriptor with the number that the kernel gives it, and the calls that the model answers
 * itself.
 */
int model_open_file(void);
int model_socket(void);
int model_real_connect(int fd, const struct sockaddr *address, socklen_t length);
int model_real_close(int fd);
int model_real_dup(int fd);
int model_real_dup2(int fd, int fd2);
int model_real_close_range(unsigned first, unsigned last, int flags);

/*
 * The program's write(2), as the kernel does it: 1, or a negated errno. Ends the test if a peer whose connection
 * must be sealed can read it.
 */
int model_real_write(int fd);

/* Ends the test if it does not hold, with the steps that led there. */
void model_expect(bool holds, const char *what);

/* For stubs: this thread can continue only after another one has made a step. */
void model_wait(void);
bool model_wait_or_time_out(void); /* false: no other thread can continue, and time passes */
void model_step(void);             /* other threads may run here */
void model_changed(void);          /* what waiting threads wait for may be there now */
int model_self(void);

/* Whether the connection at a descriptor number is established in the kernel, and which peer it has. */
bool model_is_connected(int fd);
enum model_peer model_peer_of(int fd);

/* Between the scheduler and the kernel: a line of the trace; no file is open any more; whether a number is open. */
void model_tell(const char *what, long a);
void model_reset_kernel(void);
bool model_is_open(int fd);

#endif
