/*
 * The state of a channel, and functions that several files use. handshake.c makes the first keys, sender.c and
 * opener.c send and receive, rehandshake.c replaces the keys, and limits.c ends a connection whose keys are not
 * replaced. No pointer may be added to the state, because it is moved between processes.
 *
 * The state of a Noise handshake is apart from the channel, since it is three times as long and needed only between
 * two messages. Callers that have many channels keep it elsewhere, and pass it. The public struct pfswrap_seal has
 * both (seal.c).
 */
#ifndef PFSWRAP_SEAL_CHANNEL_H
#define PFSWRAP_SEAL_CHANNEL_H

#include <sodium.h>
#include <stdbool.h>

#include <pfswrap/seal.h>

#include "seal/keyring.h"
#include "seal/noise.h"
#include "seal/padding.h"

enum {
    CHANNEL_LAYOUT = 0x70667305, /* to be changed whenever struct channel is */
    CHANNEL_SALT_BYTES = 8,
    CHANNEL_KEY_ID_BYTES = 8,
    CHANNEL_PREAMBLE_BYTES = PFSWRAP_SEAL_MAGIC_BYTES + 4 + CHANNEL_SALT_BYTES + CHANNEL_KEY_ID_BYTES,
    CHANNEL_MESSAGE_MIN = 48, /* bytes of a Noise message on the wire */
    CHANNEL_MESSAGE_MAX = 1024,
    CHANNEL_HYBRID_MESSAGE_MIN = CHANNEL_MESSAGE_MIN + MLKEM_CIPHERTEXT_BYTES + NOISE_TAG_BYTES, /* 1,152 */
    CHANNEL_HYBRID_MESSAGE_MAX = CHANNEL_MESSAGE_MAX + MLKEM_PUBLIC_BYTES + NOISE_TAG_BYTES,     /* 2,224 */
    CHANNEL_FRAME_PREFIX = 3,    /* type and length: not encrypted, but authenticated as additional data */
    CHANNEL_CIPHERTEXT_MIN = 17, /* an encrypted tag byte and a MAC, without plaintext */
    CHANNEL_CIPHERTEXT_MAX = PFSWRAP_SEAL_CHUNK_MAX + CHANNEL_CIPHERTEXT_MIN,
    CHANNEL_PADDING_TRAILER = 2, /* bytes at the end of a padded plaintext: how many zeros are before them */
    /* The plaintext of a type 1 or 2 frame, and with it the payload in it. */
    CHANNEL_CONTROL_MAX = PFSWRAP_SEAL_HEADER_BYTES + CHANNEL_HYBRID_MESSAGE_MAX,
    CHANNEL_SCRATCH_BYTES = CHANNEL_CONTROL_MAX + CHANNEL_HYBRID_MESSAGE_MAX,

    /* docs/WIRE.md, 2.11, has the reasons for these limits. */
    CHANNEL_REHANDSHAKE_SECONDS = 3600, /* age of the keys at which a re-handshake is due */
    CHANNEL_OVERDUE_SECONDS = 86400,    /* how long frames may pass after that without a re-handshake */
    CHANNEL_PAUSE_SECONDS = 3600,       /* what counts of a time in which no frame passes, at most */
    CHANNEL_PEER_SECONDS = 3600,        /* between two checks of the peer's key */
    CHANNEL_SERVED_MAX = 32,            /* re-handshakes in a row that a responder answers */
    CHANNEL_SERVED_SECONDS = 1,         /* after which it answers one more */
    CHANNEL_ASKED_MAX = 16, /* the same for an initiator; less, so that two clocks that differ do no harm */
    CHANNEL_ASKED_SECONDS = 2,
};
#define CHANNEL_REHANDSHAKE_BYTES ((uint64_t)64 << 30)
#define CHANNEL_OVERDUE_BYTES ((uint64_t)1 << 40)

_Static_assert(CHANNEL_CIPHERTEXT_MIN == crypto_secretstream_xchacha20poly1305_ABYTES, "frame overhead");
_Static_assert(PFSWRAP_SEAL_OVERHEAD == CHANNEL_FRAME_PREFIX + CHANNEL_CIPHERTEXT_MIN + 1, "frame overhead");
_Static_assert(PFSWRAP_SEAL_HEADER_BYTES == crypto_secretstream_xchacha20poly1305_HEADERBYTES, "stream header");
_Static_assert(PFSWRAP_SEAL_FRAME_MAX == CHANNEL_FRAME_PREFIX + CHANNEL_CIPHERTEXT_MAX + 1, "frame");

