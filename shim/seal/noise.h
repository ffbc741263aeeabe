/*
 * The Noise handshakes IK, NK, IKpsk2 and NKpsk2 (Noise specification revision 34, sections 7.5 and 9) as two
 * messages each. Bytes in, bytes out: knows no framing, no files and no names. Static secrets and psks are borrowed
 * for a call and never copied into the state.
 */
#ifndef PFSWRAP_SEAL_NOISE_H
#define PFSWRAP_SEAL_NOISE_H

#include <stdbool.h>

#include "seal/symmetric.h"

enum noise_pattern { NOISE_IK = 1, NOISE_NK = 2, NOISE_IKPSK2 = 3, NOISE_NKPSK2 = 4 };

enum noise_error {
    NOISE_E_AUTHENTIC = -1,   /* a tag that is wrong, or a message too short to have its tags */
    NOISE_E_SMALL_ORDER = -2, /* an all-zero shared secret (RFC 7748 section 6.1) */
    NOISE_E_STATE = -3,       /* no ephemeral key has been made */
};

struct noise_handshake {
    struct noise_symmetric symmetric;
    uint8_t e[NOISE_KEY_BYTES]; /* our ephemeral secret, until its last use */
    uint8_t e_public[NOISE_KEY_BYTES];
    uint8_t re[NOISE_KEY_BYTES]; /* the peer's ephemeral */
    uint8_t rs[NOISE_KEY_BYTES]; /* the peer's static; a responder learns it from message 1 */
    uint8_t pattern;             /* enum noise_pattern */
    uint8_t has_ephemeral;
};

static inline bool noise_pattern_has_psk(enum noise_pattern pattern)
{
    return pattern == NOISE_IKPSK2 || pattern == NOISE_NKPSK2;
}

static inline bool noise_pattern_has_client_key(enum noise_pattern pattern)
{
    return pattern == NOISE_IK || pattern == NOISE_IKPSK2;
}

/* Bytes a message is longer than its payload. */
size_t noise_overhead_1(enum noise_pattern pattern);
size_t noise_overhead_2(void);

/* Begins a handshake: protocol name, prologue, and the responder's static public key. */
void noise_start(struct noise_handshake *handshake, enum noise_pattern pattern, const uint8_t *prologue,
                 size_t prologue_length, const uint8_t responder_static[NOISE_KEY_BYTES]);

/* Makes a fresh ephemeral key pair; each write needs one first, and uses it up. */
void noise_make_ephemeral(struct noise_handshake *handshake);

/*
 * Initiator, message 1: writes noise_overhead_1() + length bytes to `out`. With a client key pattern `s` and
 * `s_public` are ours. Returns 0 or an error.
 */
int noise_write_1(struct noise_handshake *handshake, const uint8_t *s, const uint8_t *s_public,
                  const uint8_t *payload, size_t length, uint8_t *out);

/*
 * Responder, message 1 of `length` bytes: its payload goes to `payload`, of length - overhead bytes (at least one
 * of room). `s` is our static secret. After it handshake->rs is the client's. Returns the payload's length or an
 * error.
 */
int noise_read_1(struct noise_handshake *handshake, const uint8_t *s, const uint8_t *message, size_t length,
                 uint8_t *payload);

/* Responder, message 2: writes noise_overhead_2() + length bytes. `psk` with psk patterns. Returns 0 or an error.
 */
int noise_write_2(struct noise_handshake *handshake, const uint8_t *psk, const uint8_t *payload, size_t length,
                  uint8_t *out);

/*
 * Initiator, message 2. `psks` are `psk_count` candidates, tried in turn; *psk is which one it was. `s` is our
 * static secret with client key patterns. Returns the payload's length or an error.
 */
int noise_read_2(struct noise_handshake *handshake, const uint8_t *s, const uint8_t *const *psks, size_t psk_count,
                 size_t *psk, const uint8_t *message, size_t length, uint8_t *payload);

#endif
