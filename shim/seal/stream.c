/*
 * The frames of a secretstream. Type and length are additional data, every tag is checked, and the stack is wiped
 * after each call that may rekey.
 */
#include "seal/channel.h"

#include <string.h>

#include "seal/cipher.h"
#include "seal/wipe.h"

_Static_assert((int)CIPHER_AD_BYTES == (int)CHANNEL_FRAME_PREFIX, "type and length are the additional data");
_Static_assert((int)CIPHER_OVERHEAD == (int)CHANNEL_CIPHERTEXT_MIN, "frame overhead");

void stream_start(struct channel_stream *stream, const uint8_t header[PFSWRAP_SEAL_HEADER_BYTES],
                  const uint8_t key[PFSWRAP_KEY_BYTES])
{
    memset(stream, 0, sizeof *stream);
    crypto_secretstream_xchacha20poly1305_init_pull(&stream->stream, header, key);
    dead_stack_wipe(DEAD_STACK_STREAM);
}

size_t stream_seal(struct channel_stream *stream, uint32_t rekey, enum frame_type type, bool final,
                   const void *data, size_t length, uint8_t *out)
{
    const size_t ciphertext = length + CHANNEL_CIPHERTEXT_MIN;
    uint8_t tag = crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;

    if (final) {
        tag = crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    } else if (++stream->since_rekey >= rekey) {
        tag = crypto_secretstream_xchacha20poly1305_TAG_REKEY;
        stream->since_rekey = 0;
    }
    out[0] = (uint8_t)type;
    out[1] = (uint8_t)(ciphertext >> 8);
    out[2] = (uint8_t)ciphertext;
    cipher_push(&stream->stream, out + CHANNEL_FRAME_PREFIX, data, length, out, tag);
    dead_stack_wipe(DEAD_STACK_STREAM);
    out[CHANNEL_FRAME_PREFIX + ciphertext] = 0;
    return length + PFSWRAP_SEAL_OVERHEAD;
}

int stream_open(struct channel_stream *stream, uint32_t rekey, const uint8_t *frame, size_t length, uint8_t *out)
{
    uint8_t tag;
    int result = 0;

    if (!cipher_pull(&stream->stream, out, &tag, frame + CHANNEL_FRAME_PREFIX, length - CHANNEL_CIPHERTEXT_MIN,
                     frame)) {
        result = PFSWRAP_SEAL_E_FRAME;
    } else {
        switch (tag) {
        case crypto_secretstream_xchacha20poly1305_TAG_REKEY:
            stream->since_rekey = 0;
            break;
        case crypto_secretstream_xchacha20poly1305_TAG_FINAL:
            result = STREAM_OPENED_FINAL;
            break;
        case crypto_secretstream_xchacha20poly1305_TAG_MESSAGE:
            if (++stream->since_rekey >= rekey)
                result = PFSWRAP_SEAL_E_REKEY;
            break;
        default:
            result = PFSWRAP_SEAL_E_TAG;
            break;
        }
        if (result < 0)
            sodium_memzero(out, length - CHANNEL_CIPHERTEXT_MIN);
    }
    dead_stack_wipe(DEAD_STACK_STREAM);
    return result;
}
