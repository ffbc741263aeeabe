/*
 * A inspected connection. Private to the process; after a fork each process has its own, and goes on by itself.
 */
#ifndef PFSWRAP_INSPECT_RECORD_H
#define PFSWRAP_INSPECT_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"
#include "wire/wire.h"

enum { RECORD_BYTES = 1024, RECORD_NO_RULE = -1 };

struct record {
    _Atomic(const void *) owner; /* of the lock: an address that only one thread has; NULL: free */
    int descriptors;             /* numbers of this process for it; 0: the record is free */
    uint32_t generation;         /* counts the calls that have fed it */
    bool is_cut;                 /* every call gets ECONNRESET */
    bool is_plain_logged;
    bool is_server;         /* accepted: who speaks TLS first is another question */
    bool may_be_taken_back; /* `before` is what was there before the last send */
    int rule;               /* index into the policy; RECORD_NO_RULE */
    enum policy_plaintext plaintext;
    uint64_t cookie; /* SO_COOKIE: the number may have been closed where nobody saw it */
    uint64_t fed[2]; /* bytes, by enum wire_direction */
    uint8_t head[3]; /* the first bytes of the last call, head_count of them */
    uint8_t head_count;
    uint64_t ahead; /* bytes sent that were fed in a call that did not send them: they will come again */
    uint64_t before_fed, before_ahead; /* what goes with `before` */
    const void *caller;                /* who sent or received last */
    const struct wire_config *config;
    struct wire wire, before;
};
_Static_assert(sizeof(struct record) <= RECORD_BYTES, "a record fits its piece of memory");

/* What is to be done about a connection, once the reader has spoken. */
enum decision {
    DECISION_NONE,    /* go on */
    DECISION_PASS,    /* compliant, or none of the policy's business: watch no longer */
    DECISION_LOG,     /* weak, or plaintext: said, and no longer inspected */
    DECISION_WOULD,   /* it would be refused if the policy were enforced */
    DECISION_REFUSE,  /* cut */
    DECISION_UNKNOWN, /* not all its bytes were seen here, so that what was seen proves nothing */
};

/* Once, before the first record. */
void table_start(void);

/* A record for `fd`, which is in the table then, locked. NULL: no memory. */
struct record *record_new(int fd, uint64_t cookie);

/* The record behind an entry of the table; locked, or NULL: there is none (any more), or it is not to be had. */
struct record *record_at(uint32_t entry);
struct record *record_enter(int fd, uint32_t *entry);
void record_unlock(struct record *record);

/* A number under which the socket of that SO_COOKIE is inspected; -1: none. */
int table_find(uint64_t cookie);

/* Cuts a connection for a reason that no reader has. */
void inspect_cut(int fd, const char *reason);

/* Takes every number of the record out of the table and frees it. Locked; the lock is gone afterwards. */
void record_forget(struct record *record, uint32_t entry);

bool socket_is_tcp(int fd);

/* Events of the wire plane (report.c). Called with a copy of the record, and no lock held. */
void record_report(const struct record *record, int fd, enum decision decision);
void record_report_plain(const struct record *record, int fd);

#endif
