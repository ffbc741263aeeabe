/*
 * pfswrap scan: what a port accepts from outside, beside what the policy says.
 */
#ifndef PFSWRAP_TOOLS_SCAN_H
#define PFSWRAP_TOOLS_SCAN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "policy/policy.h"

enum { SCAN_ROWS_MAX = 400, SCAN_ID = 64, SCAN_WORDS = 120, SCAN_DETAIL = 160, SCAN_ADDRESS = 64 };

enum scan_result {
    SCAN_REFUSED,
    SCAN_ACCEPTED,
    SCAN_UNCLEAR,    /* no answer, or one that proves nothing */
    SCAN_NOT_PROBED, /* the detail says why */
};

/* What the policy says about it. */
enum scan_policy {
    SCAN_FORBIDS,
    SCAN_ALLOWS,
    SCAN_SAYS_NOTHING,
};

struct scan_row {
    char id[SCAN_ID];       /* for machines: "tls13.group.X25519" */
    char words[SCAN_WORDS]; /* for people */
    enum scan_result result;
    enum scan_policy policy;
    char detail[SCAN_DETAIL]; /* clean text: what was answered */
};

struct starttls;

struct scan_target {
    struct sockaddr_in6 address;     /* IPv4 as IPv4-mapped IPv6 */
    char text[SCAN_ADDRESS];         /* "127.0.0.1:443" */
    const char *name;                /* for SNI; NULL: none */
    const struct starttls *starttls; /* what is spoken before TLS; NULL: nothing */
    int timeout_ms;
    const struct policy *policy;
    const struct policy_rule *rule; /* of the policy; NULL: none */
    char program[64];               /* that listens there; empty: not known */
    struct scan_row rows[SCAN_ROWS_MAX];
    size_t count;
    bool lacks_policy; /* of the program that listens there */
    bool is_reached;
    unsigned unanswered; /* offers, one after another */
};

/* Adds a row. The detail is cleaned. Returns it, or NULL if there is no room. */
struct scan_row *scan_add(struct scan_target *target, const char *id, const char *words, enum scan_result result,
                          enum scan_policy policy, const char *detail);

/* Whether something is accepted that the policy forbids. */
bool scan_is_outside(const struct scan_row *row);

/* What the policy says about TLS without the seal, plaintext and the seal at this port. */
bool scan_seal_is_required(const struct scan_target *target);

/* Each makes its rows. */
void scan_offers(struct scan_target *target);
void scan_plain(struct scan_target *target);
void scan_seal(struct scan_target *target);
void scan_sessions(struct scan_target *target);
void scan_with_sslscan(struct scan_target *target);
void scan_with_testssl(struct scan_target *target);

/* Write to standard output. */
void scan_write_text(const struct scan_target *target);
void scan_write_json(struct scan_target *const *targets, size_t count);

#endif
