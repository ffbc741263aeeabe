/*
 * `pfswrap status` for people. See status.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "message.h"
#include "pfswrap/keys.h"
#include "status.h"

const struct table_column status_columns[] = {
    {"PID", 0, TABLE_RIGHT, false},  {"PROGRAM", 8, TABLE_LEFT, false},  {"MODE", 0, TABLE_LEFT, false},
    {"TLS", 0, TABLE_RIGHT, false},  {"REFUSED", 0, TABLE_RIGHT, false}, {"SEALED", 0, TABLE_RIGHT, false},
    {"SENT", 0, TABLE_RIGHT, false}, {"RECV", 0, TABLE_RIGHT, false},    {"POLICY", 0, TABLE_LEFT, false},
    {"FILE", 8, TABLE_LEFT, true},
};
_Static_assert(sizeof status_columns / sizeof status_columns[0] == STATUS_COLUMNS, "one for each cell");

/* Why the counters of a process cannot be shown, in a word. */
static const char *const unread_words[] = {
    [SNAPSHOT_DENIED] = "denied",  [SNAPSHOT_GONE] = "ended",      [SNAPSHOT_LAYOUT] = "other",
    [SNAPSHOT_BROKEN] = "invalid", [SNAPSHOT_STARTING] = "starts",
};

void status_add_row(struct table *table, const struct protected_process *protected)
{
    const struct snapshot *snapshot = &protected->snapshot;
    enum { PID, PROGRAM, MODE, TLS, REFUSED, SEALED, SENT, RECEIVED, POLICY, FILE_PATH };
    char sent[TABLE_AMOUNT_MAX], received[TABLE_AMOUNT_MAX];
    if (!table_add_row(table))
        return;
    table_cell(table, PID, "%d", (int)protected->process.pid);
    table_cell(table, PROGRAM, "%s", protected_name(protected));
    if (protected->result != SNAPSHOT_READ) {
        table_cell(table, MODE, "?");
        table_cell(table, POLICY, "%s", unread_words[protected->result]);
        return;
    }
    const struct snapshot_flow total = snapshot_total(snapshot);
    table_format_bytes(sent, total.sent_bytes);
    table_format_bytes(received, total.received_bytes);
    table_cell(table, MODE, "%s", snapshot->about.mode == 0 ? "enforce" : "audit");
    table_cell(table, TLS, "%" PRIu64, snapshot_sum(snapshot, COUNTERS_HANDSHAKE));
    table_cell(table, REFUSED, "%" PRIu64, snapshot_sum(snapshot, COUNTERS_REFUSED));
    table_cell(table, SEALED, "%zu", snapshot->connection_count);
    table_cell(table, SENT, "%s", sent);
    table_cell(table, RECEIVED, "%s", received);
    table_cell(table, POLICY, "%s", policy_state_word(protected->policy));
    table_cell(table, FILE_PATH, "%s", protected->policy == POLICY_STATE_BUILTIN ? "" : snapshot->about.policy);
}

enum { LABEL = 12 }; /* columns of a label */

static void write_label(const char *label)
{
    out("  %-*s", LABEL, label);
}

static void write_line(const char *label, const char *text)
{
    write_label(label);
    out("%s\n", text);
}

static void write_planes(uint32_t planes)
{
    static const char *const names[] = {"tls", "seal", "layer", "wire"};
    bool is_first = true;
    write_label("planes");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((planes >> i & 1) != 0) {
            out("%s%s", is_first ? "" : ", ", names[i]);
            is_first = false;
        }
    out("\n");
}

static void write_policy(const struct protected_process *protected)
{
    const struct counters_about *about = &protected->snapshot.about;
    char time[TABLE_TIME_MAX];
    table_format_time(time, about->policy_ns / 1000000000);
    write_label("policy");
    out("%s, read %s UTC", about->policy, time);
    switch (protected->policy) {
    case POLICY_STATE_CURRENT:
        out(", as the file is now");
        break;
    case POLICY_STATE_CHANGED:
        out(", the file has CHANGED since");
        break;
    case POLICY_STATE_REMOVED:
        out(", the file is GONE");
        break;
    case POLICY_STATE_UNKNOWN:
        out(", the file cannot be read");
        break;
    case POLICY_STATE_BUILTIN:
        break;
    }
    out("\n");
    if (about->problem[0] != '\0')
        write_line("", about->problem);
}

