/*
 * Reads the first records of a TCP connection, in both directions, and reaches a verdict: TLS with forward secrecy
 * as the settings demand it, weaker TLS, or no TLS. The bytes come as they are sent and received, in pieces of any
 * size. Nothing is sent, delayed or allocated, and only what the audit log needs is kept. Calls nothing but
 * <string.h>. A struct wire holds no pointers, so that a copy of it can be restored.
 */
#ifndef PFSWRAP_WIRE_WIRE_H
#define PFSWRAP_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_LIST_MAX = 16,      /* entries of a list in the settings */
    WIRE_NAME_MAX = 128,     /* bytes of a server name that are kept, with the terminator */
    WIRE_PROTOCOLS_MAX = 32, /* bytes of the ALPN names, joined by commas, with the terminator */
    WIRE_VERSIONS_MAX = 6,   /* versions, groups and suites of a ClientHello that are kept */
    WIRE_GROUPS_MAX = 12,
    WIRE_SUITES_MAX = 12,
    WIRE_PATTERN_MAX = 11, /* bytes by which the beginning of TLS is recognised */
};

/* Settings. Readers share them, so they must not change while one uses them. */
struct wire_config {
    uint16_t min_version;           /* 0x0304, or 0x0303 to allow TLS 1.2 with ECDHE and AEAD as well */
    uint16_t groups[WIRE_LIST_MAX]; /* IANA "TLS Supported Groups" */
    size_t group_count;
    uint16_t ciphersuites[WIRE_LIST_MAX]; /* IANA "TLS Cipher Suites", those of TLS 1.3 */
    size_t ciphersuite_count;
    bool refuse_resumption; /* a TLS 1.3 handshake with a preshared key (from a ticket or not) is weak */
    uint16_t plaintext_max; /* bytes in each direction that may be in front of TLS */
};

enum wire_direction { WIRE_OUT, WIRE_IN }; /* sent by the program, received by it */

enum wire_verdict {
    WIRE_UNDECIDED, /* more bytes are needed */
    WIRE_PFS,       /* a handshake that the settings allow */
    WIRE_WEAK,      /* TLS that they do not allow, see enum wire_reason */
    WIRE_PLAINTEXT, /* more than plaintext_max bytes without TLS */
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

/* The state of the handshake, which both directions share. */
enum wire_phase {
    WIRE_PHASE_START,         /* no ClientHello yet */
    WIRE_PHASE_CLIENT_HELLO,  /* a ClientHello has begun */
    WIRE_PHASE_SERVER_HELLO,  /* the ServerHello comes next */
    WIRE_PHASE_RETRY,         /* after a HelloRetryRequest: another ClientHello comes next */
    WIRE_PHASE_SERVER_FLIGHT, /* TLS 1.2: the ServerKeyExchange must still come */
};

/* The state of a hello that is being read (hello.c). */
struct wire_hello {
    uint8_t field;            /* what comes next, enum wire_field */
    uint8_t need;             /* bytes of the integer that are missing */
    bool is_partial;          /* some of its bytes were read */
    bool is_server;           /* it is not a ClientHello */
    bool may_be_retry;        /* its random value is that of a HelloRetryRequest so far */
    uint32_t value;           /* the integer */
    uint32_t skip;            /* bytes to skip in front of the integer */
    uint16_t list_left;       /* bytes that are left of the random value, the suites or a name */
    uint16_t extension;       /* type of the extension */
    uint16_t extension_left;  /* bytes that are left of it */
    uint16_t extensions_left; /* bytes that are left of all extensions */
    uint16_t seen;            /* a bit for each extension that must not occur twice */
};

/* The state of one direction. */
struct wire_stream {
    bool is_tls;                        /* records of TLS have begun */
    uint8_t gathered_count;             /* bytes in `gathered` */
    uint8_t gathered[WIRE_PATTERN_MAX]; /* perhaps the beginning of TLS; later, a part of a record's header */
    uint8_t header_count;               /* bytes in `header` */
    uint8_t header[4];                  /* a part of a message's header */
    uint16_t plain;                     /* bytes in front of TLS, or without it */
    uint8_t record_type;
    uint16_t record_left;
    bool in_message; /* a message has begun and not ended; it may go on in the next record */
    uint8_t message_type;
    uint32_t message_left;
    struct wire_hello hello;
};

/* What the ClientHello offers, for the audit log. Lists and texts are cut if they are too long. */
struct wire_offer {
    uint16_t versions[WIRE_VERSIONS_MAX];
    uint16_t groups[WIRE_GROUPS_MAX];
    uint16_t suites[WIRE_SUITES_MAX];
    uint8_t version_count, group_count, suite_count;
    bool early_data, preshared_key;
    char server_name[WIRE_NAME_MAX];
    char protocols[WIRE_PROTOCOLS_MAX];
};

/* What the server has chosen. */
struct wire_choice {
    bool is_known;    /* a ServerHello was complete */
    uint16_t version; /* 0 if it is not known */
    uint16_t group;   /* 0 if there was none */
    uint16_t suite;
    bool preshared_key; /* from a ticket, or an external one */
    uint16_t identity;  /* index of the key in the offer */
};

struct wire {
    enum wire_verdict verdict;
    enum wire_reason reason; /* with WIRE_WEAK */
    enum wire_phase phase;
    enum wire_direction client; /* the ClientHello's; set after WIRE_PHASE_START */
    bool is_retried;            /* there was a HelloRetryRequest */
    bool has_alert;
    uint8_t alert; /* AlertDescription of the last alert (RFC 8446, section 6) */
    struct wire_stream streams[2];
    struct wire_offer offer;
    struct wire_choice choice;
};

void wire_init(struct wire *wire);

/*
 * Reads the next `length` bytes of a direction. Both directions must be in order: bytes that the program sends are
 * passed before they are sent, and bytes that it receives before the program gets them. Returns the verdict, which
 * does not change any more once it is not WIRE_UNDECIDED. *passes is how many of these bytes may be sent or
 * delivered if the settings are enforced: all of them, or none with WIRE_WEAK and WIRE_PLAINTEXT.
 */
enum wire_verdict wire_feed(struct wire *wire, const struct wire_config *config, enum wire_direction direction,
                            const uint8_t *bytes, size_t length, size_t *passes);

/* Whether there were bytes in front of TLS, or without it. */
bool wire_is_plain(const struct wire *wire);

/* Whether a ClientHello has begun. */
bool wire_is_tls(const struct wire *wire);

/* Why a verdict is WIRE_WEAK, in words for the audit log; "" for WIRE_REASON_NONE. */
const char *wire_reason_words(enum wire_reason reason);

/* Whether `suite` of TLS 1.2 has ECDHE and AEAD. *has_hint: its ServerKeyExchange begins with a PSK hint. */
bool wire_suite_is_ecdhe_aead(uint16_t suite, bool *has_hint);

#endif
