/*
 * The state of one channel, behind the public struct pfswrap_seal, and the few steps that several files of the
 * channel share. handshake.c fills it, sender.c and opener.c move it, rehandshake.c renews it. No pointer may ever
 * be added here: the block is moved between processes.
 */
#ifndef PFSWRAP_SEAL_CHANNEL_H
#define PFSWRAP_SEAL_CHANNEL_H

#include <sodium.h>
#include <stdbool.h>

#include <pfswrap/seal.h>

#include "seal/keyring.h"
#include "seal/noise.h"

enum {
    CHANNEL_LAYOUT = 0x70667301, /* changes whenever struct channel does */
    CHANNEL_SALT_BYTES = 8,
    CHANNEL_KEY_ID_BYTES = 8,
    CHANNEL_PREAMBLE_BYTES = PFSWRAP_SEAL_MAGIC_BYTES + 4 + CHANNEL_SALT_BYTES + CHANNEL_KEY_ID_BYTES,
    CHANNEL_MESSAGE_MIN = 48, /* bytes of a Noise message on the wire */
    CHANNEL_MESSAGE_MAX = 1024,
    CHANNEL_FRAME_PREFIX = 3,    /* type and length, in the clear, authenticated as additional data */
    CHANNEL_CIPHERTEXT_MIN = 17, /* an encrypted tag byte and a MAC around nothing */
    CHANNEL_CIPHERTEXT_MAX = PFSWRAP_SEAL_CHUNK_MAX + CHANNEL_CIPHERTEXT_MIN,
    CHANNEL_CONTROL_MAX = PFSWRAP_SEAL_HEADER_BYTES + CHANNEL_MESSAGE_MAX, /* plaintext of a type 1 or 2 frame */
    CHANNEL_REHANDSHAKE_SECONDS = 3600,
};
#define CHANNEL_REHANDSHAKE_BYTES ((uint64_t)64 << 30)

_Static_assert(CHANNEL_CIPHERTEXT_MIN == crypto_secretstream_xchacha20poly1305_ABYTES, "frame overhead");
_Static_assert(PFSWRAP_SEAL_OVERHEAD == CHANNEL_FRAME_PREFIX + CHANNEL_CIPHERTEXT_MIN + 1, "frame overhead");
_Static_assert(PFSWRAP_SEAL_HEADER_BYTES == crypto_secretstream_xchacha20poly1305_HEADERBYTES, "stream header");
_Static_assert(PFSWRAP_SEAL_FRAME_MAX == CHANNEL_FRAME_PREFIX + CHANNEL_CIPHERTEXT_MAX + 1, "frame");

enum channel_state {
    CHANNEL_SEND_1 = 1,    /* initiator: message 1 is owed */
    CHANNEL_AWAIT_2,       /* initiator: message 2 is awaited */
    CHANNEL_AWAIT_1,       /* responder */
    CHANNEL_SEND_2,        /* responder */
    CHANNEL_AWAIT_HEADER,  /* either: the peer's stream header comes next */
    CHANNEL_AWAIT_CONFIRM, /* responder: nothing of the initiator's has authenticated yet */
    CHANNEL_OPEN,
    CHANNEL_FAILED,
};

enum channel_renewal { /* where a re-handshake stands */
                       RENEWAL_NONE,
                       RENEWAL_ASKED,  /* initiator: the type 1 frame is out */
                       RENEWAL_ANSWER, /* initiator: its type 2 frame is owed. Responder: its own is */
                       RENEWAL_SWITCH, /* responder: the initiator's type 2 frame is awaited */
};

enum frame_type { FRAME_DATA = 0, FRAME_HANDSHAKE_1 = 1, FRAME_HANDSHAKE_2 = 2, FRAME_TYPES };

/* One direction: libsodium's stream, and how many chunks it has carried since its key last changed. */
struct channel_stream {
    crypto_secretstream_xchacha20poly1305_state stream;
    uint32_t since_rekey;
};

struct __attribute__((may_alias)) channel {
    uint32_t layout;
    int32_t error;
    uint8_t role, state, renewal, pattern;
    bool begun;       /* a frame has been sealed and sent() has not said what became of it */
    bool header_owed; /* our stream header goes out in front of the next frame */
    bool confirm_owed;
    bool closing; /* close() was called */
    bool final_sent, final_received;
    bool trailer_due;       /* the next byte of the carrier trails a frame that is already open */
    bool anything_received; /* a frame of this connection has authenticated */
    bool was_ready;         /* describe() has something to say, even after an error */
    uint8_t binding_length;
    uint16_t begun_length; /* bytes of the frame begun, header included */
    uint16_t unsent;       /* bytes of a committed frame that the carrier has yet to take */
    uint16_t begun_plaintext;
    uint32_t rekey, rehandshake_seconds, rehandshakes, transport_max;
    uint64_t now, keyed_at, volume, rehandshake_bytes;