/* The cells of a kind, one on each line; nothing if there is none. */
static void write_cells(const struct snapshot *snapshot, enum counters_kind kind, const char *label)
{
    bool is_first = true;
    for (size_t i = 0; i < snapshot->cell_count; i++) {
        const struct snapshot_cell *cell = &snapshot->cells[i];
        if (cell->kind != kind)
            continue;
        write_label(is_first ? label : "");
        is_first = false;
        out("%" PRIu64 "  %s%s%s\n", cell->count, cell->a[0] != '\0' ? cell->a : "(anonymous)",
            cell->b[0] != '\0' ? " " : "", cell->b);
    }
}

static void write_sealed(const struct snapshot *snapshot)
{
    char sent[TABLE_AMOUNT_MAX], received[TABLE_AMOUNT_MAX];
    write_label("sealed now");
    out("%zu\n", snapshot->connection_count);
    if (snapshot->unlisted > 0) {
        write_label("");
        out("%" PRIu64 " more were not listed, for lack of memory\n", snapshot->unlisted);
    }
    for (uint32_t i = 0; i < snapshot->about.rule_count; i++) {
        const struct snapshot_flow *flow = &snapshot->flows[i];
        size_t now = 0;
        if ((snapshot->about.rules[i].flags & COUNTERS_IS_SEALED) == 0)
            continue;
        for (size_t c = 0; c < snapshot->connection_count; c++)
            now += snapshot->connections[c].rule == i;
        table_format_bytes(sent, flow->sent_bytes);
        table_format_bytes(received, flow->received_bytes);
        write_label("");
        out("%s%s: %zu now; sent %s in %" PRIu64 " chunks, received %s in %" PRIu64 "\n",
            snapshot->about.rules[i].name,
            (snapshot->about.rules[i].flags & COUNTERS_IS_REMOVED) != 0 ? " (removed from the policy)" : "", now,
            sent, flow->sent_chunks, received, flow->received_chunks);
    }
}

static void write_keys(const struct counters_about *about)
{
    char text[PFSWRAP_KEY_TEXT_BYTES], date[TABLE_TIME_MAX];
    const int64_t now = (int64_t)time(NULL);
    for (uint32_t i = 0; i < about->identity_count; i++) {
        pfswrap_key_encode(text, about->identities[i]);
        write_line(i == 0 ? "identity" : "", text);
    }
    if (about->peer_count == 0)
        return;
    write_label("peers");
    out("%" PRIu32 "%s\n", about->peer_count, about->key_count == 0 ? ", none expires" : "");
    for (uint32_t i = 0; i < about->key_count; i++) {
        table_format_time(date, about->keys[i].not_after);
        write_label("");
        out("%s %s %s UTC\n", about->keys[i].name, about->keys[i].not_after < now ? "EXPIRED" : "expires", date);
    }
}

static void write_log(const struct snapshot *snapshot)
{
    if (snapshot->lost == 0)
        return;
    write_label("audit log");
    out("%" PRIu64 " events were not written%s\n", snapshot->lost,
        snapshot->log_fails ? ", and it CANNOT BE WRITTEN now" : "");
}

void status_write_text(const struct protected_process *protected, size_t width)
{
    const struct snapshot *snapshot = &protected->snapshot;
    const struct counters_about *about = &snapshot->about;
    char text[TABLE_TIME_MAX];
    (void)width;
    out("%s, process %d\n", protected_name(protected), (int)protected->process.pid);
    if (protected->result != SNAPSHOT_READ) {
        write_line("protected", "yes");
        write_line("counters", snapshot_result_text(protected->result));
        return;
    }
    write_line("mode", about->mode == 0 ? "enforce" : "audit");
    write_policy(protected);
    write_planes(about->planes);
    if (!snapshot->is_own) {
        write_line("counters", "this child process has not counted anything yet");
        return;
    }
    table_format_time(text, about->since_ns / 1000000000);
    write_label("since");
    out("%s UTC, pfswrap %s, build ", text, about->version);
    for (size_t i = 0; i < snapshot->build_id_length && i < 6; i++)
        out("%02x", snapshot->build_id[i]);
    out("\n");
    write_log(snapshot);
    write_cells(snapshot, COUNTERS_HANDSHAKE, "handshakes");
    write_cells(snapshot, COUNTERS_OBSERVED, "observed");
    write_cells(snapshot, COUNTERS_OVERRIDE, "overrides");
    write_cells(snapshot, COUNTERS_WOULD_OVERRIDE, "would force");
    write_cells(snapshot, COUNTERS_REFUSED, "refused");
    write_cells(snapshot, COUNTERS_WOULD_REFUSE, "would refuse");
    write_cells(snapshot, COUNTERS_FAILED, "failed");
    write_cells(snapshot, COUNTERS_EVENT, "events");
    write_sealed(snapshot);
    write_cells(snapshot, COUNTERS_OPENED, "opened");
    write_cells(snapshot, COUNTERS_CLOSED, "closed");
    write_keys(about);
}
