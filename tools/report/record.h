/*
 * One line of the audit log as `pfswrap report` sees it: the values of the fields that docs/AUDIT.md describes. All
 * values are text, since the journal has only text; they lie in the reader's buffer until the next line.
 */
#ifndef PFSWRAP_TOOLS_REPORT_RECORD_H
#define PFSWRAP_TOOLS_REPORT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fields that the report uses. Others are skipped. */
#define REPORT_FIELDS(X)                                                                                           \
    X(TIME, "time")                                                                                                \
    X(EVENT, "event")                                                                                              \
    X(PID, "pid")                                                                                                  \
    X(PROGRAM, "program")                                                                                          \
    X(POLICY, "policy")                                                                                            \
    X(MODE, "mode")                                                                                                \
    X(VERSION, "version")                                                                                          \
    X(EVENTS, "events")                                                                                            \
    X(ROLE, "role")                                                                                                \
    X(LOCAL, "local")                                                                                              \
    X(PEER, "peer")                                                                                                \
    X(SERVER_NAME, "server_name")                                                                                  \
    X(GROUP, "group")                                                                                              \
    X(CIPHER, "cipher")                                                                                            \
    X(RESUMED, "resumed")                                                                                          \
    X(VERIFIED, "verified")                                                                                        \
    X(RULE, "rule")                                                                                                \
    X(LAYER, "layer")                                                                                              \
    X(SETTING, "setting")                                                                                          \
    X(ASKED, "asked")                                                                                              \
    X(FORCED, "forced")                                                                                            \
    X(REASON, "reason")                                                                                            \
    X(DETAIL, "detail")                                                                                            \
    X(LIBRARY, "library")                                                                                          \
    X(PRESHARED_KEY, "preshared_key")                                                                              \
    X(OFFERED_VERSIONS, "offered_versions")                                                                        \
    X(OFFERED_GROUPS, "offered_groups")                                                                            \
    X(OFFERED_CIPHERS, "offered_ciphers")                                                                          \
    X(PEER_NAME, "peer_name")                                                                                      \
    X(PATTERN, "pattern")                                                                                          \
    X(REKEY, "rekey")                                                                                              \
    X(SENT_BYTES, "sent_bytes")                                                                                    \
    X(RECEIVED_BYTES, "received_bytes")                                                                            \
    X(SENT_CHUNKS, "sent_chunks")                                                                                  \
    X(RECEIVED_CHUNKS, "received_chunks")                                                                          \
    X(SENT_REKEYS, "sent_rekeys")                                                                                  \
    X(RECEIVED_REKEYS, "received_rekeys")                                                                          \
    X(REHANDSHAKES, "rehandshakes")                                                                                \
    X(END, "end")                                                                                                  \
    X(COUNT, "count")                                                                                              \
    X(NETWORK, "network")                                                                                          \
    X(SINCE, "since")                                                                                              \
    X(UNTIL, "until")                                                                                              \
    X(KIND, "kind")                                                                                                \
    X(SUBJECT, "subject")                                                                                          \
    X(FILE, "file")                                                                                                \
    X(FINDINGS, "findings")                                                                                        \
    X(LOG_HANDSHAKES, "log_handshakes")

enum field {
#define X(name, key) FIELD_##name,
    REPORT_FIELDS(X)
#undef X
        FIELD_COUNT_OF
};

/* The events. */
#define REPORT_EVENTS(X)                                                                                           \
    X(POLICY, "policy")                                                                                            \
    X(LOST, "lost")                                                                                                \
    X(HANDSHAKE, "handshake")                                                                                      \
    X(OVERRIDE, "override")                                                                                        \
    X(WOULD_OVERRIDE, "would-override")                                                                            \
    X(REFUSED, "refused")                                                                                          \
    X(WOULD_REFUSE, "would-refuse")                                                                                \
    X(FAILED, "failed")                                                                                            \
    X(UNPROTECTED, "unprotected")                                                                                  \
    X(OPENED, "opened")                                                                                            \
    X(CLOSED, "closed")                                                                                            \
    X(PLAIN, "plain")                                                                                              \
    X(LEFT, "left")                                                                                                \
    X(OBSERVED, "observed")                                                                                        \
    X(WEAK, "weak")                                                                                                \
    X(PLAINTEXT, "plaintext")                                                                                      \
    X(UNJUDGED, "unjudged")                                                                                        \
    X(RELOAD, "reload")                                                                                            \
    X(EXPIRING, "expiring")                                                                                        \
    X(EXPIRED, "expired")                                                                                          \
    X(FINDING, "finding")                                                                                          \
    X(END, "end")

enum event {
#define X(name, word) EVENT_##name,
    REPORT_EVENTS(X)
#undef X
        EVENT_COUNT
};

extern const char *const event_words[EVENT_COUNT];

/* Why a line is not an event. */
enum damage {
    DAMAGE_NO_JSON, /* not one JSON object */
    DAMAGE_CUT,     /* the input ends in the middle of it */
    DAMAGE_LONG,    /* longer than STREAM_LINE_MAX */
    DAMAGE_UTF8,    /* not UTF-8 */
    DAMAGE_FIELDS,  /* no time, event, pid or program, or a field that occurs twice */
    DAMAGE_TIME,    /* a time before pfswrap existed, or in the future */
    DAMAGE_EVENT,   /* an event with a name that this version does not know */
    DAMAGE_COUNT
};

extern const char *const damage_words[DAMAGE_COUNT];

struct record {
    char *text[FIELD_COUNT_OF]; /* NULL: the line has no such field */
    int64_t time;               /* when it was written; microseconds since the epoch */
    int64_t happened;           /* when it happened: of a line with a count, the last of its events */
    uint64_t weight;            /* events that the line stands for: its count, or 1 */
    enum event event;
    bool is_journal;   /* an entry of systemd's journal */
    bool has_repeated; /* a field occurs twice */
    char *message;     /* of the journal: MESSAGE, _HOSTNAME and _SYSTEMD_UNIT; NULL: not there */
    char *host, *unit;
};

/* Stores a member of the line: a field of the log, or of the journal. Others are ignored. */
void record_put(struct record *record, const char *key, char *value);

/* Finds out the event and the time. False: this is not a line of the log, and *damage says why. */
bool record_finish(struct record *record, enum damage *damage);

/* The value, or "" for a field that is not there. */
const char *record_text(const struct record *record, enum field field);

/* The value as a number; 0 for a field that is not there or is no number. */
uint64_t record_number(const struct record *record, enum field field);

#endif
