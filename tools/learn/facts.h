/*
 * What a log says about connections that the proposed policy might refuse: one row for each program, place, peer
 * and outcome, in bounded memory. decide.h says what follows from a row.
 */
#ifndef PFSWRAP_TOOLS_LEARN_FACTS_H
#define PFSWRAP_TOOLS_LEARN_FACTS_H

#include "policy/policy.h"
#include "../report/record.h"
#include "../report/tally.h"

/* Suites as far as a policy distinguishes them. */
enum fact_suite {
    SUITE_UNKNOWN, /* the log does not have it */
    SUITE_TLS13,
    SUITE_ECDHE_AEAD, /* of TLS 1.2, with ECDHE and an AEAD cipher */
    SUITE_OTHER,
};

/* Bits of what the client offered. */
enum { OFFER_KNOWN = 1, OFFER_TLS13 = 2, OFFER_TLS12 = 4, OFFER_GROUP = 8, OFFER_AEAD = 16 };

/* What is known of the handshakes of a row. Numbers only, so that nothing of a hostile log gets into a decision. */
struct outcome {
    unsigned version; /* as in TLS, 0x0300 to 0x0304, and 0xfeff, 0xfefd for DTLS; 0: not known */
    enum fact_suite suite;
    unsigned suite_id; /* of a suite of TLS 1.3 */
    unsigned group;    /* IANA "TLS Supported Groups"; 0: not known, or none */
    unsigned offer;
    bool is_resumed;
    bool has_early_data; /* may have been accepted */
    bool has_choice;     /* false: the log does not have the server's choice */
};

/* The parts of a row's key. The place is a server's own address, and for a client the server's. */
enum { FACT_PROGRAM, FACT_ROLE, FACT_PLACE, FACT_PEER, FACT_OUTCOME, FACT_CIPHER, FACT_REASON, FACT_PARTS };
enum { PLAIN_PROGRAM, PLAIN_ROLE, PLAIN_PLACE, PLAIN_PEER, PLAIN_PARTS };
enum { CHILD_PROGRAM, CHILD_CHILD, CHILD_REASON, CHILD_PARTS };
enum { PLAIN_BECAME_TLS }; /* a sum: connections that changed to TLS later */

enum { RECENT_PLAIN = 1 << 13 }; /* connections that began in plaintext and are remembered */

struct facts {
    const struct policy *base; /* what is proposed where the log does not ask for a change */
    const char *program;       /* only of this program; NULL: of all */
    int64_t since, until;

    struct tally wire;     /* handshakes that were read on the wire */
    struct tally library;  /* handshakes as the TLS library reported them */
    struct tally refusals; /* other reasons of TLS libraries: certificates, verification */
    struct tally plain;    /* connections that did not begin as TLS */
    struct tally children; /* programs that cannot be protected, and would not run with children = require */
    struct tally programs; /* every program of the log */
    struct tally covered;  /* programs and roles with events of a TLS library */
    struct tally limited;  /* programs that ask for less than TLS 1.3 themselves */
    struct tally policies; /* the policies that the log names */
    uint64_t events[EVENT_COUNT], enforced;
    int64_t first, last;
    struct {
        uint64_t hash;
        size_t row; /* in plain, plus 1; 0: free */
    } recent[RECENT_PLAIN];
};

void facts_start(struct facts *facts);
void facts_add(struct facts *facts, const struct record *record, const char *origin);

/* Reads the outcome of a row. */
struct outcome outcome_read(const struct tally_entry *row);

/* outcome.c: finds the outcome of an event with a handshake. */
void outcome_find(struct outcome *outcome, const struct record *record, const struct policy *base);

/* Whether the policy has the group, or the suite of TLS 1.3. */
bool policy_has_group(const struct policy *policy, unsigned group);
bool policy_has_suite(const struct policy *policy, unsigned suite);

/* "TLS 1.2", or "an unknown version". */
const char *version_words(unsigned version);

#endif
