/*
 * Counts the records. See evidence.h; incidents.c has what an auditor asks about.
 */
#include "evidence.h"

#include <stdio.h>
#include <string.h>

#include "moment.h"

enum { BACKWARDS_LIMIT = 60 /* seconds; processes that share a file may write a little out of order */ };
enum { ORIGIN_LAST, ORIGIN_LINES }; /* sums of an origin */

const char *const incident_ids[INCIDENT_COUNT] = {
#define X(name, id, words) id,
    REPORT_INCIDENTS(X)
#undef X
};

const char *const incident_words[INCIDENT_COUNT] = {
#define X(name, id, words) words,
    REPORT_INCIDENTS(X)
#undef X
};

void evidence_start(struct evidence *evidence)
{
    evidence->first = evidence->last = MOMENT_NONE;
    evidence->handshakes.parts = HANDSHAKE_PARTS;
    evidence->verified.parts = VERIFIED_PARTS;
    evidence->incidents.parts = INCIDENT_PARTS;
    evidence->overrides.parts = OVERRIDE_PARTS;
    evidence->sealed.parts = SEALED_PARTS;
    evidence->ends.parts = END_PARTS;
    evidence->policies.parts = POLICY_PARTS;
    evidence->mode_changes.parts = CHANGE_PARTS;
    evidence->services.parts = evidence->origins.parts = 1;
    processes_start(&evidence->processes);
}

/* Whether a group combines ECDHE with ML-KEM (or its draft, Kyber), or is ML-KEM alone. */
static bool is_post_quantum(const char *group)
{
    return strstr(group, "MLKEM") != NULL || strstr(group, "Kyber") != NULL;
}

static void add_handshake(struct evidence *evidence, const struct record *record, const char *plane)
{
    const bool is_wire = record->event != EVENT_HANDSHAKE;
    const char *const resumed = record_text(record, is_wire ? FIELD_PRESHARED_KEY : FIELD_RESUMED);
    const char *const group = record_text(record, FIELD_GROUP);
    const char *const key[HANDSHAKE_PARTS] = {
        [HANDSHAKE_PLANE] = plane,
        [HANDSHAKE_ROLE] = record_text(record, FIELD_ROLE),
        [HANDSHAKE_VERSION] = record_text(record, FIELD_VERSION),
        [HANDSHAKE_GROUP] = group,
        [HANDSHAKE_CIPHER] = record_text(record, FIELD_CIPHER),
        [HANDSHAKE_RESUMED] = resumed[0] != '\0' ? resumed : "false",
    };
    const struct tally_entry *const entry = tally_add(&evidence->handshakes, key, record->weight, record->happened);
    if (is_wire)
        return;
    const char *const verified[VERIFIED_PARTS] = {key[HANDSHAKE_ROLE], record_text(record, FIELD_VERIFIED)};
    (void)tally_add(&evidence->verified, verified, record->weight, record->happened);
    if (entry == NULL)
        return;
    history_add(&evidence->versions, entry->parts[HANDSHAKE_VERSION], record->weight, record->happened);
    history_add(&evidence->groups, group[0] != '\0' ? entry->parts[HANDSHAKE_GROUP] : "no group", record->weight,
                record->happened);
    history_add(&evidence->exchanges, is_post_quantum(group) ? "post-quantum" : "classical", record->weight,
                record->happened);
}

static void add_sealed(struct evidence *evidence, const struct record *record)
{
    const char *const key[SEALED_PARTS] = {
        [SEALED_PROGRAM] = record_text(record, FIELD_PROGRAM),
        [SEALED_ROLE] = record_text(record, FIELD_ROLE),
        [SEALED_RULE] = record_text(record, FIELD_RULE),
        [SEALED_LAYER] = record_text(record, FIELD_LAYER),
        [SEALED_PEER] = record_text(record, FIELD_PEER_NAME),
        [SEALED_PATTERN] = record_text(record, FIELD_PATTERN),
    };
    const bool is_opened = record->event == EVENT_OPENED;
    struct tally_entry *const entry = tally_add(&evidence->sealed, key, is_opened ? 1 : 0, record->time);
    if (entry == NULL)
        return;
    uint64_t *const sums = entry->sums;
    sums[is_opened ? SUM_OPENED : SUM_CLOSED]++;
    tally_sum(&sums[SUM_SENT], record_number(record, FIELD_SENT_BYTES));
    tally_sum(&sums[SUM_RECEIVED], record_number(record, FIELD_RECEIVED_BYTES));
    tally_sum(&sums[SUM_CHUNKS], record_number(record, FIELD_SENT_CHUNKS));
    tally_sum(&sums[SUM_CHUNKS], record_number(record, FIELD_RECEIVED_CHUNKS));
    tally_sum(&sums[SUM_REKEYS], record_number(record, FIELD_SENT_REKEYS));
    tally_sum(&sums[SUM_REKEYS], record_number(record, FIELD_RECEIVED_REKEYS));
    tally_sum(&sums[SUM_REHANDSHAKES], record_number(record, FIELD_REHANDSHAKES));
    sums[SUM_CLEAN] += strcmp(record_text(record, FIELD_END), "clean") == 0;
}

