/*
 * Sorts the events of a log into rows. See facts.h.
 */
#include "facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../report/moment.h"

enum { OUTCOME_TEXT = 64 };

void facts_start(struct facts *facts)
{
    facts->first = facts->last = MOMENT_NONE;
    facts->wire.parts = facts->library.parts = facts->refusals.parts = FACT_PARTS;
    facts->plain.parts = PLAIN_PARTS;
    facts->children.parts = CHILD_PARTS;
    facts->covered.parts = 2;
    facts->programs.parts = facts->limited.parts = facts->policies.parts = 1;
}

static void outcome_write(char text[OUTCOME_TEXT], const struct outcome *outcome)
{
    (void)snprintf(text, OUTCOME_TEXT, "%u %u %u %u %u %d %d %d", outcome->version, (unsigned)outcome->suite,
                   outcome->suite_id, outcome->group, outcome->offer, outcome->is_resumed, outcome->has_early_data,
                   outcome->has_choice);
}

struct outcome outcome_read(const struct tally_entry *row)
{
    unsigned long numbers[8] = {0};
    char *at = row->parts[FACT_OUTCOME];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        numbers[i] = strtoul(at, &at, 10);
    return (struct outcome){.version = (unsigned)numbers[0],
                            .suite = (enum fact_suite)numbers[1],
                            .suite_id = (unsigned)numbers[2],
                            .group = (unsigned)numbers[3],
                            .offer = (unsigned)numbers[4],
                            .is_resumed = numbers[5] != 0,
                            .has_early_data = numbers[6] != 0,
                            .has_choice = numbers[7] != 0};
}

/* The address without its port: clients have another port each time. */
static void host_of(char host[TALLY_KEY_MAX], const char *address)
{
    (void)snprintf(host, TALLY_KEY_MAX, "%s", address);
    char *const colon = strrchr(host, ':');
    if (colon != NULL)
        *colon = '\0';
}

static bool is_server(const struct record *record)
{
    return strcmp(record_text(record, FIELD_ROLE), "server") == 0;
}

/* The role in words of our own: a log may have anything there. */
static const char *role_of(const struct record *record)
{
    return is_server(record) ? "server" : "client";
}

static const char *place_of(const struct record *record)
{
    return record_text(record, is_server(record) ? FIELD_LOCAL : FIELD_PEER);
}

/* A client's peer is its place. A line with a count has the network of a server's peers. */
static const char *peer_of(const struct record *record, char host[TALLY_KEY_MAX])
{
    if (is_server(record) && record->text[FIELD_NETWORK] != NULL)
        return record->text[FIELD_NETWORK];
    host_of(host, is_server(record) ? record_text(record, FIELD_PEER) : "");
    return host;
}

static void add_row(struct tally *tally, const struct record *record, const struct outcome *outcome,
                    const char *reason)
{
    char text[OUTCOME_TEXT], host[TALLY_KEY_MAX];
    outcome_write(text, outcome);
    const char *key[FACT_PARTS] = {
        [FACT_PROGRAM] = record_text(record, FIELD_PROGRAM),
        [FACT_ROLE] = role_of(record),
        [FACT_PLACE] = place_of(record),
        [FACT_PEER] = peer_of(record, host),
        [FACT_OUTCOME] = text,
        [FACT_CIPHER] = record_text(record, FIELD_CIPHER),
        [FACT_REASON] = reason,
    };
    if (tally_is_crowded(tally, key))
        key[FACT_PEER] = "other peers";
    (void)tally_add(tally, key, record->weight, record->happened);
}

/* Whether the base policy lets this handshake pass as it is. */
static bool is_within(const struct outcome *outcome, const struct policy *base)
{
    if (outcome->version == 0x0304)
        return policy_has_suite(base, outcome->suite_id) && policy_has_group(base, outcome->group) &&
               !outcome->has_early_data &&
               !(outcome->is_resumed && base->tls.session_tickets == POLICY_TICKETS_REFUSE);
    const bool is_dtls = outcome->version == 0xfefd && base->tls.dtls == POLICY_DTLS_ECDHE;
    const bool is_tls = outcome->version == 0x0303 && base->tls.min_version == 0x0303;
    return (is_dtls || is_tls) && outcome->suite == SUITE_ECDHE_AEAD && !outcome->is_resumed &&
           (outcome->group == 0 || policy_has_group(base, outcome->group));
}

/* The connection of a record; 0 without addresses. */
static uint64_t connection_of(const struct record *record, const char *origin)
{
    char text[4 * TALLY_KEY_MAX];
    if (record->text[FIELD_LOCAL] == NULL || record->text[FIELD_PEER] == NULL)
        return 0;
    const int length =
        snprintf(text, sizeof text, "%.200s\n%.32s\n%.64s\n%.64s", origin, record_text(record, FIELD_PID),
                 record_text(record, FIELD_LOCAL), record_text(record, FIELD_PEER));
    return tally_hash(text, (size_t)length) | 1;
}

/* A handshake on a connection that began in plaintext: it changed to TLS (STARTTLS). */
static void plain_becomes_tls(struct facts *facts, const struct record *record, const char *origin)
{
    const uint64_t hash = connection_of(record, origin);
    const size_t slot = hash % RECENT_PLAIN;
    if (hash == 0 || facts->recent[slot].hash != hash || facts->recent[slot].row == 0)
        return;
    facts->plain.entries[facts->recent[slot].row - 1].sums[PLAIN_BECAME_TLS]++;
    facts->recent[slot].row = 0;
}