enum channel_state {
    CHANNEL_SEND_1 = 1,    /* initiator: message 1 must be sent */
    CHANNEL_AWAIT_2,       /* initiator: message 2 comes next */
    CHANNEL_AWAIT_1,       /* responder: message 1 comes next */
    CHANNEL_SEND_2,        /* responder: message 2 must be sent */
    CHANNEL_AWAIT_HEADER,  /* both: the peer's stream header comes next */
    CHANNEL_AWAIT_CONFIRM, /* responder: the initiator's first frame comes next */
    CHANNEL_OPEN,
    CHANNEL_FAILED,
};

enum channel_renewal { /* the state of a re-handshake */
                       RENEWAL_NONE,
                       RENEWAL_ASKED,  /* initiator: the type 1 frame was sent */
                       RENEWAL_ANSWER, /* both: the own type 2 frame must be sent */
                       RENEWAL_SWITCH, /* responder: the initiator's type 2 frame comes next */
};

enum frame_type { FRAME_DATA = 0, FRAME_HANDSHAKE_1 = 1, FRAME_HANDSHAKE_2 = 2, FRAME_PADDED = 3, FRAME_TYPES };

static inline bool frame_type_has_data(uint8_t type)
{
    return type == FRAME_DATA || type == FRAME_PADDED;
}

/* One direction: libsodium's stream, and the number of chunks since its last rekey. */
struct channel_stream {
    crypto_secretstream_xchacha20poly1305_state stream;
    uint32_t since_rekey;
};

struct __attribute__((may_alias)) channel {
    uint32_t layout;
    int32_t error;
    uint8_t role, state, renewal, pattern;
    bool begun;       /* begin() made a frame, and sent() has not been called for it */
    bool header_owed; /* the own stream header must be sent in front of the next frame */
    bool confirm_owed;
    bool closing; /* close() was called */
    bool final_sent, final_received;
    bool trailer_due;        /* the next byte from the transport is the last one of a frame that was opened */
    bool anything_received;  /* an authentic frame was received */
    bool was_ready;          /* describe() has an answer, even after an error */
    bool overdue;            /* a frame has passed since the re-handshake was due */
    uint8_t recent;          /* re-handshakes that count for their rate limit */
    uint8_t padding : 4;     /* enum padding: of this side */
    bool padding_agreed : 1; /* both sides read padded frames */
    bool peer_pads : 1;      /* all data of the peer is in such frames */
    uint16_t begun_length;   /* bytes of the frame that was begun, header included */
    uint16_t unsent;         /* bytes of a committed frame that the transport has not taken */
    uint32_t rekey, rehandshake_seconds, rehandshakes, transport_max;
    uint32_t overdue_for; /* seconds during which frames have passed since then */
    uint64_t now, keyed_at, volume, rehandshake_bytes;
    uint64_t overdue_at; /* the last of these frames */
    uint64_t recent_at;  /* when `recent` was last lowered */
    uint64_t peer_checked_at;
    int64_t peer_not_after; /* the last second in which the peer's key is valid */

    struct channel_stream push, pull;
    uint8_t header[PFSWRAP_SEAL_HEADER_BYTES]; /* of the own stream that an exchange of keys begins; not secret */
    uint8_t next_key[PFSWRAP_KEY_BYTES];       /* of the peer's direction until its header is received, else zero */

    uint8_t own_static[PFSWRAP_KEY_BYTES], peer_static[PFSWRAP_KEY_BYTES];
    uint8_t psk_id[KEYRING_PSK_ID_BYTES];
    uint8_t hash[PFSWRAP_SEAL_HASH_BYTES]; /* of the last complete handshake */
    char peer_name[PFSWRAP_NAME_BYTES];
};

/* What both sides must have in common, as the caller says. Used in the first handshake only. */
struct channel_binding {
    uint8_t length;
    uint8_t bytes[PFSWRAP_SEAL_BINDING_MAX];
};