static void add_closed(struct evidence *evidence, const struct record *record, const char *origin)
{
    const char *const key[END_PARTS] = {
        [END_HOW] = record_text(record, FIELD_END),       [END_PROGRAM] = record_text(record, FIELD_PROGRAM),
        [END_RULE] = record_text(record, FIELD_RULE),     [END_PEER] = record_text(record, FIELD_PEER_NAME),
        [END_REASON] = record_text(record, FIELD_REASON),
    };
    (void)tally_add(&evidence->ends, key, 1, record->time);
    const int64_t age = seal_ages_close(&evidence->ages, record, origin);
    if (age > evidence->cryptoperiod)
        incident_add(evidence, INCIDENT_KEY_AGE, record, record_text(record, FIELD_PEER_NAME), "", 1);
}

static void add_service(struct evidence *evidence, const struct record *record)
{
    static const int kinds[EVENT_COUNT] = {
        [EVENT_HANDSHAKE] = SERVICE_TLS + 1, [EVENT_OBSERVED] = SERVICE_WIRE + 1,
        [EVENT_WEAK] = SERVICE_WIRE + 1,     [EVENT_OPENED] = SERVICE_SEALED + 1,
        [EVENT_PLAIN] = SERVICE_OPEN + 1,    [EVENT_PLAINTEXT] = SERVICE_OPEN + 1,
        [EVENT_UNJUDGED] = SERVICE_OPEN + 1, [EVENT_REFUSED] = SERVICE_REFUSED + 1,
    };
    const int kind = kinds[record->event];
    const char *const key[] = {record_text(record, FIELD_PROGRAM)};
    struct tally_entry *const entry =
        kind != 0 ? tally_add(&evidence->services, key, record->weight, record->happened) : NULL;
    if (entry != NULL)
        tally_sum(&entry->sums[kind - 1], record->weight);
}

static void add_override(struct evidence *evidence, const struct record *record)
{
    const char *const key[OVERRIDE_PARTS] = {
        [OVERRIDE_EVENT] = event_words[record->event],
        [OVERRIDE_PROGRAM] = record_text(record, FIELD_PROGRAM),
        [OVERRIDE_SETTING] = record_text(record, FIELD_SETTING),
        [OVERRIDE_ASKED] = record_text(record, FIELD_ASKED),
        [OVERRIDE_FORCED] = record_text(record, FIELD_FORCED),
    };
    (void)tally_add(&evidence->overrides, key, record->weight, record->happened);
}

static void add_policy(struct evidence *evidence, const struct record *record, const char *origin,
                       const struct program_state *before)
{
    char text[MOMENT_TEXT];
    const char *const mode = record_text(record, FIELD_MODE);
    const char *const key[POLICY_PARTS] = {
        [POLICY_ORIGIN] = origin,
        [POLICY_PROGRAM] = record_text(record, FIELD_PROGRAM),
        [POLICY_PATH] = record_text(record, FIELD_POLICY),
        [POLICY_MODE_WORD] = mode,
        [POLICY_RELEASE] = record_text(record, FIELD_VERSION),
    };
    (void)tally_add(&evidence->policies, key, 1, record->time);
    evidence->starts_with_http += strstr(record_text(record, FIELD_FINDINGS), "http") != NULL;
    evidence->starts_without_handshakes += strcmp(record_text(record, FIELD_LOG_HANDSHAKES), "off") == 0;
    if (before == NULL || before->mode == PROGRAM_NO_MODE || before->mode == program_mode_of(mode))
        return;
    const char *const change[CHANGE_PARTS] = {
        [CHANGE_ORIGIN] = origin,
        [CHANGE_PROGRAM] = key[POLICY_PROGRAM],
        [CHANGE_FROM] = program_mode_words[before->mode],
        [CHANGE_TO] = mode,
        [CHANGE_TIME] = moment_write(text, record->time),
    };
    (void)tally_add(&evidence->mode_changes, change, 1, record->time);
}

