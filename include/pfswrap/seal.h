/*
 * pfswrap/seal.h: one sealed connection as a state machine without I/O. The caller moves bytes; the channel says
 * what they mean. It authenticates the peer (Noise IK, NK, IKpsk2 or NKpsk2 over 25519, ChaChaPoly and SHA256) and
 * then carries data both ways in libsodium secretstreams that are rekeyed at every chunk. docs/WIRE.md has every
 * byte.
 *
 * How it is driven. Whenever pfswrap_seal_owes() is true, pfswrap_seal_take() gives bytes for the transport. What
 * the transport brings goes into pfswrap_seal_open(), as often as it makes progress. Data goes out in two steps:
 * pfswrap_seal_begin() produces a frame, pfswrap_seal_sent() reports how much of it the transport took. The order
 * in which bytes leave take() and begin() is the order in which they must reach the wire.
 *
 * What a channel is. A struct pfswrap_seal is one flat block without pointers: it may lie in a slab, be moved with
 * memcpy (the old copy must then be wiped and never used), live in shared memory and go through exec in a memfd.
 * After a fork two processes have it: all but one must wipe it before they use it, or a key stream is used twice.
 * It holds live keys: keep it in memory that is neither swapped nor dumped. One thread at a time may be in a call
 * for a channel. No call allocates, blocks, locks or makes a system call, except for random bytes (getrandom) while
 * a handshake is produced. There is deliberately no call that copies or restores a state.
 *
 * Errors are negative values of enum pfswrap_seal_error. An error of the protocol is final: the keys are wiped, and
 * every later call returns the same error. Nothing is ever sent about it: the wire does not say why.
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
    PFSWRAP_SEAL_OVERHEAD = 21,       /* bytes a frame is longer than its plaintext, trailing byte included */
    PFSWRAP_SEAL_FRAME_MAX = 16405,   /* a whole frame; also the most that `need` ever asks for */
    PFSWRAP_SEAL_HEADER_BYTES = 24,   /* of a secretstream; in front of the first frame each way */
    PFSWRAP_SEAL_BEGIN_OVERHEAD = 45, /* room begin() may want beyond the plaintext: frame and header */
    PFSWRAP_SEAL_TAKE_BYTES = 512,    /* room take() wants */
    PFSWRAP_SEAL_MAGIC_BYTES = 8,     /* what a connection begins with */
    PFSWRAP_SEAL_BINDING_MAX = 32,    /* bytes of a channel binding */
    PFSWRAP_SEAL_HASH_BYTES = 32,
    PFSWRAP_SEAL_TLS_RECORD = 16384, /* transport_max for frames that go through SSL_write: one record each */
};

struct pfswrap_seal {
    uint8_t opaque[1024] __attribute__((aligned(16)));
};

enum pfswrap_seal_role { PFSWRAP_SEAL_INITIATOR = 1, PFSWRAP_SEAL_RESPONDER = 2 };

enum pfswrap_seal_pattern { /* the numbers are the wire's */
                            PFSWRAP_SEAL_IK = 1,
                            PFSWRAP_SEAL_NK = 2,
                            PFSWRAP_SEAL_IKPSK2 = 3,
                            PFSWRAP_SEAL_NKPSK2 = 4,
};

/*
 * What holds for a rule: shared by all its channels, never changed while one of them uses it. It is passed to each
 * call that may need it, since a channel holds no pointers. Zero is the default of every member but `keyring`.
 */
struct pfswrap_seal_config {
    const struct pfswrap_keyring *keyring;
    const char *service;      /* NULL or up to 63 bytes; both sides alike */
    const char *const *names; /* initiator: the peers it may reach, at least one. Responder: the clients it
                                 admits; none: every peer of the keyring */
    size_t name_count;
    bool anonymous;               /* initiator: speak NK. Responder: admit anyone, NK included */
    uint32_t rekey;               /* most chunks between rekeys, ours and the peer's; 0 means 1 */
    uint32_t transport_max;       /* most bytes begin() may produce at once; 0: no limit of the transport's */
    uint32_t rehandshake_seconds; /* age at which the initiator handshakes anew; 0: 3,600; UINT32_MAX: never */
    uint64_t rehandshake_bytes;   /* plaintext, both ways, after which it does; 0: 64 GiB; UINT64_MAX: never */
};