/* What the public block consists of. */
struct __attribute__((may_alias)) channel_block {
    struct channel channel;
    struct channel_stream undo;   /* `push` before the frame that was begun, else zero */
    struct noise_handshake noise; /* zero except during an exchange of keys */
    struct channel_binding binding;
};

_Static_assert(sizeof(struct channel_block) <= sizeof(struct pfswrap_seal), "a channel fits its public block");
_Static_assert(_Alignof(struct channel_block) <= _Alignof(struct pfswrap_seal), "and its alignment");

static inline struct channel_block *channel_block_of(struct pfswrap_seal *seal)
{
    return (struct channel_block *)(void *)seal;
}

static inline struct channel *channel_of(struct pfswrap_seal *seal)
{
    return (struct channel *)(void *)seal;
}

static inline const struct channel *channel_of_const(const struct pfswrap_seal *seal)
{
    return (const struct channel *)(const void *)seal;
}

/* Fills *opened for the event PFSWRAP_SEAL_MORE, and returns that. */
static inline int channel_more(struct pfswrap_seal_opened *opened, size_t need)
{
    opened->need = need;
    return PFSWRAP_SEAL_MORE;
}

static inline bool channel_is_hybrid(const struct channel *channel)
{
    return noise_pattern_is_hybrid((enum noise_pattern)channel->pattern);
}

/* Whether the data of this side is in padded frames. */
static inline bool channel_pads(const struct channel *channel)
{
    return channel->padding > PADDING_ALLOW;
}

/* Whether a Noise message of the pattern may have this length on the wire. */
static inline bool channel_message_fits(uint8_t pattern, size_t length)
{
    return noise_pattern_is_hybrid((enum noise_pattern)pattern)
               ? length >= CHANNEL_HYBRID_MESSAGE_MIN && length <= CHANNEL_HYBRID_MESSAGE_MAX
               : length >= CHANNEL_MESSAGE_MIN && length <= CHANNEL_MESSAGE_MAX;
}

static inline bool channel_may_send(const struct channel *channel)
{
    return channel->state == CHANNEL_OPEN ||
           (channel->state == CHANNEL_AWAIT_HEADER && channel->role == PFSWRAP_SEAL_INITIATOR);
}

/*
 * Memory of the caller's for the messages of handshakes: CHANNEL_SCRATCH_BYTES, or NULL, and a stack for ML-KEM.
 * Without them, it is taken from the caller's stack: 5 KiB, and 32 KiB more in hybrid patterns. `noise` is not
 * optional: channel_takes_message() and channel_opens_message() say when it is needed, and channel_is_exchanging()
 * whether the next message needs the same again. When that is false, the caller wipes it. `binding` may be NULL.
 */
struct channel_room {
    uint8_t *scratch;
    struct mlkem_stack stack;
    struct noise_handshake *noise;
    const struct channel_binding *binding;
};

/* Whether an exchange of keys is between its two messages, so that the state of the Noise handshake is needed. */
static inline bool channel_is_exchanging(const struct channel *channel)
{
    return channel->state == CHANNEL_AWAIT_2 || channel->state == CHANNEL_SEND_2 ||
           (channel->state != CHANNEL_FAILED &&
            (channel->renewal == RENEWAL_ASKED ||
             (channel->renewal == RENEWAL_ANSWER && channel->role == PFSWRAP_SEAL_RESPONDER)));
}

/*
 * seal.c, for calls with a public block and a room of the caller's. What the block has for the room; NULL has
 * nothing. After the call: wipes what a handshake that has failed leaves in the block, and returns `result`.
 */
struct channel_room channel_room_of(struct pfswrap_seal *seal);
int channel_settle(struct pfswrap_seal *seal, int result);

/* Ends the channel with `error`, wipes its secrets, and returns `error`. */
int channel_fail(struct channel *channel, int error);

/*
 * Returns 0, or the error with which every call must fail: E_CHANNEL, or the one that ended the channel. NULL is
 * not a channel.
 */
static inline int channel_check(const struct channel *channel)
{
    if (channel == NULL || channel->layout != CHANNEL_LAYOUT || channel->state < CHANNEL_SEND_1 ||
        channel->state > CHANNEL_FAILED)
        return PFSWRAP_SEAL_E_CHANNEL;
    return channel->error;
}

/*
 * handshake.c: the first messages, before the streams. take returns the length of the message in `out` (0: there is
 * none), open returns an event; both may return an error.
 */
