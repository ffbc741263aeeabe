/*
 * This process's connections to the key agent, for the results of identities and psks that the agent has
 * (agent_message.h).
 */
#ifndef PFSWRAP_CONFIG_AGENT_H
#define PFSWRAP_CONFIG_AGENT_H

#include "policy/policy.h"
#include "seal/noise.h"

/* For shim/order.c. A child of a fork gets connections of its own. */
extern const struct process_observer agent_process_observer;

/*
 * Connects, if the policy has identities or psks of the agent and there is no connection. At the start of the
 * program: the agent then knows this process by the user that it has now, also after it has given up its privileges
 * or changed its root directory. Before a system call filter, too: a child of a fork may not have asked yet.
 */
void agent_start(const struct policy *policy);

/*
 * A noise_remote_dh() and a noise_remote_psk(). Two system calls; more if there is no connection yet. While the
 * agent is away it waits, for at most AGENT_WAIT_MS or handshake-timeout from the first failure on; after that it
 * fails at once, until an agent answers again. Keeps errno. The tools do not link them: there, a keyring has NULL
 * in their place.
 */
noise_remote_dh agent_dh __attribute__((weak));
noise_remote_psk agent_psk __attribute__((weak));

#endif
