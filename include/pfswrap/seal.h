/*
 * pfswrap/seal.h: one sealed connection, a channel, as a state machine without I/O. The caller moves bytes, the
 * channel interprets them. It authenticates the peer (Noise IK, NK, IKpsk2 or NKpsk2 with 25519, ChaChaPoly and
 * SHA256, and with ML-KEM-768 in the hybrid patterns) and then carries data in both directions in libsodium
 * secretstreams, which are rekeyed at every chunk. docs/WIRE.md describes every byte.
 *
 * How to drive it. Whenever pfswrap_seal_owes() is true, pfswrap_seal_take() produces bytes for the transport.
 * Bytes from the transport go into pfswrap_seal_open(), as often as it makes progress. Data is sent in two steps:
 * pfswrap_seal_begin() produces a frame, and pfswrap_seal_sent() reports how much of it the transport has taken.
 * Bytes must reach the transport in the order in which take() and begin() produce them.
 *
 * Where it may be. A struct pfswrap_seal is one flat block without pointers. It may be moved with memcpy() (the old
 * copy must then be wiped and not be used again), be in shared memory, and be passed on over exec in a memfd. After
 * a fork, two processes have it: all but one must wipe it without using it, or a key stream is used twice. It
 * contains live keys, so it belongs in memory that is neither swapped nor dumped. Only one thread at a time may be
 * in a call for a channel. No call allocates, blocks, locks or makes a system call, except getrandom(2) when a
 * handshake message is produced. There is deliberately no call that copies or restores a state. A call that makes
 * or reads a handshake message may use 12 KiB of stack, and 40 KiB in a hybrid pattern.
 *
 * Errors are negative values of enum pfswrap_seal_error. An error of the protocol is final: the keys are wiped, and
 * every later call returns the same error. Nothing about the error is sent to the peer. A channel that is NULL is
 * E_CHANNEL; of the functions without an error, those that ask something return false, and the others do nothing.
 * Any other pointer that a function needs and that is NULL is E_ARGUMENT.
 */
#ifndef PFSWRAP_SEAL_H
#define PFSWRAP_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pfswrap/keys.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum {
    PFSWRAP_SEAL_CHUNK_MAX = 16384,   /* bytes of plaintext in one frame */
    PFSWRAP_SEAL_OVERHEAD = 21,       /* bytes of a frame in addition to its plaintext, trailing byte included */
    PFSWRAP_SEAL_FRAME_MAX = 16405,   /* bytes of a whole frame; also the largest value of `need` */
    PFSWRAP_SEAL_HEADER_BYTES = 24,   /* of a secretstream, in front of the first frame of each direction */
    PFSWRAP_SEAL_BEGIN_OVERHEAD = 45, /* bytes that begin() may need in addition to the plaintext */
    PFSWRAP_SEAL_TAKE_BYTES = 1536,   /* bytes that take() needs; 512 are enough without post_quantum */
    PFSWRAP_SEAL_MAGIC_BYTES = 8,     /* at the beginning of a connection */
    PFSWRAP_SEAL_BINDING_MAX = 32,    /* bytes of a channel binding */
    PFSWRAP_SEAL_HASH_BYTES = 32,
    PFSWRAP_SEAL_TLS_RECORD = 16384, /* transport_max inside TLS: a frame fits in one record */
};

struct pfswrap_seal {
    uint8_t opaque[2048] __attribute__((aligned(16)));
};

enum pfswrap_seal_role { PFSWRAP_SEAL_INITIATOR = 1, PFSWRAP_SEAL_RESPONDER = 2 };

enum pfswrap_seal_pattern { /* the values are those on the wire */
                            PFSWRAP_SEAL_IK = 1,
                            PFSWRAP_SEAL_NK = 2,
                            PFSWRAP_SEAL_IKPSK2 = 3,
                            PFSWRAP_SEAL_NKPSK2 = 4,
                            /* the same with ML-KEM-768: hybrid forward secrecy */
                            PFSWRAP_SEAL_IKHFS = 5,
                            PFSWRAP_SEAL_NKHFS = 6,
                            PFSWRAP_SEAL_IKHFS_PSK2 = 7,
                            PFSWRAP_SEAL_NKHFS_PSK2 = 8,
};

