/*
 * What a program and the key agent (`pfswrap agent`) say to each other: one request and one answer at a time, each
 * a message of fixed size, on a Unix socket that keeps messages apart (SOCK_SEQPACKET, unix(7)). Both are on one
 * machine and have one byte order; programs with 32 bits have the same layout.
 *
 * The agent computes with a key or a psk only for programs that its configuration allows to use it. It never gives
 * out one of them.
 */
#ifndef PFSWRAP_CONFIG_AGENT_MESSAGE_H
#define PFSWRAP_CONFIG_AGENT_MESSAGE_H

#include <stdint.h>

enum {
    AGENT_MAGIC = 0x61667001, /* changes with the layout */
    AGENT_KEY_BYTES = 32,
    AGENT_NAME_BYTES = 64,          /* of an identity, with the terminator */
    AGENT_PATH_BYTES = 108,         /* of a socket, with the terminator: sun_path (unix(7)) */
    AGENT_STATUS_BYTES = 32 * 1024, /* the answer to AGENT_REPORT is text of at most this size */
};

enum agent_operation {
    AGENT_IDENTIFY = 1, /* the identity `name` has which public key? peer[0]: its key of this number, from 0 on */
    AGENT_DH,           /* X25519 of the secret that belongs to `own` and of `peer` */
    AGENT_JOIN,         /* the socket that comes with it (SCM_RIGHTS) is served as this one is; no answer */
    AGENT_REPORT,       /* the state of the agent as text, for root and the agent's user */
    AGENT_IDENTIFY_PSK, /* as AGENT_IDENTIFY, for the id of a psk: 8 bytes, and zeros */
    AGENT_PSK,          /* HMAC-SHA256 with the key `peer` of the psk that has the id `own` (noise_extract()) */
    AGENT_RELOAD,       /* reads the configuration and the keys again, for root and the agent's user */
};

enum agent_status {
    AGENT_OK = 0,
    AGENT_REFUSED,   /* there is no such identity, or this user may not use it */
    AGENT_BAD_KEY,   /* the result is zero: `peer` is a point of small order (RFC 7748, section 6.1) */
    AGENT_MALFORMED, /* not a request of this version */
    AGENT_NO_MORE,   /* AGENT_IDENTIFY: it has fewer keys */
    AGENT_MISTAKE,   /* AGENT_RELOAD: the agent has said what is wrong, and the keys stay as they were */
};

struct agent_request {
    uint32_t magic, operation;
    uint64_t id; /* the answer has the same */
    uint8_t own[AGENT_KEY_BYTES], peer[AGENT_KEY_BYTES];
    char name[AGENT_NAME_BYTES];
};

struct agent_answer {
    uint32_t magic, status;
    uint64_t id;
    uint8_t key[AGENT_KEY_BYTES]; /* the public key, the id, or the result */
    int64_t created;              /* AGENT_IDENTIFY: when the key was made, in Unix time; 0: not known */
};

_Static_assert(sizeof(struct agent_request) == 144 && sizeof(struct agent_answer) == 56, "no padding");

#endif