/* Keeps the longest silences. */
static void add_gap(struct evidence *evidence, const char *origin, int64_t from, int64_t to)
{
    struct gap *place = &evidence->gaps[evidence->gap_count];
    if (evidence->gap_count < GAPS_MAX) {
        evidence->gap_count++;
    } else {
        place = evidence->gaps;
        for (size_t i = 1; i < GAPS_MAX; i++)
            if (evidence->gaps[i].to - evidence->gaps[i].from < place->to - place->from)
                place = &evidence->gaps[i];
        evidence->gaps_left_out++;
        if (to - from <= place->to - place->from)
            return;
    }
    (void)snprintf(place->origin, sizeof place->origin, "%s", origin);
    place->from = from;
    place->to = to;
}

static void look_at_time(struct evidence *evidence, const struct record *record, const char *origin)
{
    const char *const key[] = {origin};
    struct tally_entry *const entry = tally_add(&evidence->origins, key, 1, record->time);
    if (evidence->first == MOMENT_NONE || record->time < evidence->first)
        evidence->first = record->time;
    if (record->time > evidence->last)
        evidence->last = record->time;
    if (entry == NULL)
        return;
    const int64_t before = (int64_t)entry->sums[ORIGIN_LAST];
    if (entry->sums[ORIGIN_LINES]++ > 0 && record->time - before > evidence->gap_limit)
        add_gap(evidence, entry->parts[0], before, record->time);
    if (record->time < before - (int64_t)BACKWARDS_LIMIT * MOMENT_SECOND)
        evidence->backwards++;
    if (record->time > before)
        entry->sums[ORIGIN_LAST] = (uint64_t)record->time;
}

void evidence_add(struct evidence *evidence, const struct record *record, const char *origin)
{
    struct program_state before;
    const bool is_known = processes_add(&evidence->processes, record, origin, &before);
    if (record->happened < evidence->since || record->happened >= evidence->until) {
        evidence->outside++;
        return;
    }
    tally_sum(&evidence->events[record->event], record->weight);
    look_at_time(evidence, record, origin);
    add_service(evidence, record);
    incidents_add(evidence, record);
    switch (record->event) {
    case EVENT_POLICY:
        add_policy(evidence, record, origin, is_known ? &before : NULL);
        break;
    case EVENT_LOST:
        tally_sum(&evidence->lost, record_number(record, FIELD_EVENTS));
        break;
    case EVENT_HANDSHAKE:
        add_handshake(evidence, record, "tls");
        break;
    case EVENT_OBSERVED:
    case EVENT_WEAK:
        add_handshake(evidence, record, "wire");
        break;
    case EVENT_OVERRIDE:
    case EVENT_WOULD_OVERRIDE:
        add_override(evidence, record);
        break;
    case EVENT_OPENED:
        add_sealed(evidence, record);
        seal_ages_open(&evidence->ages, record, origin);
        break;
    case EVENT_CLOSED:
        add_sealed(evidence, record);
        add_closed(evidence, record, origin);
        break;
    default: /* only incidents */
        break;
    }
}

void evidence_finish(struct evidence *evidence)
{
    struct tally *const tables[] = {
        &evidence->handshakes,   &evidence->verified, &evidence->incidents,         &evidence->overrides,
        &evidence->sealed,       &evidence->ends,     &evidence->services,          &evidence->policies,
        &evidence->mode_changes, &evidence->origins,  &evidence->processes.programs};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        tally_sort(tables[i]);
}

const struct tally_entry *evidence_next(const struct evidence *evidence, enum incident incident, size_t *at)
{
    while (*at < evidence->incidents.count) {
        const struct tally_entry *const entry = &evidence->incidents.entries[(*at)++];
        if (strcmp(entry->parts[INCIDENT_ID], incident_ids[incident]) == 0)
            return entry;
    }
    return NULL;
}
