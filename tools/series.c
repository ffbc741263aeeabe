/*
 * A table of series by metric and labels. Counters of a process are kept apart until the process has ended. See
 * series.h.
 */
#include "series.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The type, and the name and help of each metric. */
static const struct metric {
    const char *name;
    bool is_counter;
    const char *help;
} metrics[SERIES_METRICS] = {
    [SERIES_PROCESSES] = {"pfswrap_processes", false, "Processes under pfswrap."},
    [SERIES_UNREADABLE] = {"pfswrap_unreadable_processes", false,
                           "Processes under pfswrap whose counters could not be read."},
    [SERIES_UNPROTECTED] = {"pfswrap_unprotected_processes", false,
                            "Processes that a policy names, or that listen on a sealed port, without pfswrap."},
    [SERIES_POLICY_STALE] = {"pfswrap_stale_policy_processes", false,
                             "Processes whose policy file has changed or is gone since they have read it."},
    [SERIES_HANDSHAKES] = {"pfswrap_handshakes_total", true, "TLS handshakes that conform to the policy."},
    [SERIES_OBSERVED] = {"pfswrap_observed_handshakes_total", true,
                         "TLS handshakes of other libraries that conform to the policy."},
    [SERIES_OVERRIDES] = {"pfswrap_overrides_total", true, "Settings of programs that were overridden."},
    [SERIES_WOULD_OVERRIDE] = {"pfswrap_would_override_total", true,
                               "Settings that mode = enforce would override."},
    [SERIES_REFUSED] = {"pfswrap_refused_total", true, "Connections that were refused, by reason."},
    [SERIES_WOULD_REFUSE] = {"pfswrap_would_refuse_total", true, "Connections that mode = enforce would refuse."},
    [SERIES_FAILED] = {"pfswrap_failed_total", true, "TLS handshakes that failed for another reason."},
    [SERIES_EVENTS] = {"pfswrap_events_total", true, "Events of the audit log that have no metric of their own."},
    [SERIES_OPENED] = {"pfswrap_connections_opened_total", true, "Sealed connections that were opened, by peer."},
    [SERIES_CLOSED] = {"pfswrap_connections_closed_total", true, "Sealed connections that were closed, by end."},
    [SERIES_CONNECTIONS] = {"pfswrap_connections", false, "Sealed connections that are open."},
    [SERIES_SENT_BYTES] = {"pfswrap_sent_bytes_total", true, "Data sent on sealed connections."},
    [SERIES_SENT_CHUNKS] = {"pfswrap_sent_chunks_total", true, "Frames of data sent on sealed connections."},
    [SERIES_RECEIVED_BYTES] = {"pfswrap_received_bytes_total", true, "Data received on sealed connections."},
    [SERIES_RECEIVED_CHUNKS] = {"pfswrap_received_chunks_total", true,
                                "Frames of data received on sealed connections."},
    [SERIES_EVENTS_LOST] = {"pfswrap_audit_events_lost_total", true,
                            "Events that could not be written to the audit log."},
    [SERIES_LOG_FAILS] = {"pfswrap_audit_log_failing_processes", false,
                          "Processes that could not write their last event to the audit log."},
    [SERIES_KEY_EXPIRY] = {"pfswrap_peer_key_expiry_timestamp_seconds", false,
                           "When the key of a peer expires, of the 64 that expire first."},
    [SERIES_BUILD] = {"pfswrap_build_info", false, "The version of the exporter."},
};

/* A sum of a process's, or one of all processes. */
struct entry {
    enum series_metric metric;
    char *labels;
    uint64_t value;     /* of all processes in this round */
    uint64_t past;      /* counters of processes that have ended */
    bool is_new;        /* of this round, or a counter */
    struct entry *next; /* in its bucket */
};

struct sample {
    struct entry *entry;
    uint64_t value;
};

struct known {
    uint64_t process;
    bool is_seen; /* in this round */
    struct sample *samples;
    size_t count, room;
};

enum { BUCKETS = 4096 };

struct series_set {
    struct entry *buckets[BUCKETS];
    struct entry **all;
    size_t count, room;
    struct known *known;
    size_t known_count, known_room;
    size_t current; /* index into known, + 1; 0: none */
};

struct series_set *series_new(void)
{
    return calloc(1, sizeof(struct series_set));
}

void series_free(struct series_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++) {
        free(set->all[i]->labels);
        free(set->all[i]);
    }
    for (size_t i = 0; i < set->known_count; i++)
        free(set->known[i].samples);
    free(set->all);
    free(set->known);
    free(set);
}

