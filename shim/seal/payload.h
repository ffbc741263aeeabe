/*
 * Handshake payloads: any number of type (u8), length (u8), value. Unknown types are ignored, so that a later
 * version can add some. See docs/WIRE.md.
 */
#ifndef PFSWRAP_SEAL_PAYLOAD_H
#define PFSWRAP_SEAL_PAYLOAD_H

#include "seal/keyring.h"

enum {
    PAYLOAD_REKEY = 1, /* u32, big-endian, 1 or more: largest number of chunks between rekeys; 1 if it is missing */
    PAYLOAD_PSK_ID = 2,  /* 8 bytes; message 1 has one for each psk of the initiator, the preferred one first */
    PAYLOAD_PADDING = 3, /* 1 byte: 1 if all data of this side is in padded frames, 0 if it only reads them */
    PAYLOAD_REKEY_BYTES = 2 + 4,
    PAYLOAD_PADDING_BYTES = 2 + 1,
    PAYLOAD_PSK_ID_BYTES = 2 + KEYRING_PSK_ID_BYTES,
};

struct payload {
    uint32_t rekey;
    bool padding, pads;  /* the peer reads padded frames; its data is in such frames */
    size_t psk_id_count; /* more than fit are ignored: a keyring has no more psks than that */
    uint8_t psk_ids[PFSWRAP_KEYRING_PSKS_MAX][KEYRING_PSK_ID_BYTES];
};

/* Write one entry to `out` and return its length, the PAYLOAD_..._BYTES of the type. */
size_t payload_write_rekey(uint8_t *out, uint32_t rekey);
size_t payload_write_padding(uint8_t *out, bool pads);
size_t payload_write_psk_id(uint8_t *out, const uint8_t id[KEYRING_PSK_ID_BYTES]);

/*
 * Reads a payload of `length` bytes. Returns 0, or -1: a value does not fit, a known type has the wrong length, the
 * rekey interval or the padding occurs twice, the interval is 0, or the padding above 1.
 */
int payload_read(struct payload *payload, const uint8_t *bytes, size_t length);

#endif