enum pfswrap_seal_error {
    /* The caller's mistakes: nothing has changed. */
    PFSWRAP_SEAL_E_ARGUMENT = -1,    /* a size, pointer or configuration that cannot be */
    PFSWRAP_SEAL_E_NOT_READY = -2,   /* data before the handshake and the peer's confirm are complete */
    PFSWRAP_SEAL_E_TAKE_FIRST = -3,  /* take() has bytes that must go out before this */
    PFSWRAP_SEAL_E_UNSENT = -4,      /* the rest of an earlier frame has not been reported as sent */
    PFSWRAP_SEAL_E_CLOSED = -5,      /* data after pfswrap_seal_close() */
    PFSWRAP_SEAL_E_NO_IDENTITY = -6, /* the keyring has no identity, or no longer the one that was chosen; from
                                        open() in a re-handshake it is final */
    PFSWRAP_SEAL_E_NO_PEER = -7,     /* the keyring holds no key that is good today for the names given */
    /* Final. */
    PFSWRAP_SEAL_E_CHANNEL = -10,        /* the block is no channel, or of another version of this library */
    PFSWRAP_SEAL_E_POISONED = -11,       /* a count was lost, or pfswrap_seal_poison() was called */
    PFSWRAP_SEAL_E_MAGIC = -20,          /* the peer does not speak this protocol */
    PFSWRAP_SEAL_E_VERSION = -21,        /* it does, in a version we do not know */
    PFSWRAP_SEAL_E_PATTERN = -22,        /* a Noise pattern that this version does not have */
    PFSWRAP_SEAL_E_FLAGS = -23,          /* a flag is set; version 1 has none */
    PFSWRAP_SEAL_E_MESSAGE_LENGTH = -24, /* a handshake message outside 48 to 1,024 bytes */
    PFSWRAP_SEAL_E_KEY_ID = -25,         /* it looks for a server with another key */
    PFSWRAP_SEAL_E_PSK_REQUIRED = -26,   /* no psk pattern, but we have psks */
    PFSWRAP_SEAL_E_PSK_UNEXPECTED = -27, /* a psk pattern, but we have no psk */
    PFSWRAP_SEAL_E_PSK_UNKNOWN = -28,    /* no psk in common */
    PFSWRAP_SEAL_E_ANONYMOUS = -29,      /* an anonymous client, but clients are named here */
    PFSWRAP_SEAL_E_HANDSHAKE = -30,      /* a message does not authenticate: other keys, psk, service or binding, or
                                            tampered with */
    PFSWRAP_SEAL_E_SMALL_ORDER = -31,    /* a public key with which the shared secret is all zero */
    PFSWRAP_SEAL_E_PAYLOAD = -32, /* a handshake payload that is not type-length-value, or a value that cannot be */
    PFSWRAP_SEAL_E_PEER_UNKNOWN = -33, /* a client whose key is not among the peers */
    PFSWRAP_SEAL_E_PEER_EXPIRED = -34, /* its key is, but no longer good */
    PFSWRAP_SEAL_E_PEER_REFUSED = -35, /* its name is not among those admitted here */
    PFSWRAP_SEAL_E_PEER_CHANGED = -36, /* a re-handshake with another static key */
    PFSWRAP_SEAL_E_REHANDSHAKE = -37,  /* a re-handshake frame out of turn */
    PFSWRAP_SEAL_E_FRAME_TYPE = -40,   /* a frame type that this version does not have */
    PFSWRAP_SEAL_E_FRAME_LENGTH = -41, /* a length outside 17 to 16,401, or one its type cannot have */
    PFSWRAP_SEAL_E_FRAME = -42,        /* a frame does not authenticate: tampered with, replayed, reordered, lost */
    PFSWRAP_SEAL_E_TAG = -43,          /* a secretstream tag that this protocol does not use */
    PFSWRAP_SEAL_E_REKEY = -44,        /* the peer rekeys less often than agreed */
    PFSWRAP_SEAL_E_EMPTY = -45,        /* an empty data frame that is no confirm */
    PFSWRAP_SEAL_E_FINAL = -46,        /* FINAL on a frame that is not an empty data frame */
    PFSWRAP_SEAL_E_AFTER_FINAL = -47,  /* bytes after FINAL */
    PFSWRAP_SEAL_E_TRAILER = -48,      /* a trailing byte that is not zero */
    PFSWRAP_SEAL_E_TRUNCATED = -49,    /* the transport ended without FINAL */
};

/* "what is wrong" in a few words, for a log; never NULL, static. Zero is "no error". */
const char *pfswrap_seal_error_text(int error);