    struct channel_stream push, pull;
    struct channel_stream undo; /* push before the frame begun; zero otherwise */
    uint8_t header[PFSWRAP_SEAL_HEADER_BYTES];
    uint8_t next_key[PFSWRAP_KEY_BYTES]; /* of the peer's direction, until its header comes; zero otherwise */

    uint8_t binding[PFSWRAP_SEAL_BINDING_MAX];
    uint8_t own_static[PFSWRAP_KEY_BYTES], peer_static[PFSWRAP_KEY_BYTES];
    uint8_t psk_id[KEYRING_PSK_ID_BYTES];
    uint8_t hash[PFSWRAP_SEAL_HASH_BYTES]; /* of the last complete handshake */
    char peer_name[PFSWRAP_NAME_BYTES];

    struct noise_handshake noise; /* zero unless a handshake is under way */
};

_Static_assert(sizeof(struct channel) <= sizeof(struct pfswrap_seal), "a channel fits its public block");
_Static_assert(_Alignof(struct channel) <= _Alignof(struct pfswrap_seal), "and its alignment");

static inline struct channel *channel_of(struct pfswrap_seal *seal)
{
    return (struct channel *)(void *)seal;
}

static inline const struct channel *channel_of_const(const struct pfswrap_seal *seal)
{
    return (const struct channel *)(const void *)seal;
}

static inline bool channel_may_send(const struct channel *channel)
{
    return channel->state == CHANNEL_OPEN ||
           (channel->state == CHANNEL_AWAIT_HEADER && channel->role == PFSWRAP_SEAL_INITIATOR);
}

/* Ends the channel with `error`, wiping every secret; returns the error in force. */
int channel_fail(struct channel *channel, int error);

/* 0, or why no call may go on: no channel, an earlier error. */
static inline int channel_check(const struct channel *channel)
{
    if (channel->layout != CHANNEL_LAYOUT || channel->state < CHANNEL_SEND_1 || channel->state > CHANNEL_FAILED)
        return PFSWRAP_SEAL_E_CHANNEL;
    return channel->error;
}

/* handshake.c: the first messages, outside any stream. */
int handshake_take(struct channel *channel, const struct pfswrap_seal_config *config, uint8_t *out);
int handshake_open(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
                   size_t available, struct pfswrap_seal_opened *opened);

/* The two keys a complete handshake leaves: for what we send, and for what the peer sends. Wipe after use. */
struct exchange_keys {
    uint8_t own[PFSWRAP_KEY_BYTES];
    uint8_t peer[PFSWRAP_KEY_BYTES];
};

/*
 * exchange.c: the Noise part, which re-handshakes share. Writers return the message's length, readers 0; both a
 * negative error. The prologue is the caller's affair. Message 2 completes: *keys, channel->hash and what was
 * agreed are set.
 */
size_t exchange_length_1(const struct channel *channel, const struct pfswrap_seal_config *config);
int exchange_write_1(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *prologue,
                     size_t prologue_length, uint8_t *out);
int exchange_read_1(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *prologue,
                    size_t prologue_length, const uint8_t *message, size_t length);
int exchange_write_2(struct channel *channel, const struct pfswrap_seal_config *config, uint8_t *out,
                     struct exchange_keys *keys);
int exchange_read_2(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *message,
                    size_t length, struct exchange_keys *keys);

/*
 * rehandshake.c: whether an initiator should begin one; the frame that is owed (0 bytes: none) and a frame that
 * came.
 */
bool rehandshake_due(const struct channel *channel);
int rehandshake_take(struct channel *channel, const struct pfswrap_seal_config *config, uint8_t *out);
int rehandshake_open(struct channel *channel, const struct pfswrap_seal_config *config, enum frame_type type,
                     const uint8_t *plaintext, size_t length);

/* Forgets a re-handshake that can no longer be completed, since one direction has ended. */
void rehandshake_abandon(struct channel *channel);

/* stream.c: one frame, with the tag the rekey interval asks for, or FINAL. */
enum { STREAM_OPENED_FINAL = 1 };
void stream_start_push(struct channel_stream *stream, uint8_t header[PFSWRAP_SEAL_HEADER_BYTES],
                       const uint8_t key[PFSWRAP_KEY_BYTES]);
void stream_start_pull(struct channel_stream *stream, const uint8_t header[PFSWRAP_SEAL_HEADER_BYTES],
                       const uint8_t key[PFSWRAP_KEY_BYTES]);

/* Writes length + PFSWRAP_SEAL_OVERHEAD bytes to `out`, and returns that. */
size_t stream_seal(struct channel_stream *stream, uint32_t rekey, enum frame_type type, bool final,
                   const void *data, size_t length, uint8_t *out);

/*
 * Opens a frame of CHANNEL_FRAME_PREFIX + length bytes to `out`, length - 17 bytes, `frame` + 4 allowed. Returns 0,
 * STREAM_OPENED_FINAL, or an error: E_FRAME, E_TAG, E_REKEY; nothing of an error's plaintext stays in `out`.
 */
int stream_open(struct channel_stream *stream, uint32_t rekey, const uint8_t *frame, size_t length, uint8_t *out);

#endif