/*
 * Hybrid patterns keep a recording secret from a quantum computer. There is no negotiation: an initiator uses one
 * unless it is OFF. A responder accepts what these words say.
 */
enum pfswrap_seal_post_quantum {
    PFSWRAP_SEAL_POST_QUANTUM_OFF = 0, /* no hybrid pattern */
    PFSWRAP_SEAL_POST_QUANTUM_ALLOW,   /* both */
    PFSWRAP_SEAL_POST_QUANTUM_REQUIRE, /* hybrid patterns only */
};

/*
 * Padding hides the sizes of what a side writes: each frame is made longer before it is sealed. Each side decides
 * for what it sends. A side that pads refuses a peer with PADDING_OFF. `padding` of the settings is one of these,
 * or a power of 2 from PADDING_BLOCK_MIN to PADDING_BLOCK_MAX: the plaintext of a frame is a multiple of it.
 */
enum {
    PFSWRAP_SEAL_PADDING_OFF = 0,
    PFSWRAP_SEAL_PADDING_ALLOW = 1, /* the peer may pad, or not; this side does not */
    PFSWRAP_SEAL_PADDING_PADME = 2, /* at most 12 % more, which leaves few different sizes (docs/WIRE.md, 2.12) */
    PFSWRAP_SEAL_PADDING_BLOCK_MIN = 16,
    PFSWRAP_SEAL_PADDING_BLOCK_MAX = 16384,
};

/*
 * Settings that channels share. They must not change while a channel uses them. Calls that may need them have them
 * as an argument, because a channel contains no pointers. Zero is the default of every member except `keyring`.
 */
struct pfswrap_seal_config {
    const struct pfswrap_keyring *keyring;
    const char *service;      /* NULL, or up to 63 bytes; the same on both sides */
    const char *const *names; /* initiator: the peers it may connect to, at least one. Responder: the clients that
                                 it admits; without any, all peers of the keyring */
    size_t name_count;
    bool anonymous;         /* initiator: use NK. Responder: admit every client, also with NK */
    uint32_t rekey;         /* largest number of chunks between rekeys, in both directions; 0 means 1 */
    uint32_t transport_max; /* largest number of bytes that begin() may produce; 0: no limit */
    /*
     * The age of the keys in seconds at which a re-handshake is due; 0: 3,600; UINT32_MAX: never. And the bytes of
     * plaintext, in both directions, after which it is due; 0: 64 GiB; UINT64_MAX: never. The initiator then asks
     * for new keys. Either side ends the connection if it carries data for another day, or another TiB, without a
     * re-handshake (E_OVERDUE). Both sides should have the same values.
     */
    uint32_t rehandshake_seconds;
    uint64_t rehandshake_bytes;
    enum pfswrap_seal_post_quantum post_quantum;
    uint32_t padding;
};

/* The pattern's name in Noise's terms, such as "IKpsk2" or "IKhfs", as a constant string; "unknown" for others. */
const char *pfswrap_seal_pattern_name(enum pfswrap_seal_pattern pattern);

/* Whether this build of the library has ML-KEM-768, and so the hybrid patterns. */
bool pfswrap_seal_has_post_quantum(void);

