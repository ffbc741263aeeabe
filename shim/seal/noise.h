/*
 * The Noise handshakes IK, NK, IKpsk2 and NKpsk2 (Noise specification revision 34, sections 7.5 and 9), and the
 * same with hybrid forward secrecy (tokens e1 and ekem1, "Noise Extension: Hybrid Forward Secrecy"), each of two
 * messages. Does no I/O. Static keys and psks are arguments and are not copied into the state.
 */
#ifndef PFSWRAP_SEAL_NOISE_H
#define PFSWRAP_SEAL_NOISE_H

#include <stdbool.h>

#include "seal/mlkem.h"
#include "seal/symmetric.h"

enum noise_pattern {
    NOISE_IK = 1,
    NOISE_NK,
    NOISE_IKPSK2,
    NOISE_NKPSK2,
    NOISE_IKHFS, /* the hybrid patterns, in the same order */
    NOISE_NKHFS,
    NOISE_IKHFS_PSK2,
    NOISE_NKHFS_PSK2,
    NOISE_PATTERNS, /* behind the last one */
};

enum noise_error {
    NOISE_E_AUTHENTIC = -1,   /* a wrong authentication tag, or a message that is too short for its tags */
    NOISE_E_SMALL_ORDER = -2, /* a shared secret of zeros (RFC 7748, section 6.1) */
    NOISE_E_STATE = -3,       /* noise_use_ephemeral() was not called  */
    NOISE_E_KEM_KEY = -4,     /* the peer's ML-KEM key is not valid (FIPS 203, section 7.2) */
    NOISE_E_STATIC = -5,      /* the own static key or a psk is elsewhere, and its holder does not answer */
};

/*
 * The Diffie-Hellman function of a static key that is not in this process: X25519 of the secret that belongs to
 * `own` and of `peer`. `is_lasting`: `peer` is a static key, so the same question will come again. Returns 0, or
 * -1: no answer. It may wait.
 */
typedef int noise_remote_dh(const uint8_t own[NOISE_KEY_BYTES], const uint8_t peer[NOISE_KEY_BYTES],
                            bool is_lasting, uint8_t shared[NOISE_KEY_BYTES]);

/* The own static key. Without `secret`, `dh` is asked; without both, each use is NOISE_E_STATIC. */
struct noise_static {
    const uint8_t *secret, *public_key;
    noise_remote_dh *dh;
};

enum { NOISE_PSK_ID_BYTES = 8 };

/*
 * noise_extract() with a psk that is not in this process, but has this id there. Returns 0, or -1: no answer. It
 * may wait.
 */
typedef int noise_remote_psk(const uint8_t id[NOISE_PSK_ID_BYTES], const uint8_t ck[NOISE_KEY_BYTES],
                             uint8_t extracted[NOISE_KEY_BYTES]);

/* A psk. If it is remote, `key` is zeros, and `extract` is asked; without that, each use is NOISE_E_STATIC. */
struct noise_psk {
    uint8_t key[NOISE_KEY_BYTES];
    uint8_t id[NOISE_PSK_ID_BYTES];
    bool is_remote;
    noise_remote_psk *extract;
};

struct noise_handshake {
    struct noise_symmetric symmetric;
    uint8_t e[NOISE_KEY_BYTES]; /* the own ephemeral secret, until its last use */
    uint8_t e_public[NOISE_KEY_BYTES];
    uint8_t re[NOISE_KEY_BYTES]; /* the peer's ephemeral public key */
    uint8_t rs[NOISE_KEY_BYTES]; /* the peer's static public key; a responder gets it with message 1 */
    uint8_t pattern;             /* enum noise_pattern */
    uint8_t has_ephemeral;
    bool kem_received;                    /* responder: `kem` is the initiator's key */
    uint8_t kem[MLKEM_PUBLIC_BYTES];      /* hybrid patterns: the key, or the ciphertext that answers it */
    uint8_t kem_secret[MLKEM_SEED_BYTES]; /* initiator: the seed; responder: the shared secret */
};

static inline bool noise_pattern_has_psk(enum noise_pattern pattern)
{
    return pattern == NOISE_IKPSK2 || pattern == NOISE_NKPSK2 || pattern == NOISE_IKHFS_PSK2 ||
           pattern == NOISE_NKHFS_PSK2;
}

static inline bool noise_pattern_has_client_key(enum noise_pattern pattern)
{
    return pattern == NOISE_IK || pattern == NOISE_IKPSK2 || pattern == NOISE_IKHFS || pattern == NOISE_IKHFS_PSK2;
}

static inline bool noise_pattern_is_hybrid(enum noise_pattern pattern)
{
    return pattern >= NOISE_IKHFS;
}

/* The bytes of a message in addition to its payload. */
size_t noise_overhead_1(enum noise_pattern pattern);
size_t noise_overhead_2(enum noise_pattern pattern);

/* Begins a handshake, with its prologue and the responder's static public key. */
void noise_start(struct noise_handshake *handshake, enum noise_pattern pattern, const uint8_t *prologue,
                 size_t prologue_length, const uint8_t responder_static[NOISE_KEY_BYTES]);

/*
 * Takes `secret`, random bytes that are used for nothing else, as a new ephemeral key. In hybrid patterns also
 * makes the key of ML-KEM, or the ciphertext for the key that message 1 has brought. Must be called before each
 * message is written. `stack` is for ML-KEM (mlkem.h). Returns 0, or NOISE_E_KEM_KEY.
 */
int noise_use_ephemeral(struct noise_handshake *handshake, const uint8_t secret[NOISE_KEY_BYTES],
                        const struct mlkem_stack *stack);

/*
 * Initiator: writes message 1, noise_overhead_1() + length bytes, to `out`. `s` is the own static key; it is used
 * only if the pattern has a client key. Returns 0 or an error.
 */
int noise_write_1(struct noise_handshake *handshake, const struct noise_static *s, const uint8_t *payload,
                  size_t length, uint8_t *out);

/*
 * Responder: reads message 1 of `length` bytes and writes its payload, length - noise_overhead_1() bytes, to
 * `payload`, which has room for at least one byte. `s` is the own static key. Afterwards handshake->rs is the
 * client's static key. Returns the payload's length or an error.
 */
int noise_read_1(struct noise_handshake *handshake, const struct noise_static *s, const uint8_t *message,
                 size_t length, uint8_t *payload);

/*
 * Responder: writes message 2, noise_overhead_2() + length bytes, to `out`. `psk` is used with psk patterns.
 * Returns 0 or an error.
 */
int noise_write_2(struct noise_handshake *handshake, const struct noise_psk *psk, const uint8_t *payload,
                  size_t length, uint8_t *out);

/*
 * Initiator: reads message 2 of `length` bytes. With psk patterns, the `psk_count` keys in `psks` are tried in
 * turn, and *psk is the index of the right one. `s` is the own static key, if the pattern has a client key.
 * `payload` has room for a whole message. Returns the payload's length or an error.
 */
int noise_read_2(struct noise_handshake *handshake, const struct noise_static *s,
                 const struct noise_psk *const *psks, size_t psk_count, size_t *psk, const uint8_t *message,
                 size_t length, uint8_t *payload, const struct mlkem_stack *stack);

#endif
