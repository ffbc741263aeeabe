/*
 * The file of `[tls] key-state`: when a server's public key was first used. Programs only append to it, each line
 * in one call, so they need no lock, and several processes and services of one user may share it: of several lines
 * for a key, the earliest counts.
 */
#ifndef PFSWRAP_TLS_KEY_STATE_H
#define PFSWRAP_TLS_KEY_STATE_H

#include <stdint.h>

#include "policy/policy.h"

/*
 * Opens the file, before the program changes its root directory or its user: with each context that it makes, until
 * this succeeds. Not in a handshake, which may run on a small stack. Keeps errno.
 */
void key_state_begin(const struct policy_tls *tls);

/*
 * When the key with this SHA-256 of its SubjectPublicKeyInfo was first used, in Unix time. If the file does not
 * know it, or only a time after `now`, that is `now`, and the file has it from then on. Returns 0, or a negative
 * errno value: the file cannot be read, or the new line cannot be written. Keeps errno.
 */
int key_state_first_use(const uint8_t digest[POLICY_PIN_BYTES], int64_t now, int64_t *first);

#endif