enum pfswrap_seal_error {
    /* Mistakes of the caller: the channel has not changed. */
    PFSWRAP_SEAL_E_ARGUMENT = -1,    /* a size, pointer or setting that is not valid */
    PFSWRAP_SEAL_E_NOT_READY = -2,   /* data before the handshake is complete and the peer has confirmed it */
    PFSWRAP_SEAL_E_TAKE_FIRST = -3,  /* take() has bytes that must go out before this */
    PFSWRAP_SEAL_E_UNSENT = -4,      /* an earlier frame has not been reported as sent completely */
    PFSWRAP_SEAL_E_CLOSED = -5,      /* data after pfswrap_seal_close() */
    PFSWRAP_SEAL_E_NO_IDENTITY = -6, /* the keyring has no identity, or no longer the one of this channel; final if
                                        open() returns it in a re-handshake */
    PFSWRAP_SEAL_E_NO_PEER = -7,     /* the keyring has no valid key for the names in the settings */
    PFSWRAP_SEAL_E_KEY_EXPIRED = -8, /* the keyring's identities, or its psks, may not begin connections any more */
    PFSWRAP_SEAL_E_NO_HYBRID = -9,   /* post_quantum, and this build has no ML-KEM */
    /* Final. */
    PFSWRAP_SEAL_E_CHANNEL = -10,        /* NULL, or the block is not a channel of this version of the library */
    PFSWRAP_SEAL_E_POISONED = -11,       /* it is not known what was sent, or pfswrap_seal_poison() was called */
    PFSWRAP_SEAL_E_AGENT = -12,          /* under `pfswrap run`: the key agent does not answer, or refuses */
    PFSWRAP_SEAL_E_MAGIC = -20,          /* the peer does not speak this protocol */
    PFSWRAP_SEAL_E_VERSION = -21,        /* the peer speaks another version of it */
    PFSWRAP_SEAL_E_PATTERN = -22,        /* a Noise pattern that this version does not have */
    PFSWRAP_SEAL_E_FLAGS = -23,          /* a flag is set; version 1 has none */
    PFSWRAP_SEAL_E_MESSAGE_LENGTH = -24, /* a handshake message that is too short or too long */
    PFSWRAP_SEAL_E_KEY_ID = -25,         /* the client expects a server with another key */
    PFSWRAP_SEAL_E_PSK_REQUIRED = -26,   /* a pattern without a psk, and the keyring has psks */
    PFSWRAP_SEAL_E_PSK_UNEXPECTED = -27, /* a psk pattern, and the keyring has no psk */
    PFSWRAP_SEAL_E_PSK_UNKNOWN = -28,    /* no psk in common */
    PFSWRAP_SEAL_E_ANONYMOUS = -29,      /* an anonymous client, and only clients with a name are admitted */
    PFSWRAP_SEAL_E_HANDSHAKE = -30,      /* a message is not authentic: the keys, psk, service or binding differ, or
                                            it was changed */
    PFSWRAP_SEAL_E_SMALL_ORDER = -31,    /* a public key that makes the shared secret zero */
    PFSWRAP_SEAL_E_PAYLOAD = -32,      /* a handshake payload of another form, or with a value that is not valid */
    PFSWRAP_SEAL_E_PEER_UNKNOWN = -33, /* the client's key is not in the keyring */
    PFSWRAP_SEAL_E_PEER_EXPIRED = -34, /* the peer's key has expired */
    PFSWRAP_SEAL_E_PEER_REFUSED = -35, /* the client's name is not in the settings */
    PFSWRAP_SEAL_E_PEER_CHANGED = -36, /* a re-handshake with another static key */
    PFSWRAP_SEAL_E_REHANDSHAKE = -37,  /* a re-handshake frame at the wrong time */
    PFSWRAP_SEAL_E_OVERDUE = -38,      /* data has passed for a day, or a TiB, since a re-handshake was due */
    PFSWRAP_SEAL_E_TOO_OFTEN = -39,    /* the client asks for new keys too often */
    PFSWRAP_SEAL_E_FRAME_TYPE = -40,   /* a frame type that this version does not have */
    PFSWRAP_SEAL_E_FRAME_LENGTH = -41, /* a length outside 17 to 16,401, or wrong for the frame's type */
    PFSWRAP_SEAL_E_FRAME = -42,        /* a frame is not authentic: it was changed, replayed, reordered or lost */
    PFSWRAP_SEAL_E_TAG = -43,          /* a secretstream tag that this protocol does not use */
    PFSWRAP_SEAL_E_REKEY = -44,        /* the peer rekeys less often than agreed */
    PFSWRAP_SEAL_E_EMPTY = -45,        /* an empty data frame that does not confirm the handshake */
    PFSWRAP_SEAL_E_FINAL = -46,        /* FINAL on a frame that is not an empty data frame */
    PFSWRAP_SEAL_E_AFTER_FINAL = -47,  /* bytes after FINAL */
    PFSWRAP_SEAL_E_TRAILER = -48,      /* a trailing byte that is not zero */
    PFSWRAP_SEAL_E_TRUNCATED = -49,    /* the transport ended without FINAL */
    PFSWRAP_SEAL_E_HYBRID_REQUIRED = -50,   /* a pattern without ML-KEM, and post_quantum requires it */
    PFSWRAP_SEAL_E_HYBRID_UNEXPECTED = -51, /* a hybrid pattern, and post_quantum is off */
    PFSWRAP_SEAL_E_KEM_KEY = -52,           /* the client's ML-KEM key is not valid */
    PFSWRAP_SEAL_E_PADDING_REFUSED = -53,   /* this side pads, and the peer does not read padded frames */
    PFSWRAP_SEAL_E_PADDING = -54,           /* a frame that is not padded as the peer has announced */
};

