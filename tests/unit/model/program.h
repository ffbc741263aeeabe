/*
 * Calls of a program in the model, and what each of them must do whatever other threads do meanwhile. A call that
 * does not ends the test.
 */
#ifndef PFSWRAP_TESTS_MODEL_PROGRAM_H
#define PFSWRAP_TESTS_MODEL_PROGRAM_H

#include "model/model.h"

/* connect(2) to a peer. Returns 0, or -1 with errno. */
int program_connect(int fd, enum model_peer peer);

/* write(2) of one byte. Returns 1, or a negated errno. */
int program_write(int fd);

/* A new TCP socket. */
int program_socket(void);

/* Opens a file, writes to it and closes it. Connects a socket, writes to it and closes it. */
void program_use_file(void);
void program_use_connection(enum model_peer peer);

#endif
