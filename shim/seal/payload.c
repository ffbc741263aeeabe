/*
 * Reads and writes handshake payloads. See payload.h.
 */
#include "seal/payload.h"

#include <string.h>

size_t payload_write_rekey(uint8_t *out, uint32_t rekey)
{
    out[0] = PAYLOAD_REKEY;
    out[1] = 4;
    for (int i = 0; i < 4; i++)
        out[2 + i] = (uint8_t)(rekey >> (8 * (3 - i)));
    return PAYLOAD_REKEY_BYTES;
}

size_t payload_write_padding(uint8_t *out, bool pads)
{
    out[0] = PAYLOAD_PADDING;
    out[1] = 1;
    out[2] = pads;
    return PAYLOAD_PADDING_BYTES;
}

size_t payload_write_psk_id(uint8_t *out, const uint8_t id[KEYRING_PSK_ID_BYTES])
{
    out[0] = PAYLOAD_PSK_ID;
    out[1] = KEYRING_PSK_ID_BYTES;
    memcpy(out + 2, id, KEYRING_PSK_ID_BYTES);
    return PAYLOAD_PSK_ID_BYTES;
}

static int read_rekey(struct payload *payload, const uint8_t *value, size_t length)
{
    if (payload->rekey != 0 || length != 4)
        return -1;
    payload->rekey = (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 | (uint32_t)value[2] << 8 | value[3];
    return payload->rekey == 0 ? -1 : 0;
}

static int read_padding(struct payload *payload, const uint8_t *value, size_t length)
{
    if (payload->padding || length != 1 || value[0] > 1)
        return -1;
    payload->padding = true;
    payload->pads = value[0] == 1;
    return 0;
}

static int read_psk_id(struct payload *payload, const uint8_t *value, size_t length)
{
    if (length != KEYRING_PSK_ID_BYTES)
        return -1;
    if (payload->psk_id_count < PFSWRAP_KEYRING_PSKS_MAX)
        memcpy(payload->psk_ids[payload->psk_id_count++], value, length);
    return 0;
}

int payload_read(struct payload *payload, const uint8_t *bytes, size_t length)
{
    memset(payload, 0, sizeof *payload);
    while (length > 0) {
        size_t value;

        if (length < 2 || (value = bytes[1]) > length - 2)
            return -1;
        switch (bytes[0]) {
        case PAYLOAD_REKEY:
            if (read_rekey(payload, bytes + 2, value) != 0)
                return -1;
            break;
        case PAYLOAD_PSK_ID:
            if (read_psk_id(payload, bytes + 2, value) != 0)
                return -1;
            break;
        case PAYLOAD_PADDING:
            if (read_padding(payload, bytes + 2, value) != 0)
                return -1;
            break;
        default:
            break;
        }
        bytes += 2 + value;
        length -= 2 + value;
    }
    if (payload->rekey == 0)
        payload->rekey = 1;
    return 0;
}