/* The error in a few words, for a log, as a constant string; "no error" for 0. Never NULL. */
const char *pfswrap_seal_error_text(int error);

/*
 * The error's name in docs/WIRE.md and in this file, such as "E_KEY_ID", as a constant string; "OK" for 0,
 * "STOPPED" for PFSWRAP_TUNNEL_STOPPED (pfswrap/tunnel.h), "UNKNOWN" for other numbers. Never NULL.
 */
const char *pfswrap_seal_error_name(int error);

/*
 * Makes `channel` a new connection. `binding`, 0 to 32 bytes, binds it to the transport (inside TLS: the exporter
 * value of RFC 9266) and must be the same on both sides. `now` is Unix time in seconds.
 *
 * An initiator expects one key of the peer. The candidates are the valid keys of config->names, in the order of the
 * names and then of the keyring; `candidate`, modulo their number, is the index of the one to use. If the peer
 * refuses it, the caller can try the next on a new connection. A responder ignores `candidate`.
 *
 * Returns 0, or E_ARGUMENT (also for a `channel` that is NULL), E_NO_IDENTITY, E_NO_PEER, E_KEY_EXPIRED or
 * E_NO_HYBRID; the block is not a channel then.
 */
int pfswrap_seal_init(struct pfswrap_seal *channel, enum pfswrap_seal_role role,
                      const struct pfswrap_seal_config *config, const uint8_t *binding, size_t binding_length,
                      unsigned candidate, uint64_t now);

/*
 * Sets the channel's clock (Unix time in seconds), which decides about the age of the keys and whether a peer's key
 * has expired. Call it before data is sent and after bytes were received: an initiator that only receives asks for
 * new keys, too. A clock that runs backwards makes the keys old at once.
 */
void pfswrap_seal_tick(struct pfswrap_seal *channel, uint64_t now);

/*
 * Whether take() has something that must be sent: a handshake message, the confirm, a re-handshake, or FINAL. An
 * initiator that owes only its confirm may begin() data instead, which confirms the handshake as well.
 */
bool pfswrap_seal_owes(const struct pfswrap_seal *channel);

/*
 * Writes the next message that the channel owes to out[0..size) and returns its length, or 0 if it owes none. There
 * may be more messages after it. The caller must send these bytes: they cannot be taken back. `size` should be
 * PFSWRAP_SEAL_TAKE_BYTES. If it is less than 512, or than that in a hybrid pattern, the error is E_ARGUMENT. Other
 * errors: E_UNSENT; E_NO_IDENTITY (the identity of this channel is no longer in the keyring); E_SMALL_ORDER;
 * E_KEM_KEY; in a re-handshake E_PEER_UNKNOWN or E_PEER_EXPIRED (the server's key is no longer valid); E_POISONED;
 * and the error that ended the channel before.
 */
int pfswrap_seal_take(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config, uint8_t *out,
                      size_t size);

