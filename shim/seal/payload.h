/*
 * Handshake payloads: type (u8), length (u8), value, repeated. What is not known is skipped, so that a later
 * version can add to it. Bytes in, bytes out; knows no keys.
 */
#ifndef PFSWRAP_SEAL_PAYLOAD_H
#define PFSWRAP_SEAL_PAYLOAD_H

#include "seal/keyring.h"

enum {
    PAYLOAD_REKEY = 1,  /* u32, big-endian, 1 or more: most chunks between rekeys; without it 1 */
    PAYLOAD_PSK_ID = 2, /* 8 bytes; message 1 has one for each psk of the initiator, best first */
    PAYLOAD_REKEY_BYTES = 2 + 4,
    PAYLOAD_PSK_ID_BYTES = 2 + KEYRING_PSK_ID_BYTES,
};

struct payload {
    uint32_t rekey;
    size_t psk_id_count; /* further ones than fit are ignored, as a responder cannot know them all anyway */
    uint8_t psk_ids[PFSWRAP_KEYRING_PSKS_MAX][KEYRING_PSK_ID_BYTES];
};

/* Each writes its bytes to `out` and returns their number. */
size_t payload_write_rekey(uint8_t *out, uint32_t rekey);
size_t payload_write_psk_id(uint8_t *out, const uint8_t id[KEYRING_PSK_ID_BYTES]);

/* Returns 0, or -1: a value that runs over the end, a known type of the wrong length or twice, a rekey of 0. */
int payload_read(struct payload *payload, const uint8_t *bytes, size_t length);

#endif
