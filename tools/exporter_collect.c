/*
 * Turns the counters of processes into series. Labels are names of programs, rules, peers and reasons; there is no
 * label for the process, since processes come and go. See exporter.h.
 */
#include <stdio.h>
#include <string.h>

#include "exporter.h"
#include "message.h"
#include "protected.h"
#include "unprotected.h"

static struct series_labels labels_of(const struct protected_process *protected)
{
    struct series_labels labels = {.length = 0};
    series_label(&labels, "program", protected_name(protected));
    return labels;
}

/* How the cells of a kind are called, and their labels; NULL: the text has none. */
static const struct cell_metric {
    enum series_metric metric;
    const char *a, *b;
} cell_metrics[COUNTERS_KINDS] = {
    [COUNTERS_EVENT] = {SERIES_EVENTS, "event", NULL},
    [COUNTERS_HANDSHAKE] = {SERIES_HANDSHAKES, "version", "group"},
    [COUNTERS_OBSERVED] = {SERIES_OBSERVED, "version", "group"},
    [COUNTERS_OVERRIDE] = {SERIES_OVERRIDES, "setting", NULL},
    [COUNTERS_WOULD_OVERRIDE] = {SERIES_WOULD_OVERRIDE, "setting", NULL},
    [COUNTERS_REFUSED] = {SERIES_REFUSED, "rule", "reason"},
    [COUNTERS_WOULD_REFUSE] = {SERIES_WOULD_REFUSE, "rule", "reason"},
    [COUNTERS_FAILED] = {SERIES_FAILED, "rule", "reason"},
    [COUNTERS_OPENED] = {SERIES_OPENED, "rule", "peer"},
    [COUNTERS_CLOSED] = {SERIES_CLOSED, "rule", "end"},
};

static void add_cells(struct series_set *set, const struct protected_process *protected)
{
    for (size_t i = 0; i < protected->snapshot.cell_count; i++) {
        const struct snapshot_cell *cell = &protected->snapshot.cells[i];
        const struct cell_metric *metric = &cell_metrics[cell->kind];
        struct series_labels labels = labels_of(protected);
        if (metric->a == NULL)
            continue;
        series_label(&labels, metric->a, cell->a);
        if (metric->b != NULL)
            series_label(&labels, metric->b, cell->b);
        series_add(set, metric->metric, &labels, cell->count);
    }
}

static void add_rules(struct series_set *set, const struct protected_process *protected)
{
    const struct snapshot *snapshot = &protected->snapshot;
    for (uint32_t i = 0; i < snapshot->about.rule_count; i++) {
        const struct snapshot_flow *flow = &snapshot->flows[i];
        struct series_labels labels = labels_of(protected);
        if ((snapshot->about.rules[i].flags & COUNTERS_IS_SEALED) == 0)
            continue;
        series_label(&labels, "rule", snapshot->about.rules[i].name);
        series_add(set, SERIES_SENT_BYTES, &labels, flow->sent_bytes);
        series_add(set, SERIES_SENT_CHUNKS, &labels, flow->sent_chunks);
        series_add(set, SERIES_RECEIVED_BYTES, &labels, flow->received_bytes);
        series_add(set, SERIES_RECEIVED_CHUNKS, &labels, flow->received_chunks);
    }
    for (size_t i = 0; i < snapshot->connection_count; i++) {
        struct series_labels labels = labels_of(protected);
        series_label(&labels, "rule", snapshot_rule(snapshot, snapshot->connections[i].rule));
        series_label(&labels, "peer", snapshot->connections[i].peer_name);
        series_add(set, SERIES_CONNECTIONS, &labels, 1);
    }
}

static void add_keys(struct series_set *set, const struct protected_process *protected)
{
    const struct counters_about *about = &protected->snapshot.about;
    const uint64_t year_10000 = UINT64_C(253402300800);
    for (uint32_t i = 0; i < about->key_count; i++) {
        char id[2 * sizeof about->keys[i].id + 1];
        struct series_labels labels = labels_of(protected);
        for (size_t byte = 0; byte < sizeof about->keys[i].id; byte++)
            (void)snprintf(id + 2 * byte, 3, "%02x", about->keys[i].id[byte]);
        series_label(&labels, "peer", about->keys[i].name);
        series_label(&labels, "key", id);
        if ((uint64_t)about->keys[i].not_after < year_10000)
            series_add(set, SERIES_KEY_EXPIRY, &labels, (uint64_t)about->keys[i].not_after);
    }
}

/* Tells processes apart, also the programs that one process executes after another. */
static uint64_t number_of(const struct protected_process *protected)
{
    uint64_t number = protected->process.start * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t) protected->process.pid;
    if (protected->result == SNAPSHOT_READ)
        number = number * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t) protected->snapshot.about.since_ns;
    return number;
}

static void collect(void *argument, const struct protected_process *protected)
{
    struct series_set *set = argument;
    const struct snapshot *snapshot = &protected->snapshot;
    struct series_labels labels = labels_of(protected);
    series_process(set, number_of(protected));
    if (protected->result != SNAPSHOT_READ) {
        series_add(set, SERIES_UNREADABLE, &labels, 1);
        return;
    }
    const bool is_stale = protected->policy == POLICY_STATE_CHANGED || protected->policy == POLICY_STATE_REMOVED ||
                          snapshot->about.problem[0] != '\0';
    series_add(set, SERIES_POLICY_STALE, &labels, is_stale);
    series_add(set, SERIES_EVENTS_LOST, &labels, snapshot->lost);
    series_add(set, SERIES_LOG_FAILS, &labels, snapshot->log_fails);
    add_cells(set, protected);
    add_rules(set, protected);
    add_keys(set, protected);
    series_label(&labels, "mode", snapshot->about.mode == 0 ? "enforce" : "audit");
    series_label(&labels, "policy", snapshot->about.policy);
    series_add(set, SERIES_PROCESSES, &labels, 1);
}

struct counting {
    struct series_set *set;
    pid_t last;
};

/* A process may have several reasons, and counts once. */
static void count_unprotected(void *argument, const struct unprotected *found)
{
    struct counting *counting = argument;
    struct series_labels labels = {.length = 0};
    if (counting->last == found->process->pid)
        return;
    counting->last = found->process->pid;
    series_label(&labels, "program", found->process->name);
    series_label(&labels, "policy", found->policy);
    series_add(counting->set, SERIES_UNPROTECTED, &labels, 1);
}

int exporter_collect(struct series_set *set, const char *folder)
{
    const struct protected_choice all = {0};
    struct counting counting = {.set = set};
    struct series_labels labels = {.length = 0};
    series_begin(set);
    series_label(&labels, "version", PFSWRAP_VERSION);
    series_add(set, SERIES_BUILD, &labels, 1);
    const int found = protected_each(&all, collect, set);
    series_end(set);
    if (found < 0)
        return -1;
    if (folder != NULL)
        (void)unprotected_each(folder, count_unprotected, &counting);
    return 0;
}