static void add_plain(struct facts *facts, const struct record *record, const char *origin)
{
    char host[TALLY_KEY_MAX];
    const char *key[PLAIN_PARTS] = {
        [PLAIN_PROGRAM] = record_text(record, FIELD_PROGRAM),
        [PLAIN_ROLE] = role_of(record),
        [PLAIN_PLACE] = place_of(record),
        [PLAIN_PEER] = peer_of(record, host),
    };
    if (tally_is_crowded(&facts->plain, key))
        key[PLAIN_PEER] = "other peers";
    const struct tally_entry *const row = tally_add(&facts->plain, key, record->weight, record->happened);
    const uint64_t hash = row != NULL ? connection_of(record, origin) : 0;
    if (hash == 0)
        return;
    facts->recent[hash % RECENT_PLAIN].hash = hash;
    facts->recent[hash % RECENT_PLAIN].row = (size_t)(row - facts->plain.entries) + 1;
}

static void add_handshake(struct facts *facts, struct tally *tally, const struct record *record, const char *origin)
{
    struct outcome outcome;
    plain_becomes_tls(facts, record, origin);
    outcome_find(&outcome, record, facts->base);
    if (!is_within(&outcome, facts->base))
        add_row(tally, record, &outcome, record_text(record, FIELD_REASON));
}

/* The fields of a handshake need no reason: its own line has them (`handshake`). */
static bool is_said_by_handshake(const char *reason)
{
    static const char *const reasons[] = {
        "the version is older than the policy allows",
        "the cipher is not in the policy",
        "the key exchange group is not in the policy",
        "the key exchange group is not known",
        "the handshake had no ephemeral key exchange",
        "a session older than TLS 1.3 was resumed, without a fresh key exchange",
        "a session was resumed, which the policy refuses",
        "DTLS is refused by the policy",
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(reasons[i], reason) == 0)
            return true;
    return false;
}

static void add_covered(struct facts *facts, const struct record *record)
{
    const char *const key[] = {record_text(record, FIELD_PROGRAM), role_of(record)};
    (void)tally_add(&facts->covered, key, record->weight, record->time);
}

static void add_child(struct facts *facts, const struct record *record)
{
    const char *const key[CHILD_PARTS] = {record_text(record, FIELD_PROGRAM), record_text(record, FIELD_DETAIL),
                                          record_text(record, FIELD_REASON)};
    (void)tally_add(&facts->children, key, record->weight, record->time);
}

static void add_would_refuse(struct facts *facts, const struct record *record, const char *origin)
{
    const char *const rule = record_text(record, FIELD_RULE), *const reason = record_text(record, FIELD_REASON);
    struct outcome outcome;
    if (strcmp(rule, "children") == 0) {
        add_child(facts, record);
    } else if (strcmp(rule, "tls") == 0) {
        add_covered(facts, record);
        outcome_find(&outcome, record, facts->base);
        if (!is_said_by_handshake(reason))
            add_row(&facts->refusals, record, &outcome, reason);
    } else if (strncmp(reason, "plaintext", 9) == 0) {
        add_plain(facts, record, origin);
    } else if (record->text[FIELD_OFFERED_VERSIONS] != NULL || record->text[FIELD_VERSION] != NULL) {
        add_handshake(facts, &facts->wire, record, origin);
    } else {
        outcome_find(&outcome, record, facts->base);
        add_row(&facts->refusals, record, &outcome, reason);
    }
}

/* A program's own limit: pfswrap lifts it. */
static void add_override(struct facts *facts, const struct record *record)
{
    const char *const setting = record_text(record, FIELD_SETTING), *const asked = record_text(record, FIELD_ASKED);
    const char *const key[] = {record_text(record, FIELD_PROGRAM)};
    if (strcmp(setting, "max-version") == 0 || strcmp(setting, "priority") == 0 ||
        (strcmp(setting, "options") == 0 && strstr(asked, "no-tls1.3") != NULL))
        (void)tally_add(&facts->limited, key, record->weight, record->time);
}

static void add_event(struct facts *facts, const struct record *record, const char *origin)
{
    const char *const policy[] = {record_text(record, FIELD_POLICY)};
    switch (record->event) {
    case EVENT_POLICY:
        (void)tally_add(&facts->policies, policy, 1, record->time);
        facts->enforced += strcmp(record_text(record, FIELD_MODE), "audit") != 0;
        break;
    case EVENT_HANDSHAKE:
        add_covered(facts, record);
        add_handshake(facts, &facts->library, record, origin);
        break;
    case EVENT_OBSERVED:
    case EVENT_WEAK:
        add_handshake(facts, &facts->wire, record, origin);
        break;
    case EVENT_PLAINTEXT:
        add_plain(facts, record, origin);
        break;
    case EVENT_WOULD_REFUSE:
        add_would_refuse(facts, record, origin);
        break;
    case EVENT_OVERRIDE:
    case EVENT_WOULD_OVERRIDE:
        add_override(facts, record);
        break;
    default: /* only counted */
        break;
    }
}

void facts_add(struct facts *facts, const struct record *record, const char *origin)
{
    const char *const program[] = {record_text(record, FIELD_PROGRAM)};
    if (record->happened < facts->since || record->happened >= facts->until ||
        (facts->program != NULL && strcmp(facts->program, program[0]) != 0))
        return;
    tally_sum(&facts->events[record->event], record->weight);
    if (facts->first == MOMENT_NONE || record->time < facts->first)
        facts->first = record->time;
    if (record->time > facts->last)
        facts->last = record->time;
    (void)tally_add(&facts->programs, program, 1, record->time);
    add_event(facts, record, origin);
}
