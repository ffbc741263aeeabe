/*
 * Figures of the evidence, each as one line of text. See controls.h.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "moment.h"
#include "report.h"

enum { SHARES = 8 };

const char *const metric_names[METRIC_COUNT] = {
    [METRIC_NONE] = "",
    [METRIC_HANDSHAKES] = "TLS handshakes",
    [METRIC_VERSIONS] = "Versions",
    [METRIC_GROUPS] = "Key exchange groups",
    [METRIC_CIPHERS] = "Cipher suites",
    [METRIC_RESUMED] = "Resumed handshakes",
    [METRIC_POST_QUANTUM] = "Post-quantum key exchange",
    [METRIC_VERIFIED] = "Who verified the peer's certificate",
    [METRIC_REFUSED] = "Refused connections",
    [METRIC_OPEN] = "Connections that were not encrypted or not judged",
    [METRIC_UNPROTECTED] = "Unprotected executions and calls",
    [METRIC_OVERRIDES] = "Weaker settings that programs asked for",
    [METRIC_SEALED] = "Sealed connections",
    [METRIC_PATTERNS] = "Patterns of the seal's handshake",
    [METRIC_REKEYS] = "Keys that were replaced in sealed connections",
    [METRIC_KEY_AGES] = "Age of keys in sealed connections",
    [METRIC_PROCESSES] = "Processes",
};

struct writer {
    char *text;
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *writer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(writer->text + writer->used, METRIC_TEXT - writer->used, format, arguments);
    va_end(arguments);
    writer->used += (size_t)length;
    if (writer->used >= METRIC_TEXT)
        writer->used = METRIC_TEXT - 1;
}

static void put_shares(struct writer *writer, const struct tally *tally, size_t part)
{
    struct share shares[SHARES];
    const size_t count = report_shares(tally, part, NULL, shares, SHARES);
    for (size_t i = 0; i < count; i++)
        put(writer, "%s%.40s: %" PRIu64, i > 0 ? ", " : "", shares[i].name, shares[i].count);
}

static uint64_t sum_of(const struct tally *tally, size_t part, const char *word)
{
    uint64_t total = 0;
    for (size_t i = 0; i < tally->count; i++)
        if (strcmp(tally->entries[i].parts[part], word) == 0)
            tally_sum(&total, tally->entries[i].count);
    return total;
}

static uint64_t sums_of(const struct tally *tally, size_t sum)
{
    uint64_t total = 0;
    for (size_t i = 0; i < tally->count; i++)
        tally_sum(&total, tally->entries[i].sums[sum]);
    return total;
}

static void write_verified(struct writer *writer, const struct tally *tally)
{
    for (size_t i = 0; i < tally->count; i++) {
        const struct tally_entry *const entry = &tally->entries[i];
        const char *const by = entry->parts[VERIFIED_BY];
        put(writer, "%s%.20s, %.20s: %" PRIu64, i > 0 ? "; " : "",
            strcmp(entry->parts[VERIFIED_ROLE], "client") == 0 ? "as client" : "as server",
            by[0] != '\0' ? by : "not known", entry->count);
    }
}

static void write_post_quantum(struct writer *writer, const struct history *history)
{
    uint64_t hybrid = 0, all = 0;
    for (size_t i = 0; i < history->count; i++) {
        all += history_total(history, i);
        if (strcmp(history->names[i], "post-quantum") == 0)
            hybrid = history_total(history, i);
    }
    if (all > 0)
        put(writer, "%" PRIu64 " of %" PRIu64 " (%.1f %%)", hybrid, all, 100.0 * (double)hybrid / (double)all);
}

static void write_ages(struct writer *writer, const struct seal_ages *ages)
{
    char longest[MOMENT_TEXT], keys[MOMENT_TEXT];
    if (ages->pairs == 0)
        return;
    put(writer, "longest connection %s, longest time with the same keys %s; ",
        duration_write(longest, ages->longest), duration_write(keys, ages->longest_keys));
    for (size_t i = 0; i < SEAL_AGES_STEPS; i++)
        if (ages->steps[i] > 0)
            put(writer, "%s: %" PRIu64 ", ", seal_ages_words[i], ages->steps[i]);
    put(writer, "still open: %" PRIu64, seal_ages_still_open(ages));
}

static void write_open(struct writer *writer, const uint64_t *events)
{
    put(writer, "plaintext: %" PRIu64 ", unsealed: %" PRIu64 ", unjudged: %" PRIu64 ", weak TLS: %" PRIu64,
        events[EVENT_PLAINTEXT], events[EVENT_PLAIN], events[EVENT_UNJUDGED], events[EVENT_WEAK]);
}

static void write_seal_metric(struct writer *writer, const struct evidence *evidence, enum metric metric)
{
    const struct tally *const sealed = &evidence->sealed;
    if (metric == METRIC_SEALED)
        put(writer, "%" PRIu64 " opened, %" PRIu64 " closed, %" PRIu64 " of these cleanly",
            evidence->events[EVENT_OPENED], evidence->events[EVENT_CLOSED], sums_of(sealed, SUM_CLEAN));
    else if (metric == METRIC_PATTERNS)
        put_shares(writer, sealed, SEALED_PATTERN);
    else if (metric == METRIC_REKEYS)
        put(writer, "%" PRIu64 " rekeys and %" PRIu64 " new handshakes in %" PRIu64 " chunks",
            sums_of(sealed, SUM_REKEYS), sums_of(sealed, SUM_REHANDSHAKES), sums_of(sealed, SUM_CHUNKS));
    else
        write_ages(writer, &evidence->ages);
}

static void write_tls_metric(struct writer *writer, const struct evidence *evidence, enum metric metric)
{
    const struct tally *const handshakes = &evidence->handshakes;
    if (metric == METRIC_HANDSHAKES)
        put(writer, "%" PRIu64 " in TLS libraries, %" PRIu64 " more read on the wire",
            evidence->events[EVENT_HANDSHAKE], evidence->events[EVENT_OBSERVED] + evidence->events[EVENT_WEAK]);
    else if (metric == METRIC_VERSIONS)
        put_shares(writer, handshakes, HANDSHAKE_VERSION);
    else if (metric == METRIC_GROUPS)
        put_shares(writer, handshakes, HANDSHAKE_GROUP);
    else if (metric == METRIC_CIPHERS)
        put_shares(writer, handshakes, HANDSHAKE_CIPHER);
    else if (metric == METRIC_RESUMED)
        put(writer, "%" PRIu64, sum_of(handshakes, HANDSHAKE_RESUMED, "true"));
    else if (metric == METRIC_POST_QUANTUM)
        write_post_quantum(writer, &evidence->exchanges);
    else
        write_verified(writer, &evidence->verified);
}

bool metric_write(const struct evidence *evidence, enum metric metric, char text[METRIC_TEXT])
{
    struct writer writer = {.text = text};
    text[0] = '\0';
    switch (metric) {
    case METRIC_NONE:
    case METRIC_COUNT:
        break;
    case METRIC_HANDSHAKES:
    case METRIC_VERSIONS:
    case METRIC_GROUPS:
    case METRIC_CIPHERS:
    case METRIC_RESUMED:
    case METRIC_POST_QUANTUM:
    case METRIC_VERIFIED:
        write_tls_metric(&writer, evidence, metric);
        break;
    case METRIC_SEALED:
    case METRIC_PATTERNS:
    case METRIC_REKEYS:
    case METRIC_KEY_AGES:
        write_seal_metric(&writer, evidence, metric);
        break;
    case METRIC_REFUSED:
        put(&writer, "%" PRIu64 "; failed for another reason: %" PRIu64,
            evidence->incident_totals[INCIDENT_REFUSED], evidence->events[EVENT_FAILED]);
        break;
    case METRIC_OPEN:
        write_open(&writer, evidence->events);
        break;
    case METRIC_UNPROTECTED:
        put(&writer, "%" PRIu64, evidence->events[EVENT_UNPROTECTED]);
        break;
    case METRIC_OVERRIDES:
        put(&writer, "%" PRIu64 " replaced, %" PRIu64 " would be", evidence->events[EVENT_OVERRIDE],
            evidence->events[EVENT_WOULD_OVERRIDE]);
        break;
    case METRIC_PROCESSES:
        put(&writer, "%zu, of which %zu have read a policy themselves", evidence->processes.count,
            evidence->processes.with_policy);
        break;
    }
    return text[0] != '\0';
}