void series_label(struct series_labels *labels, const char *name, const char *value)
{
    char escaped[2 * SERIES_VALUE_MAX];
    size_t used = 0;
    for (size_t i = 0; i < SERIES_VALUE_MAX - 1 && value[i] != '\0'; i++) {
        char shown = value[i];
        if (shown == '\\' || shown == '"' || shown == '\n')
            escaped[used++] = '\\';
        if (shown == '\n')
            shown = 'n';
        escaped[used++] = shown;
    }
    escaped[used] = '\0';
    const size_t needed = strlen(name) + used + sizeof ",=\"\"";
    if (labels->length + needed >= sizeof labels->text)
        return;
    labels->length += (size_t)snprintf(labels->text + labels->length, sizeof labels->text - labels->length,
                                       "%s%s=\"%s\"", labels->length > 0 ? "," : "", name, escaped);
}

static struct entry *find_or_add(struct series_set *set, enum series_metric metric, const char *labels)
{
    uint32_t hash = UINT32_C(0x811c9dc5) ^ (uint32_t)metric; /* FNV-1a */
    for (const char *at = labels; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * UINT32_C(0x01000193);
    struct entry **bucket = &set->buckets[hash % BUCKETS];
    for (struct entry *entry = *bucket; entry != NULL; entry = entry->next)
        if (entry->metric == metric && strcmp(entry->labels, labels) == 0)
            return entry;
    if (set->count == set->room) {
        const size_t room = set->room == 0 ? 256 : 2 * set->room;
        struct entry **more = realloc(set->all, room * sizeof(struct entry *));
        if (more == NULL)
            return NULL;
        set->all = more;
        set->room = room;
    }
    struct entry *entry = calloc(1, sizeof *entry);
    char *copy = strdup(labels);
    if (entry == NULL || copy == NULL) {
        free(entry);
        free(copy);
        return NULL;
    }
    *entry = (struct entry){.metric = metric, .labels = copy, .next = *bucket};
    *bucket = entry;
    set->all[set->count++] = entry;
    return entry;
}

void series_begin(struct series_set *set)
{
    set->current = 0;
    for (size_t i = 0; i < set->count; i++) {
        set->all[i]->value = 0;
        set->all[i]->is_new = false;
    }
    for (size_t i = 0; i < set->known_count; i++)
        set->known[i].is_seen = false;
}

void series_process(struct series_set *set, uint64_t process)
{
    set->current = 0;
    for (size_t i = 0; i < set->known_count; i++)
        if (set->known[i].process == process)
            set->current = i + 1;
    if (set->current == 0 && set->known_count == set->known_room) {
        const size_t room = set->known_room == 0 ? 64 : 2 * set->known_room;
        struct known *more = realloc(set->known, room * sizeof *more);
        if (more == NULL)
            return;
        set->known = more;
        set->known_room = room;
    }
    if (set->current == 0) {
        set->known[set->known_count++] = (struct known){.process = process};
        set->current = set->known_count;
    }
    struct known *known = &set->known[set->current - 1];
    known->is_seen = true;
    known->count = 0;
}

static void remember(struct known *known, struct entry *entry, uint64_t value)
{
    if (known->count == known->room) {
        const size_t room = known->room == 0 ? 16 : 2 * known->room;
        struct sample *more = realloc(known->samples, room * sizeof *more);
        if (more == NULL)
            return;
        known->samples = more;
        known->room = room;
    }
    known->samples[known->count++] = (struct sample){entry, value};
}

void series_add(struct series_set *set, enum series_metric metric, const struct series_labels *labels,
                uint64_t value)
{
    struct entry *entry = find_or_add(set, metric, labels->text);
    if (entry == NULL)
        return;
    entry->value = metric == SERIES_KEY_EXPIRY ? value : entry->value + value;
    entry->is_new = true;
    if (metrics[metric].is_counter && set->current > 0)
        remember(&set->known[set->current - 1], entry, value);
}

void series_end(struct series_set *set)
{
    set->current = 0;
    for (size_t i = 0; i < set->known_count;) {
        struct known *known = &set->known[i];
        if (known->is_seen) {
            i++;
            continue;
        }
        /* Each process has samples of its own. NOLINTBEGIN(clang-analyzer-unix.Malloc) */
        for (size_t s = 0; s < known->count; s++)
            known->samples[s].entry->past += known->samples[s].value;
        free(known->samples);
        *known = set->known[--set->known_count];
        /* NOLINTEND(clang-analyzer-unix.Malloc) */
    }
}

int series_write(const struct series_set *set, FILE *file)
{
    for (int metric = 0; metric < SERIES_METRICS; metric++) {
        bool is_first = true;
        for (size_t i = 0; i < set->count; i++) {
            const struct entry *entry = set->all[i];
            if ((int)entry->metric != metric || (!entry->is_new && !metrics[metric].is_counter))
                continue;
            if (is_first)
                (void)fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", metrics[metric].name, metrics[metric].help,
                              metrics[metric].name, metrics[metric].is_counter ? "counter" : "gauge");
            is_first = false;
            const bool has_labels = entry->labels[0] != '\0';
            (void)fprintf(file, "%s%s%s%s %" PRIu64 "\n", metrics[metric].name, has_labels ? "{" : "",
                          entry->labels, has_labels ? "}" : "", entry->value + entry->past);
        }
    }
    return ferror(file) != 0 ? -1 : 0;
}
