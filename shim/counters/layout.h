/*
 * What a protected process counts, as it lies in its memory: `pfswrap status` and others read it from outside.
 * Every field has a fixed size and place, the same for 32-bit and 64-bit objects; a change needs a new
 * COUNTERS_LAYOUT. A reader finds the block by a note of the shared object (counters.c) and trusts nothing in it.
 *
 * Times are in nanoseconds or, where it says so, in seconds since 1970. Text ends with a zero byte.
 */
#ifndef PFSWRAP_COUNTERS_LAYOUT_H
#define PFSWRAP_COUNTERS_LAYOUT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/page.h"

#define COUNTERS_MAGIC "pfswrap counters" /* 16 bytes, without a terminator */

enum {
    COUNTERS_LAYOUT = 1,
    COUNTERS_NOTE_TYPE = 1, /* of the note with the owner "pfswrap": the place of the block, relative to the note */
    COUNTERS_NAME_MAX = 64, /* bytes of a rule's, a peer's and the program's name */
    COUNTERS_PATH_MAX = 4096,
    COUNTERS_TEXT_MAX = 256,
    COUNTERS_DIGEST_BYTES = 32,
    COUNTERS_RULES = 64,
    COUNTERS_IDENTITIES = 16,
    COUNTERS_KEYS = 64,  /* keys of peers with the nearest expiry */
    COUNTERS_SHARDS = 8, /* of the bytes of a rule: threads that run at once rarely share one */
    COUNTERS_CELLS = 1024,
    COUNTERS_INDEX = 4096,
    COUNTERS_CELL_A = 48,
    COUNTERS_CELL_B = 120,
    COUNTERS_CHUNKS = 1024,  /* of the list of connections, */
    COUNTERS_PER_CHUNK = 64, /* and how many are in each */
};

/* The bits of `planes`. */
enum { COUNTERS_PLANE_TLS = 1, COUNTERS_PLANE_SEAL = 2, COUNTERS_PLANE_LAYER = 4, COUNTERS_PLANE_WIRE = 8 };

/* The bits of a rule's and a connection's `flags`. */
enum {
    COUNTERS_IS_CLIENT = 1,
    COUNTERS_IS_LAYER = 2,
    COUNTERS_IS_SEALED = 4,
    COUNTERS_PREFERS = 8,
    COUNTERS_IS_REMOVED = 16, /* a rule that a reload has removed; its connections may still be open */
};

/* What a cell counts, and what is in its texts `a` and `b`. */
enum counters_kind {
    COUNTERS_EVENT = 1,      /* the name of an event without a kind of its own */
    COUNTERS_HANDSHAKE,      /* version, group */
    COUNTERS_OBSERVED,       /* the same, by the wire plane */
    COUNTERS_OVERRIDE,       /* setting */
    COUNTERS_WOULD_OVERRIDE, /* setting */
    COUNTERS_REFUSED,        /* rule, reason */
    COUNTERS_WOULD_REFUSE,   /* rule, reason */
    COUNTERS_FAILED,         /* rule, reason */
    COUNTERS_OPENED,         /* rule, peer's name */
    COUNTERS_CLOSED,         /* rule, end */
    COUNTERS_KINDS
};

struct counters_rule {
    char name[COUNTERS_NAME_MAX];
    uint32_t flags, reserved;
};

/* A key that expires: of a peer, or of the process itself: "identity FILE" or "psk FILE". */
struct counters_key {
    char name[COUNTERS_NAME_MAX];
    int64_t not_after; /* seconds */
    uint8_t id[8];     /* the first bytes of the public key */
};

