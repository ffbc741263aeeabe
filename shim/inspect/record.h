/*
 * The record of an inspected connection, for the files of this module. Records are private to the process: after a
 * fork both processes have a copy, and continue by themselves. A record has a lock, since several threads may use
 * its connection. The functions here may run in signal handlers, and make system calls only.
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
    _Atomic(const void *) owner; /* of the lock: an address that only one thread has; NULL: not locked */
    int descriptors;             /* how many numbers of this process have the record; 0: it is free */
    uint32_t generation;         /* counts the calls whose bytes were read */
    bool is_cut;                 /* every call fails with ECONNRESET */
    bool is_plain_logged;
    bool is_server;              /* the connection was accepted; its TLS client may still be this end */
    bool may_be_taken_back;      /* `before` is the state before the last send */
    const struct policy *policy; /* that was in force when the inspection began */
    int rule;                    /* index in the policy, or RECORD_NO_RULE */
    enum policy_plaintext plaintext;
    uint64_t cookie; /* SO_COOKIE (socket(7)): shows whether the number is still this socket */
    uint64_t fed[2]; /* bytes that were read, by enum wire_direction */
    uint8_t head[3]; /* the first `head_count` bytes of the last call */
    uint8_t head_count;
    uint64_t ahead; /* bytes that were read, but not sent by their call: the program will send them again */
    uint64_t before_fed, before_ahead; /* belong to `before` */
    const void *caller;                /* the return address of the last call */
    const struct wire_config *config;
    struct wire wire, before;
};
_Static_assert(sizeof(struct record) <= RECORD_BYTES, "a record fits its block of memory");

/* What to do with a connection, after the reader has its verdict. */
enum decision {
    DECISION_NONE,    /* go on */
    DECISION_PASS,    /* it is compliant, or no setting covers it: end the inspection */
    DECISION_LOG,     /* it is weak, or plaintext: log it, and end the inspection */
    DECISION_WOULD,   /* log that it would be refused if the policy were enforced */
    DECISION_REFUSE,  /* cut it */
    DECISION_UNKNOWN, /* not all of its bytes passed here, so the verdict proves nothing */
};

/* --- record.c --- */

/* Prepares for records. Once, before main(). Returns whether that is possible. */
bool record_start(void);

/*
 * Makes a record for the foreign number `fd`. Returns it locked. NULL: no memory, or the number is not foreign, or
 * is inspected already.
 */
struct record *record_new(int fd, uint64_t cookie);

/* The record with this index + 1, which a word of the table has (fd/table.h). Not locked. */
struct record *record_at(uint32_t entry);

/*
 * Locks the record of `fd`; *entry is its index + 1. NULL: there is none, or a calling frame of this signal handler
 * has the lock.
 */
struct record *record_enter(int fd, uint32_t *entry);
void record_unlock(struct record *record);

/* Takes the record from all its numbers, and frees it. Called locked; unlocked on return. */
void record_forget(struct record *record, uint32_t entry);

/* A number whose record is of the socket with this SO_COOKIE; -1: there is none. */
int record_find(uint64_t cookie);

/* --- verdict.c --- */

/*
 * After `now` bytes of a direction were read: decides, and acts on the decision. Called locked; unlocked on return,
 * and freed if the inspection has ended. Returns whether the connection is cut.
 */
bool record_decide(struct record *record, uint32_t entry, int fd, enum wire_direction direction, uint64_t now);

/* --- report.c: audit events. `record` is a copy, and no lock is held. --- */
void record_report(const struct record *record, int fd, enum decision decision);
void record_report_plain(const struct record *record, int fd);

/* --- begin.c --- */

/* Cuts a connection that cannot be inspected, for this reason. */
void inspect_cut(int fd, const char *reason);

#endif
