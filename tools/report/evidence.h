/*
 * What all logs together prove: counts of events by their fields, in bounded memory. reader.h gives the records;
 * the verdicts are made from the counts (controls.h).
 */
#ifndef PFSWRAP_TOOLS_REPORT_EVIDENCE_H
#define PFSWRAP_TOOLS_REPORT_EVIDENCE_H

#include <stdbool.h>

#include "history.h"
#include "processes.h"
#include "record.h"
#include "seal_ages.h"
#include "tally.h"

/* Kinds of what an auditor asks about: their name, and in words what was counted. */
#define REPORT_INCIDENTS(X)                                                                                        \
    X(REFUSED, "refused", "connections that were refused")                                                         \
    X(WOULD_REFUSE, "would-refuse", "connections that passed, and that mode = enforce would refuse")               \
    X(FAILED, "failed", "handshakes that failed for another reason")                                               \
    X(UNPROTECTED, "unprotected", "programs or calls that ran unprotected")                                        \
    X(PLAIN, "plain", "connections that passed unsealed under seal = prefer")                                      \
    X(LEFT, "left", "sealed connections that an executed program did not get")                                     \
    X(WEAK, "weak", "connections with weak TLS that passed under tls = log")                                       \
    X(PLAINTEXT, "plaintext", "uses of plaintext")                                                                 \
    X(UNJUDGED, "unjudged", "connections that could not be judged")                                                \
    X(OLD_VERSION, "old-version", "handshakes below TLS 1.2")                                                      \
    X(NO_ECDHE, "no-ephemeral-group", "handshakes without a group of an ephemeral key exchange")                   \
    X(WEAK_CIPHER, "weak-cipher", "handshakes with a suite that is no AEAD")                                       \
    X(UNVERIFIED, "unverified-server", "client handshakes in which nobody verified the server's certificate")      \
    X(NIST_GROUP, "group-not-nist", "handshakes with a group that SP 800-52r2 does not list")                      \
    X(NIST_CIPHER, "cipher-not-nist", "handshakes with a suite that SP 800-52r2 does not list")                    \
    X(OVERDUE, "keys-too-old", "sealed connections that ended since their keys were too old")                      \
    X(KEY_AGE, "key-age", "sealed connections whose keys were used for longer than the cryptoperiod")              \
    X(EXPIRED, "expired", "keys and certificates that were in use after their cryptoperiod had ended")             \
    X(TRUNCATED, "truncated", "sealed connections that ended before the peer's end of the stream")                 \
    X(SEAL_ERROR, "seal-error", "sealed connections that ended by an error")                                       \
    X(HSTS, "hsts", "hosts whose responses let browsers use http")                                                 \
    X(COOKIE, "cookie", "hosts with cookies that lack Secure, HttpOnly or SameSite")                               \
    X(CERTIFICATE, "certificate", "certificates that are weak, expire soon or name no host")                       \
    X(TRANSPARENCY, "transparency", "servers that show no Certificate Transparency: no valid SCT of a known log")

enum incident {
#define X(name, id, words) INCIDENT_##name,
    REPORT_INCIDENTS(X)
#undef X
        INCIDENT_COUNT
};

extern const char *const incident_ids[INCIDENT_COUNT], *const incident_words[INCIDENT_COUNT];

/* The parts of the keys of each table, in their order. */
enum {
    HANDSHAKE_PLANE,
    HANDSHAKE_ROLE,
    HANDSHAKE_VERSION,
    HANDSHAKE_GROUP,
    HANDSHAKE_CIPHER,
    HANDSHAKE_RESUMED,
    HANDSHAKE_PARTS
};
enum { VERIFIED_ROLE, VERIFIED_BY, VERIFIED_PARTS };
enum {
    INCIDENT_ID,
    INCIDENT_PROGRAM,
    INCIDENT_ROLE,
    INCIDENT_PEER,
    INCIDENT_RULE,
    INCIDENT_REASON,
    INCIDENT_PARTS
};
enum { OVERRIDE_EVENT, OVERRIDE_PROGRAM, OVERRIDE_SETTING, OVERRIDE_ASKED, OVERRIDE_FORCED, OVERRIDE_PARTS };
enum { SEALED_PROGRAM, SEALED_ROLE, SEALED_RULE, SEALED_LAYER, SEALED_PEER, SEALED_PATTERN, SEALED_PARTS };
enum { END_HOW, END_PROGRAM, END_RULE, END_PEER, END_REASON, END_PARTS };
enum { POLICY_ORIGIN, POLICY_PROGRAM, POLICY_PATH, POLICY_MODE_WORD, POLICY_RELEASE, POLICY_PARTS };
enum { CHANGE_ORIGIN, CHANGE_PROGRAM, CHANGE_FROM, CHANGE_TO, CHANGE_TIME, CHANGE_PARTS };

/* The sums of a sealed peer and of a service. */
enum { SUM_OPENED, SUM_CLOSED, SUM_SENT, SUM_RECEIVED, SUM_CHUNKS, SUM_REKEYS, SUM_REHANDSHAKES, SUM_CLEAN };
enum { SERVICE_SEALED, SERVICE_TLS, SERVICE_WIRE, SERVICE_OPEN, SERVICE_REFUSED };

enum { GAPS_MAX = 64, ORIGIN_MAX = 2 * TALLY_KEY_MAX };

struct gap {
    char origin[TALLY_KEY_MAX + 1];
    int64_t from, to;
};

struct evidence {
    /* set by the caller */
    int64_t since, until; /* what is outside is only counted; MOMENT_NONE, INT64_MAX: no limit */
    int64_t gap_limit;    /* a silence that is longer is a finding */
    int64_t cryptoperiod; /* the longest time for which keys should be used */

    uint64_t events[EVENT_COUNT];       /* a line with a count stands for that many */
    uint64_t starts_without_handshakes; /* lines of policies with log-handshakes = off */
    uint64_t starts_with_http;          /* lines of policies with [findings] http = log */
    uint64_t findings_full;             /* processes with more hosts or certificates than they remember */
    uint64_t outside;                   /* lines before `since` or after `until` */
    uint64_t incident_totals[INCIDENT_COUNT];
    uint64_t lost;       /* events that the log itself says are missing */
    int64_t first, last; /* MOMENT_NONE: no event */
    struct tally handshakes, verified, incidents, overrides, sealed, ends, services, policies, mode_changes;
    struct tally origins; /* by origin: which log or which unit of which machine */
    struct history versions, groups, exchanges;
    struct seal_ages ages;
    struct processes processes;
    struct gap gaps[GAPS_MAX]; /* the longest ones */
    size_t gap_count;
    uint64_t gaps_left_out, backwards; /* lines that are more than a minute older than one before */
};

void evidence_start(struct evidence *evidence);

/* Adds a record of the log `origin`. */
void evidence_add(struct evidence *evidence, const struct record *record, const char *origin);

/* Sorts the tables. evidence_add() must not be called afterwards. */
void evidence_finish(struct evidence *evidence);

/* The entries of one kind, one after another: NULL after the last one; *at begins at 0. */
const struct tally_entry *evidence_next(const struct evidence *evidence, enum incident incident, size_t *at);

/* incidents.c: adds what this record is an incident of. */
void incidents_add(struct evidence *evidence, const struct record *record);
void incident_add(struct evidence *evidence, enum incident incident, const struct record *record, const char *peer,
                  const char *reason, uint64_t weight);

#endif