/*
 * Seals up to `length` bytes (at least 1) of `data` as one frame in out[0..size) and returns the frame's length.
 * *accepted is the number of bytes in the frame: as many as a chunk, transport_max and `size` allow, so `size`
 * should be at least PFSWRAP_SEAL_BEGIN_OVERHEAD larger than `length`; with padding, than PFSWRAP_SEAL_CHUNK_MAX,
 * since a frame is not padded beyond `size`. `data` and `out` must not overlap. sent()
 * completes the frame; no other frame may be begun before. Errors: E_ARGUMENT, E_NOT_READY, E_TAKE_FIRST, E_UNSENT,
 * E_CLOSED; E_POISONED if sent() was not called for an earlier frame; E_OVERDUE, or E_PEER_EXPIRED if the peer's
 * key expired more than an hour ago.
 */
int pfswrap_seal_begin(struct pfswrap_seal *channel, const void *data, size_t length, uint8_t *out, size_t size,
                       size_t *accepted);

/*
 * Reports that the transport has taken `taken` bytes of the frame that begin() wrote to `out`.
 *
 * If that is 0, the frame is rolled back and wiped from `out`; its data may be begun again, or not. If it is less
 * than the whole frame, the frame is committed. The caller keeps the rest and reports it with further calls, which
 * do not use `out`; until the last byte is reported, begin() and take() return E_UNSENT. For a transport that may
 * take bytes without reporting them (SSL_write), the whole frame is reported before it is written. So is each of
 * several frames that are sent with one call.
 *
 * Returns 0; E_POISONED if more was reported than there is; or E_ARGUMENT if `out` is NULL and a frame must be
 * rolled back.
 */
int pfswrap_seal_sent(struct pfswrap_seal *channel, uint8_t *out, size_t taken);

enum pfswrap_seal_event {
    PFSWRAP_SEAL_MORE = 1, /* at least `need` bytes from in + consumed on are needed */
    PFSWRAP_SEAL_PROGRESS, /* something other than data was read: look at owes() and ready(), then call again */
    PFSWRAP_SEAL_DATA,     /* `length` bytes of plaintext at `data` */
    PFSWRAP_SEAL_FINAL, /* the peer has closed its direction; no bytes may follow, and the transport need not end */
    PFSWRAP_SEAL_ROOM,  /* the next frame has `length` bytes of plaintext, more than `size`: nothing was done */
    PFSWRAP_SEAL_TAKE,  /* nothing can be read before take() is called */
};

struct pfswrap_seal_opened {
    size_t consumed; /* bytes of `in` that are no longer needed; always set */
    size_t need;     /* with MORE: 1 to PFSWRAP_SEAL_FRAME_MAX; never more than to the end of the ciphertext */
    size_t length;   /* with DATA and ROOM: 1 to PFSWRAP_SEAL_CHUNK_MAX */
    uint8_t *data;   /* with DATA: in `out`, or in `in` */
};

/*
 * Opens at most one frame or handshake message in in[0..available). `in` begins behind the bytes that the last call
 * has consumed: bytes that were not consumed are passed again, with more behind them. The decryption writes
 * plaintext directly to out[0..size), which must not overlap `in`; only authentic bytes are left there.
 *
 * A caller with a buffer of N bytes that keeps at most N + PFSWRAP_SEAL_OVERHEAD bytes of frames gets ROOM only for
 * a frame with more than N bytes of plaintext, its padding included. Behind the data of a padded frame, up to the
 * end of its plaintext, `out` is changed. The zero byte behind a frame is consumed if it is in `in`. It need
 * not be there: it may stay in the kernel as a sign that plaintext is waiting, and is then checked first in the
 * next call.
 *
 * Returns an event, or an error: one that the peer has caused (E_MAGIC to E_TRAILER), E_CHANNEL or E_POISONED.
 * Every hour, the peer's key is looked up again: E_PEER_UNKNOWN, E_PEER_EXPIRED or E_PEER_REFUSED.
 */
int pfswrap_seal_open(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
                      size_t available, uint8_t *out, size_t size, struct pfswrap_seal_opened *opened);

