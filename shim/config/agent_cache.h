/*
 * Results of the key agent for two static keys (Noise's token ss). Each handshake of two peers needs the same one,
 * and another one that is new; so a process asks once in each handshake, and not twice. Without the other one,
 * which only the agent can compute, no handshake is complete: what is kept here replaces no permission.
 */
#ifndef PFSWRAP_CONFIG_AGENT_CACHE_H
#define PFSWRAP_CONFIG_AGENT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

/* Makes the memory: one page, which core dumps leave out and a fork wipes. Without it nothing is kept. */
void agent_cache_start(void);

/* The arguments are keys of 32 bytes. No lock, no system call. */
bool agent_cache_find(const uint8_t *own, const uint8_t *peer, uint8_t *shared);
void agent_cache_keep(const uint8_t *own, const uint8_t *peer, const uint8_t *shared);

#endif
