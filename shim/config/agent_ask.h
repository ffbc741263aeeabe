/*
 * A question to the key agent and its answer: two system calls. The tools use this file as well.
 */
#ifndef PFSWRAP_CONFIG_AGENT_ASK_H
#define PFSWRAP_CONFIG_AGENT_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "config/agent_message.h"

enum {
    AGENT_WAIT_MS = 2000, /* how long an agent may be away, or take for an answer */
    AGENT_RETRY_MS = 5,   /* between two attempts to reach it */
};

/* The socket waits at most so long in each call. */
void agent_set_timeout(int fd, unsigned milliseconds);

/* Connects to the agent. Returns a descriptor, or a negative errno value. */
int agent_connect(const char *path, unsigned timeout_ms);

/*
 * Sends *request, whose magic and id are filled in, and receives the answer to it. Returns enum agent_status; or a
 * negative errno value, after which nothing more may be asked on this socket: -ETIMEDOUT: no answer within the
 * socket's time; -EBADMSG: something that is no answer to this; -ECONNRESET, -EPIPE and others: the agent is gone.
 * The caller wipes *answer.
 */
int agent_exchange(int fd, struct agent_request *request, struct agent_answer *answer);

/* Whether the result says that there is no agent at the moment: another attempt may help. */
bool agent_is_away(int result);

/* Waits for AGENT_RETRY_MS, or less. */
void agent_pause(void);

/*
 * Asks for the public key of the identity `name`, or the id of a psk (AGENT_IDENTIFY_PSK), on a connection of its
 * own, and waits AGENT_WAIT_MS for an agent that is away. `number`: which of its keys, from 0 on. Returns enum
 * agent_status or a negative errno value.
 */
int agent_identify(const char *path, enum agent_operation operation, const char *name, unsigned number,
                   struct agent_answer *answer);

/* The result in words. */
const char *agent_result_text(int result);

#endif