int handshake_take(struct channel *channel, const struct pfswrap_seal_config *config,
                   const struct channel_room *room, uint8_t *out);
int handshake_open(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
                   size_t available, const struct channel_room *room, struct pfswrap_seal_opened *opened);

/* Whether a channel can work with these settings, which the caller may have changed since pfswrap_seal_init(). */
bool channel_config_is_valid(const struct pfswrap_seal_config *config);

/* The keys after a handshake: of the own direction and of the peer's. To be wiped after use. */
struct exchange_keys {
    uint8_t own[PFSWRAP_KEY_BYTES];
    uint8_t peer[PFSWRAP_KEY_BYTES];
};

/*
 * The random bytes that one side needs for an exchange. To be wiped after use. The salt is that of the preamble,
 * which only the initiator of a connection sends.
 */
struct exchange_random {
    uint8_t salt[CHANNEL_SALT_BYTES];
    uint8_t e[NOISE_KEY_BYTES];
    uint8_t header[PFSWRAP_SEAL_HEADER_BYTES];
};
void exchange_draw(struct exchange_random *random, bool with_salt);

/*
 * exchange.c: the Noise messages of handshakes and re-handshakes. Functions that write return the message's length,
 * those that read return 0; both may return an error. Message 2 completes the exchange: it fills *keys,
 * channel->hash and everything that both sides have agreed on, and wipes room->noise. `bytes` is memory for a
 * payload, CHANNEL_HYBRID_MESSAGE_MAX bytes.
 * exchange_check_peer() decides whether the keys of both sides are still good: 0 or an error.
 */
size_t exchange_length_1(const struct channel *channel, const struct pfswrap_seal_config *config);
int exchange_write_1(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *prologue,
                     size_t prologue_length, const struct exchange_random *random, const struct channel_room *room,
                     uint8_t *out);
int exchange_read_1(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *prologue,
                    size_t prologue_length, const uint8_t *message, size_t length, const struct channel_room *room,
                    uint8_t *bytes);
int exchange_write_2(struct channel *channel, const struct pfswrap_seal_config *config,
                     const struct exchange_random *random, const struct channel_room *room, uint8_t *out,
                     struct exchange_keys *keys);
int exchange_read_2(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *message,
                    size_t length, const struct channel_room *room, struct exchange_keys *keys, uint8_t *bytes);
int exchange_check_peer(struct channel *channel, const struct pfswrap_seal_config *config);

/*
 * Before a re-handshake, which ends the connection if its answer cannot be read: whether another process that has
 * the static key, or the psk, answers. Results that this process keeps do not show that. Returns 0, E_AGENT or
 * E_NO_IDENTITY.
 */
int exchange_check_holder(const struct channel *channel, const struct pfswrap_seal_config *config);

/*
 * limits.c: when a re-handshake is due, and when a connection ends because there was none (docs/WIRE.md, 2.11).
 *
 * limits_start() follows a handshake or re-handshake that is complete. limits_check() comes before each frame that
 * passes, and limits_check_peer() before a call that has the settings. Both return 0 or an error that ends the
 * channel. limits_may_rehandshake() says whether the rate limit allows one more, which limits_count_rehandshake()
 * counts. limits_postpone() lets an initiator begin none for CHANNEL_ASKED_SECONDS.
 */
void limits_start(struct channel *channel);
bool limits_are_due(const struct channel *channel);
int limits_check(struct channel *channel);
int limits_check_peer(struct channel *channel, const struct pfswrap_seal_config *config);
bool limits_may_rehandshake(const struct channel *channel);
void limits_count_rehandshake(struct channel *channel);
void limits_postpone(struct channel *channel);

/*
 * rehandshake.c: whether an initiator should begin a re-handshake; whether a frame of the peer is due for one, so
 * that a program that only sends has to look for it; writes the frame that must be sent and returns its length (0:
 * there is none) or an error; and reads the plaintext of a frame of type 1 or 2, and returns 0 or an error. `bytes`
 * has CHANNEL_HYBRID_MESSAGE_MAX bytes.
 */
bool rehandshake_due(const struct channel *channel);
bool rehandshake_awaits_peer(const struct channel *channel);
int rehandshake_take(struct channel *channel, const struct pfswrap_seal_config *config,
                     const struct channel_room *room, uint8_t *out);