/*
 * Makes `channel` a new connection. `binding`, 0 to 32 bytes, ties it to a transport that has a name of its own
 * (inside TLS: the exporter value of RFC 9266); both sides alike. `now` is Unix time in seconds. An initiator
 * speaks to one key: number `candidate`, modulo their count, of the good keys of config->names in the order of
 * names and keyring; so a caller whose first choice was refused tries the next on a new connection. A responder
 * ignores `candidate`. Returns 0, or E_ARGUMENT, E_NO_IDENTITY or E_NO_PEER; the block is then no channel.
 */
int pfswrap_seal_init(struct pfswrap_seal *channel, enum pfswrap_seal_role role,
                      const struct pfswrap_seal_config *config, const uint8_t *binding, size_t binding_length,
                      unsigned candidate, uint64_t now);

/*
 * Tells the channel the time (Unix time, seconds): from it comes the age of its keys and whether a peer's key has
 * expired. A caller passes it once in a while, at best before each send. Time that runs backwards counts as age.
 */
void pfswrap_seal_tick(struct pfswrap_seal *channel, uint64_t now);

/*
 * Whether take() has something that must go out: a handshake message, the confirm, a re-handshake, FINAL. An
 * initiator that owes nothing but its confirm may begin() data instead, which is as good.
 */
bool pfswrap_seal_owes(const struct pfswrap_seal *channel);

/*
 * Writes the next thing the channel owes to out[0..size) and returns its length, 0 if it owes nothing; there may be
 * more than one. The caller owes these bytes to the transport from here on: there is no way back. `size` of
 * PFSWRAP_SEAL_TAKE_BYTES is enough; less is E_ARGUMENT. Other errors: E_UNSENT; E_NO_IDENTITY (the key that was
 * chosen at init has left the keyring); E_SMALL_ORDER; in a re-handshake E_PEER_UNKNOWN or E_PEER_EXPIRED (the
 * server's key is no longer good); E_POISONED, and what ended the channel before.
 */
int pfswrap_seal_take(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config, uint8_t *out,
                      size_t size);

/*
 * Seals up to `length` bytes (at least 1) of `data` as one frame in out[0..size) and returns the frame's length;
 * *accepted is how much data is in it: as much as a chunk, config's transport_max and `size` allow, so give at
 * least PFSWRAP_SEAL_BEGIN_OVERHEAD bytes more room than data. `data` and `out` must not overlap. The frame counts
 * only when sent() has been called; until then nothing else may be begun. Errors: E_ARGUMENT, E_NOT_READY,
 * E_TAKE_FIRST, E_UNSENT, E_CLOSED; E_POISONED: an earlier begin() was never answered by sent().
 */
int pfswrap_seal_begin(struct pfswrap_seal *channel, const void *data, size_t length, uint8_t *out, size_t size,
                       size_t *accepted);

/*
 * Reports that the transport took `taken` bytes of the frame that begin() left in `out`. 0: it took none; the frame
 * is rolled back and wiped from `out`, and its data may be begun again or not. Less than all: the frame is
 * committed, the caller keeps the rest, and reports it with more calls (`out` is then unused) as it goes; until the
 * last byte is reported, begin() and take() answer E_UNSENT. A transport that may take bytes without saying so
 * (SSL_write) is reported in full before it is called; so is each of several frames that are to go out in one call.
 * Returns 0; E_POISONED: more was reported than there is.
 */
int pfswrap_seal_sent(struct pfswrap_seal *channel, uint8_t *out, size_t taken);

enum pfswrap_seal_event {
    PFSWRAP_SEAL_MORE = 1, /* at least `need` bytes, counted from in + consumed, are needed to go on */
    PFSWRAP_SEAL_PROGRESS, /* something was done that is not data: look at owes() and ready(), then call again */
    PFSWRAP_SEAL_DATA,     /* `length` bytes of plaintext at `data` */
    PFSWRAP_SEAL_FINAL,    /* the peer has closed its direction; `in` should be empty from now on */
    PFSWRAP_SEAL_ROOM, /* the next frame is complete and holds `length` bytes, more than `size`: nothing was done */
    PFSWRAP_SEAL_TAKE, /* nothing can be read before take() has been called */
};