/* The same in place: opened->data points into `in`. Never returns ROOM. */
int pfswrap_seal_open_in_place(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config, uint8_t *in,
                               size_t available, struct pfswrap_seal_opened *opened);

/*
 * Whether open() has not seen the zero byte behind the last frame: the caller has left it in the kernel, or it has
 * not arrived.
 */
bool pfswrap_seal_trailer_due(const struct pfswrap_seal *channel);

/*
 * Reports that the transport has ended, after open() has got all of its bytes. Returns 0 if the peer has closed
 * with FINAL, else E_TRUNCATED or the error that ended the channel before. After an error, the end of the stream
 * must not be reported as an orderly one.
 */
int pfswrap_seal_end(struct pfswrap_seal *channel);

/*
 * Closes the direction to the peer: no more data may be begun, and take() produces FINAL when it is next (for a
 * responder, not before the client's confirm). A second call does nothing. Receiving is still possible. When FINAL
 * is sent, end this direction of the transport, too: shutdown(2) with SHUT_WR, or the closing alert of TLS. Returns
 * 0, or the error that ended the channel; E_POISONED if sent() was not called for an earlier frame.
 */
int pfswrap_seal_close(struct pfswrap_seal *channel);

/*
 * Whether data may be sent, and received data may be used: the peer is authenticated, and a responder has the
 * client's confirm.
 */
bool pfswrap_seal_ready(const struct pfswrap_seal *channel);

/* The error that ended the channel, or 0. */
int pfswrap_seal_error(const struct pfswrap_seal *channel);

/* Ends a channel and wipes its keys: for one whose user died or left a call with longjmp(). */
void pfswrap_seal_poison(struct pfswrap_seal *channel);

/*
 * Whether the block could be a channel between two calls. For memory that another process may have written to: if
 * this returns true, no call for the channel accesses memory outside of its bounds. The content is only as
 * trustworthy as the process that wrote it.
 */
bool pfswrap_seal_is_sane(const struct pfswrap_seal *channel);

/* Wipes the whole block, which is not a channel afterwards. */
void pfswrap_seal_wipe(struct pfswrap_seal *channel);

/* What both sides have agreed on. Available once the channel was ready, also after an error. */
struct pfswrap_seal_info {
    enum pfswrap_seal_role role;
    enum pfswrap_seal_pattern pattern;
    char peer_name[PFSWRAP_NAME_BYTES];              /* empty: anonymous, or admitted without a name */
    uint8_t peer_key[PFSWRAP_KEY_BYTES];             /* the peer's static public key; zero if it is anonymous */
    uint8_t own_key[PFSWRAP_KEY_BYTES];              /* the static public key of this side; zero if anonymous */
    uint8_t psk_id[8];                               /* see docs/WIRE.md; zero without a psk */
    uint32_t rekey;                                  /* chunks between rekeys */
    uint32_t rehandshakes;                           /* completed so far */
    uint8_t handshake_hash[PFSWRAP_SEAL_HASH_BYTES]; /* identifies the connection (Noise, section 11.2) */
    uint32_t padding;                                /* of this side: as in the settings */
    bool peer_pads;                                  /* all data of the peer is in padded frames */
};

/* Fills *info. Returns 0, or E_ARGUMENT, E_NOT_READY or E_CHANNEL. */
int pfswrap_seal_describe(const struct pfswrap_seal *channel, struct pfswrap_seal_info *info);

/*
 * The sizes in bytes of the structures above in this build of the library: for bindings of other languages, which
 * compare them with their own declarations.
 */
size_t pfswrap_seal_channel_bytes(void);
size_t pfswrap_seal_config_bytes(void);
size_t pfswrap_seal_info_bytes(void);

/*
 * Whether the first bytes of a connection are those of this protocol. Returns 1 if `bytes` begins with the whole
 * magic, 0 if it is a part of it, and -1 if it is something else, or if `bytes` is NULL and `length` is not 0.
 */
int pfswrap_seal_probe(const uint8_t *bytes, size_t length);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