/* Which process this is, and what is in force. A fork copies it. */
struct counters_about {
    uint8_t magic[16];
    uint32_t layout, bytes;    /* of the whole block */
    uint32_t counts_at;        /* where struct counters_counts begins, from the beginning of the block */
    _Atomic uint32_t sequence; /* odd while what is below changes */
    int32_t pid;               /* as the process itself sees it */
    uint32_t mode;             /* 0: enforce, 1: audit */
    uint32_t planes;
    uint32_t rule_count, identity_count, psk_count, peer_count;
    uint32_t key_count;                           /* entries of keys[] */
    int64_t since_ns;                             /* when this process began to count */
    int64_t policy_ns;                            /* when the policy was read */
    uint8_t policy_digest[COUNTERS_DIGEST_BYTES]; /* BLAKE2b-256 of the file; zero for the built-in policy */
    char version[32];                             /* of pfswrap */
    char program[COUNTERS_NAME_MAX];
    char problem[COUNTERS_TEXT_MAX]; /* why a newer policy is not in force; empty: there is none */
    struct counters_rule rules[COUNTERS_RULES];
    struct counters_key keys[COUNTERS_KEYS];
    uint8_t identities[COUNTERS_IDENTITIES][32]; /* public keys */
    _Atomic uint64_t chunks[COUNTERS_CHUNKS];    /* addresses of arrays of struct counters_connection */
    char policy[COUNTERS_PATH_MAX];
};

/* The bytes of a rule's sealed connections that have passed through this process. A cache line of its own. */
struct counters_flow {
    _Atomic uint64_t sent_bytes, sent_chunks, received_bytes, received_chunks;
    uint64_t reserved[4];
};

struct counters_cell {
    _Atomic uint64_t count;
    _Atomic uint32_t ready; /* the rest is valid */
    uint32_t hash;
    uint16_t kind;
    uint8_t reserved[6];
    char a[COUNTERS_CELL_A], b[COUNTERS_CELL_B];
};

/* What is counted. A fork wipes it. */
struct counters_counts {
    _Atomic uint64_t lost;      /* events that the log did not take */
    _Atomic uint64_t overflow;  /* events for which there was no cell */
    _Atomic uint64_t unlisted;  /* connections for which there was no entry */
    _Atomic uint32_t log_fails; /* 1: the last event could not be written */
    _Atomic uint32_t cell_count;
    _Atomic uint32_t first_free; /* every chunk before this one was full a moment ago */
    uint32_t reserved;
    _Atomic uint64_t used[COUNTERS_CHUNKS]; /* bit N: entry N of the chunk is in use */
    struct counters_flow flows[COUNTERS_RULES][COUNTERS_SHARDS];
    _Atomic uint16_t index[COUNTERS_INDEX]; /* by the hash: number of the cell + 1 */
    struct counters_cell cells[COUNTERS_CELLS];
};

/* One sealed connection that is open, as this process has last seen it. */
struct counters_connection {
    _Atomic uint32_t sequence; /* odd while what is below changes; the counters change at any time */
    uint16_t rule;
    uint8_t flags;
    uint8_t pattern;          /* enum pfswrap_seal_pattern */
    uint64_t identity;        /* of the socket: its inode; 0: not known */
    int64_t since;            /* seconds */
    uint64_t owner;           /* means something to the process only */
    _Atomic uint64_t renewed; /* the last handshake or re-handshake, in seconds */
    _Atomic uint64_t rehandshakes;
    _Atomic uint64_t sent_bytes, sent_chunks, received_bytes, received_chunks;
    uint16_t family; /* 4, 6, or 0: not known */
    uint16_t local_port, peer_port, reserved;
    uint8_t local[16], peer[16]; /* of IPv4 the first four bytes */
    char peer_name[COUNTERS_NAME_MAX];
    uint64_t unused;
};

/* Whole pages, since a fork wipes whole pages. */
struct counters_block {
    alignas(PAGE_LARGEST) struct counters_about about;
    alignas(PAGE_LARGEST) struct counters_counts counts;
};

_Static_assert(offsetof(struct counters_about, since_ns) % 8 == 0 &&
                   offsetof(struct counters_about, keys) % 8 == 0 &&
                   offsetof(struct counters_about, chunks) % 8 == 0 &&
                   offsetof(struct counters_counts, used) % 8 == 0,
               "no padding that depends on the machine");
_Static_assert(sizeof(struct counters_about) == 22992, "a layout of its own number");
_Static_assert(sizeof(struct counters_counts) == 245800, "a layout of its own number");
_Static_assert(sizeof(struct counters_connection) == 192, "a layout of its own number");

#endif
