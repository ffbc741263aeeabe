/*
 * The controls that an auditor asks about: what each asks, which lines of a policy hold it, what in the log proves
 * it, and what is an exception. docs/CONTROLS.md says the same in one table.
 */
#ifndef PFSWRAP_TOOLS_REPORT_CONTROLS_H
#define PFSWRAP_TOOLS_REPORT_CONTROLS_H

#include "evidence.h"
#include "findings.h"
#include "scans.h"

enum { CONTROL_COUNT = 9, METRIC_TEXT = 512, METRICS_MAX = 12 };

/* Figures that prove something. */
enum metric {
    METRIC_NONE,
    METRIC_HANDSHAKES,
    METRIC_VERSIONS,
    METRIC_GROUPS,
    METRIC_CIPHERS,
    METRIC_RESUMED,
    METRIC_POST_QUANTUM,
    METRIC_VERIFIED,
    METRIC_REFUSED,
    METRIC_OPEN, /* plaintext, unsealed and unjudged connections */
    METRIC_UNPROTECTED,
    METRIC_OVERRIDES,
    METRIC_SEALED,
    METRIC_PATTERNS,
    METRIC_REKEYS,
    METRIC_KEY_AGES,
    METRIC_PROCESSES,
    METRIC_COUNT
};

struct control {
    const char *id, *source, *title;
    const char *asks;       /* in our own words */
    const char *not_proved; /* what a log cannot show */
    const char *lines;      /* of the policy: see policy_each_line() */
    enum metric metrics[METRICS_MAX];
    uint32_t exceptions; /* bits of enum incident */
    bool is_about_tls;   /* shown by TLS only: a sealed connection is none */
    bool is_about_http;  /* shown by servers whose responses were read: [findings] http = log */
    bool is_scanned;     /* what a server accepts from outside is an exception, if the policy forbids it */
    bool is_about_keys;  /* shown by connections with keys that change: sealed ones, and TLS 1.3 */
};

extern const struct control controls[CONTROL_COUNT];

enum verdict_kind { VERDICT_MET, VERDICT_EXCEPTIONS, VERDICT_NOT_SHOWN };
extern const char *const verdict_ids[3], *const verdict_names[3];

struct verdict {
    enum verdict_kind kind;
    uint64_t shown_by;                  /* connections that prove it */
    uint64_t incidents[INCIDENT_COUNT]; /* exceptions of each kind; 0 also for those that are none here */
    uint64_t scan_outside;              /* what scanned ports accepted outside the policy */
    size_t gaps;                        /* findings of the level FINDING_GAP: exceptions of every control */
};

void controls_judge(struct verdict verdicts[CONTROL_COUNT], const struct evidence *evidence,
                    const struct findings *findings, const struct scans *scans);

/* The name of a figure, and what it is. Returns false if there is nothing to say. */
extern const char *const metric_names[METRIC_COUNT];
bool metric_write(const struct evidence *evidence, enum metric metric, char text[METRIC_TEXT]);

#endif