int rehandshake_open(struct channel *channel, const struct pfswrap_seal_config *config, enum frame_type type,
                     const uint8_t *plaintext, size_t length, const struct channel_room *room, uint8_t *bytes);

/* Ends a re-handshake that cannot be completed, because one direction has been closed. */
void rehandshake_abandon(struct channel *channel);

/*
 * The functions of pfswrap/seal.h for a channel whose other parts are elsewhere. begin saves the sender's stream in
 * *undo, and the sent that follows wipes it. channel_noise_is_sane() is the part of pfswrap_seal_is_sane() for the
 * state of a handshake.
 */
int channel_init(struct channel *channel, enum pfswrap_seal_role role, const struct pfswrap_seal_config *config,
                 unsigned candidate, uint64_t now);
void channel_tick(struct channel *channel, uint64_t now);
bool channel_ready(const struct channel *channel);
bool channel_owes(const struct channel *channel);
bool channel_trailer_due(const struct channel *channel);
int channel_describe(const struct channel *channel, struct pfswrap_seal_info *info);
bool channel_is_sane(const struct channel *channel);
bool channel_noise_is_sane(const struct noise_handshake *noise);
int channel_begin(struct channel *channel, struct channel_stream *undo, const void *data, size_t length,
                  uint8_t *out, size_t size, size_t *accepted);
int channel_sent(struct channel *channel, struct channel_stream *undo, uint8_t *out, size_t taken);
int channel_close(struct channel *channel);
int channel_end(struct channel *channel);
void channel_poison(struct channel *channel);
int channel_take(struct channel *channel, const struct pfswrap_seal_config *config, const struct channel_room *room,
                 uint8_t *out, size_t size);
int channel_open(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
                 size_t available, uint8_t *out, size_t size, const struct channel_room *room,
                 struct pfswrap_seal_opened *opened);
int channel_open_in_place(struct channel *channel, const struct pfswrap_seal_config *config, uint8_t *in,
                          size_t available, const struct channel_room *room, struct pfswrap_seal_opened *opened);

/*
 * What a call with these bytes needs of its room. channel_needs_scratch(): they are a message of a handshake, or
 * will be. channel_opens_message(): reading them takes the state of a Noise handshake; channel_opens_with_mlkem():
 * and ML-KEM. channel_takes_message() and channel_takes_with_mlkem(): the same for the next channel_take().
 */
bool channel_needs_scratch(const struct channel *channel, const uint8_t *in, size_t available);
bool channel_opens_message(const struct channel *channel, const uint8_t *in, size_t available);
bool channel_opens_with_mlkem(const struct channel *channel, const uint8_t *in, size_t available);
bool channel_takes_message(const struct channel *channel);
bool channel_takes_with_mlkem(const struct channel *channel);

/* stream.c: single frames. A stream begins with a header of random bytes; so the sender's side begins as the
 * receiver's. */
enum {
    STREAM_OPENED_FINAL = 1,
    STREAM_PLAINTEXT_AT = CHANNEL_FRAME_PREFIX + 1, /* in a frame: where the ciphertext of the data begins */
};
void stream_start(struct channel_stream *stream, const uint8_t header[PFSWRAP_SEAL_HEADER_BYTES],
                  const uint8_t key[PFSWRAP_KEY_BYTES]);

/*
 * Seals `length` bytes as a frame, with the tag FINAL, or REKEY after `rekey` chunks. Writes length +
 * PFSWRAP_SEAL_OVERHEAD bytes to `out`, and returns that number. `data` may be out + STREAM_PLAINTEXT_AT.
 */
size_t stream_seal(struct channel_stream *stream, uint32_t rekey, enum frame_type type, bool final,
                   const void *data, size_t length, uint8_t *out);

/*
 * Opens a frame of CHANNEL_FRAME_PREFIX + length bytes and writes length - CHANNEL_CIPHERTEXT_MIN bytes to `out`,
 * which may be frame + 4. Returns 0, STREAM_OPENED_FINAL, or an error: E_FRAME, E_TAG or E_REKEY. After an error no
 * plaintext is left in `out`.
 */
int stream_open(struct channel_stream *stream, uint32_t rekey, const uint8_t *frame, size_t length, uint8_t *out);

#endif
