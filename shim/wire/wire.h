/*
 * The first records of a TCP connection, both ways -> a verdict: TLS with forward secrecy as a policy has it,
 * weaker TLS, or no TLS. Bytes come in as they are sent and received, cut anywhere; nothing is sent, delayed or
 * allocated here, and nothing of the bytes is kept but what the audit log says. Needs <string.h> only: no socket,
 * no policy file, no TLS library. A struct wire holds no pointers, so a copy of it is a snapshot to go back to.
 */
#ifndef PFSWRAP_WIRE_WIRE_H
#define PFSWRAP_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_LIST_MAX = 16,      /* entries of a configured list */
    WIRE_NAME_MAX = 128,     /* bytes kept of a server name, with the terminator */
    WIRE_PROTOCOLS_MAX = 32, /* of the ALPN names, joined by commas, with the terminator */
    WIRE_VERSIONS_MAX = 6,   /* versions, groups and suites of an offer that are kept */
    WIRE_GROUPS_MAX = 12,
    WIRE_SUITES_MAX = 12,
    WIRE_PATTERN_MAX = 11, /* bytes by which the beginning of TLS is told */
};

/* What must hold. Shared by all connections under one policy, and unchanged while they last. */
struct wire_config {
    uint16_t min_version;           /* 0x0304; or 0x0303: ECDHE with AEAD in TLS 1.2 as well */
    uint16_t groups[WIRE_LIST_MAX]; /* IANA "TLS Supported Groups" */
    size_t group_count;
    uint16_t ciphersuites[WIRE_LIST_MAX]; /* those of TLS 1.3 */
    size_t ciphersuite_count;
    bool
        refuse_resumption; /* a TLS 1.3 handshake with a preshared key, which is what a ticket is, counts as weak */
    uint16_t plaintext_max; /* bytes each way that may precede TLS; 0: none */
};

enum wire_direction { WIRE_OUT, WIRE_IN }; /* sent by the program, received by it */

enum wire_verdict {
    WIRE_UNDECIDED, /* go on feeding */
    WIRE_PFS,       /* a handshake that the configuration allows */
    WIRE_WEAK,      /* TLS that it does not allow, see wire_reason */
    WIRE_PLAINTEXT, /* more bytes that are no TLS than it allows */
};

enum wire_reason {
    WIRE_REASON_NONE,
    WIRE_REASON_SSLV2,
    WIRE_REASON_VERSION,
    WIRE_REASON_SUITE,
    WIRE_REASON_GROUP,
    WIRE_REASON_NO_KEY_SHARE,
    WIRE_REASON_EARLY_DATA,
    WIRE_REASON_RESUMED,
    WIRE_REASON_UNEXPECTED,
    WIRE_REASON_MALFORMED,
};

/* Where a handshake stands; the part of a stream's state that both streams share. */
enum wire_phase {
    WIRE_PHASE_START,         /* no ClientHello yet */
    WIRE_PHASE_CLIENT_HELLO,  /* one is under way */
    WIRE_PHASE_SERVER_HELLO,  /* the server's turn */
    WIRE_PHASE_RETRY,         /* it asked for another ClientHello */
    WIRE_PHASE_SERVER_FLIGHT, /* TLS 1.2: the ServerKeyExchange is to come */
};

/* A hello being read: one integer, or bytes to be passed over, at a time (hello.c). */
struct wire_hello {
    uint8_t field;            /* what comes next */
    uint8_t need;             /* bytes of the integer that are still to come */
    bool is_partial;          /* some of its bytes are here */
    bool is_server;           /* a ServerHello */
    bool may_be_retry;        /* its random value is that of a HelloRetryRequest so far */
    uint32_t value;           /* the integer */
    uint32_t skip;            /* bytes to pass over before that */
    uint16_t list_left;       /* bytes of the list of suites */
    uint16_t extension;       /* type of the extension */
    uint16_t extension_left;  /* its bytes that are still to come */
    uint16_t extensions_left; /* those of all extensions */
    uint16_t seen;            /* extensions that must not come twice */
};

/* One direction. */
struct wire_stream {
    bool is_tls;                        /* records have begun */
    uint8_t gathered_count;             /* of the bytes below */
    uint8_t gathered[WIRE_PATTERN_MAX]; /* a possible beginning of TLS, or part of a record's or message's header */
    uint8_t header_count;               /* bytes of a message's header in `header` */
    uint8_t header[4];
    uint16_t plain; /* bytes that were no TLS */
    uint8_t record_type;
    uint16_t record_left;
    bool in_message; /* the message began in a record; more of it may come in the next */
    uint8_t message_type;
    uint32_t message_left;
    struct wire_hello hello;
};

/* What the hellos said, for the audit log. Lists are cut at what there is room for; counts are of what is kept. */
struct wire_offer {
    uint16_t versions[WIRE_VERSIONS_MAX];
    uint16_t groups[WIRE_GROUPS_MAX];
    uint16_t suites[WIRE_SUITES_MAX];
    uint8_t version_count, group_count, suite_count;
    bool early_data, preshared_key;
    char server_name[WIRE_NAME_MAX];
    char protocols[WIRE_PROTOCOLS_MAX];
};

struct wire_choice {
    bool is_known;    /* a ServerHello was complete */
    uint16_t version; /* 0: not known */
    uint16_t group;   /* 0: there was none */
    uint16_t suite;
    bool preshared_key; /* resumed, or keyed by hand */
    uint16_t identity;  /* which of the offered keys */
};

struct wire {
    enum wire_verdict verdict;
    enum wire_reason reason; /* with WIRE_WEAK */
    enum wire_phase phase;
    enum wire_direction client; /* who sent the ClientHello, once phase is past WIRE_PHASE_START */
    bool is_retried;            /* there was a HelloRetryRequest */
    bool has_alert;
    uint8_t alert; /* the last one's description (RFC 8446 6) */
    struct wire_stream streams[2];
    struct wire_offer offer;
    struct wire_choice choice;
};

void wire_init(struct wire *wire);

/*
 * Takes the next `length` bytes of a direction. Bytes of the two directions are to be given in the order in which
 * the program could know them: what it sends, before it is sent; what it receives, before the program has it.
 * Returns the verdict; once it is another than WIRE_UNDECIDED it stays. *passes is how many of these bytes may go
 * on their way if the configuration is to be enforced: all of them, or, with WIRE_WEAK and WIRE_PLAINTEXT, none.
 */
enum wire_verdict wire_feed(struct wire *wire, const struct wire_config *config, enum wire_direction direction,
                            const uint8_t *bytes, size_t length, size_t *passes);

/* Whether bytes that are no TLS have been seen, before or without TLS. */
bool wire_is_plain(const struct wire *wire);

/* Whether a ClientHello has begun. */
bool wire_is_tls(const struct wire *wire);

/* Words for a person: why a verdict is WIRE_WEAK. */
const char *wire_reason_words(enum wire_reason reason);

/* Whether `suite` is one of TLS 1.2 with ECDHE and AEAD (judge.c); *has_hint: its ServerKeyExchange has a hint. */
bool wire_suite_is_ecdhe_aead(uint16_t suite, bool *has_hint);

#endif