struct pfswrap_seal_opened {
    size_t consumed; /* bytes of `in` that are done with; always valid */
    size_t need;     /* with MORE: 1 to PFSWRAP_SEAL_FRAME_MAX; never reaches beyond the frame's ciphertext */
    size_t length;   /* with DATA and ROOM: 1 to PFSWRAP_SEAL_CHUNK_MAX */
    uint8_t *data;   /* with DATA: in `out`, or in `in` */
};

/*
 * Opens at most one frame (or handshake message) of in[0..available), which goes on where the last call's
 * `consumed` ended; bytes not consumed must be given again, with more behind them. Plaintext is written once, by
 * the decryption itself, to out[0..size), which must not overlap `in`; nothing is written there unless it is
 * authentic. A caller with a buffer of N bytes that keeps at most N + PFSWRAP_SEAL_OVERHEAD bytes of frames never
 * meets ROOM for a complete frame unless the frame is larger than N. The zero byte that trails a frame is consumed
 * if it is there, and need not be: it may stay in the kernel as the mark that plaintext is waiting, and is then
 * checked first in the next call. Returns an event or an error of the peer's (E_MAGIC to E_TRAILER), E_CHANNEL or
 * E_POISONED.
 */
int pfswrap_seal_open(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
                      size_t available, uint8_t *out, size_t size, struct pfswrap_seal_opened *opened);

/* The same, in place: opened->data points into `in`. Never returns ROOM. */
int pfswrap_seal_open_in_place(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config, uint8_t *in,
                               size_t available, struct pfswrap_seal_opened *opened);

/*
 * Whether the zero byte that trails the last frame has yet to be given to open(): the caller has left it in the
 * kernel, or it has not come.
 */
bool pfswrap_seal_trailer_due(const struct pfswrap_seal *channel);

/*
 * The transport has ended after everything it brought was given to open(). Returns 0 if the peer had closed with
 * FINAL, else E_TRUNCATED (or what ended the channel before): such an end must not be reported as an orderly one.
 */
int pfswrap_seal_end(struct pfswrap_seal *channel);

/*
 * No more data will be begun; FINAL is owed, and take() gives it in its turn (a responder's: not before the
 * client's confirm). Repeating it does nothing. Receiving goes on. Returns 0, or the error that ended the channel;
 * E_POISONED: a begin() was never answered by sent().
 */
int pfswrap_seal_close(struct pfswrap_seal *channel);

/* Whether data may be begun and what has been opened may be handed over: the peer is authenticated and alive. */
bool pfswrap_seal_ready(const struct pfswrap_seal *channel);

/* 0, or the error that ended the channel. */
int pfswrap_seal_error(const struct pfswrap_seal *channel);

/* Ends a channel whose owner cannot vouch for it (it died, or left a call by longjmp). Wipes its keys. */
void pfswrap_seal_poison(struct pfswrap_seal *channel);

/*
 * Whether a channel between two calls could look like this block: for memory that another process may have written
 * to. Of one that could, every call stays within its bounds; what it says is worth no more than whoever wrote it.
 */
bool pfswrap_seal_is_sane(const struct pfswrap_seal *channel);

/* Wipes the whole block. It is no channel afterwards. */
void pfswrap_seal_wipe(struct pfswrap_seal *channel);

/* What was agreed. Valid once pfswrap_seal_ready(), and after an error of a channel that was. */
struct pfswrap_seal_info {
    enum pfswrap_seal_role role;
    enum pfswrap_seal_pattern pattern;
    char peer_name[PFSWRAP_NAME_BYTES];              /* empty: anonymous, or admitted without being known */
    uint8_t peer_key[PFSWRAP_KEY_BYTES];             /* the peer's static public key; zero: anonymous */
    uint8_t own_key[PFSWRAP_KEY_BYTES];              /* which identity of ours it was; zero: none */
    uint8_t psk_id[8];                               /* docs/WIRE.md; zero: no psk */
    uint32_t rekey;                                  /* chunks between rekeys, agreed */
    uint32_t rehandshakes;                           /* completed since the connection began */
    uint8_t handshake_hash[PFSWRAP_SEAL_HASH_BYTES]; /* names the connection: a channel binding (Noise 11.2) */
};

/* Fills *info. Returns 0, or E_NOT_READY or E_CHANNEL. */
int pfswrap_seal_describe(const struct pfswrap_seal *channel, struct pfswrap_seal_info *info);

/* Whether a connection begins like ours: 1: `length` bytes hold the whole magic; 0: they are its beginning; -1: no.
 */
int pfswrap_seal_probe(const uint8_t *bytes, size_t length);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
