/*
 * `pfswrap status --json`: one object on one line for each process. Counts are numbers, dates are RFC 3339. See
 * status.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "connection_text.h"
#include "json.h"
#include "message.h"
#include "pfswrap/keys.h"
#include "status.h"

static void write_time(const char *key, int64_t time)
{
    const int64_t year_10000 = INT64_C(253402300800);
    const time_t seconds = (time_t)time;
    struct tm parts;
    char text[32];
    if (time <= 0 || time >= year_10000 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        json_write_member(key, NULL);
        return;
    }
    json_write_member(key, text);
}

static void write_hex(const char *key, const uint8_t *bytes, size_t count)
{
    out("\"%s\": \"", key);
    for (size_t i = 0; i < count; i++)
        out("%02x", bytes[i]);
    out("\"");
}

static void write_planes(uint32_t planes)
{
    static const char *const names[] = {"tls", "seal", "layer", "wire"};
    const char *separator = "";
    out("\"planes\": [");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((planes >> i & 1) != 0) {
            out("%s\"%s\"", separator, names[i]);
            separator = ", ";
        }
    out("]");
}

static void write_cells(const struct snapshot *snapshot, enum counters_kind kind, const char *key, const char *a,
                        const char *b)
{
    const char *separator = "";
    out(", \"%s\": [", key);
    for (size_t i = 0; i < snapshot->cell_count; i++) {
        const struct snapshot_cell *cell = &snapshot->cells[i];
        if (cell->kind != kind)
            continue;
        out("%s{", separator);
        separator = ", ";
        json_write_member(a, cell->a[0] != '\0' ? cell->a : NULL);
        if (b != NULL) {
            out(", ");
            json_write_member(b, cell->b[0] != '\0' ? cell->b : NULL);
        }
        out(", \"count\": %" PRIu64 "}", cell->count);
    }
    out("]");
}

static void write_flow(const struct snapshot_flow *flow)
{
    out("\"sent_bytes\": %" PRIu64 ", \"sent_chunks\": %" PRIu64 ", \"received_bytes\": %" PRIu64
        ", \"received_chunks\": %" PRIu64,
        flow->sent_bytes, flow->sent_chunks, flow->received_bytes, flow->received_chunks);
}

static void write_rules(const struct snapshot *snapshot)
{
    out(", \"rules\": [");
    for (uint32_t i = 0; i < snapshot->about.rule_count; i++) {
        const struct counters_rule *rule = &snapshot->about.rules[i];
        size_t now = 0;
        for (size_t c = 0; c < snapshot->connection_count; c++)
            now += snapshot->connections[c].rule == i;
        out(i == 0 ? "{" : ", {");
        json_write_member("rule", rule->name);
        out(", ");
        json_write_member("direction", (rule->flags & COUNTERS_IS_CLIENT) != 0 ? "connect" : "listen");
        out(", ");
        json_write_member("seal", (rule->flags & COUNTERS_IS_SEALED) == 0 ? "off"
                                  : (rule->flags & COUNTERS_PREFERS) != 0 ? "prefer"
                                                                          : "require");
        out(", ");
        json_write_member("layer", (rule->flags & COUNTERS_IS_LAYER) != 0 ? "tls" : "socket");
        out(", \"removed\": %s, \"connections\": %zu, ",
            (rule->flags & COUNTERS_IS_REMOVED) != 0 ? "true" : "false", now);
        write_flow(&snapshot->flows[i]);
        out("}");
    }
    out("]");
}

void connection_write_json(const struct snapshot *snapshot, const struct snapshot_connection *connection)
{
    char local[CONNECTION_ADDRESS_MAX], peer[CONNECTION_ADDRESS_MAX];
    connection_format_address(local, connection, true);
    connection_format_address(peer, connection, false);
    json_write_member("local", connection->family != 0 ? local : NULL);
    out(", ");
    json_write_member("peer", connection->family != 0 ? peer : NULL);
    out(", ");
    json_write_member("peer_name", connection->peer_name[0] != '\0' ? connection->peer_name : NULL);
    out(", ");
    json_write_member("role", (connection->flags & COUNTERS_IS_CLIENT) != 0 ? "client" : "server");
    out(", ");
    json_write_member("pattern", snapshot_pattern(connection));
    out(", ");
    json_write_member("rule", snapshot_rule(snapshot, connection->rule));
    out(", ");
    json_write_member("layer", (connection->flags & COUNTERS_IS_LAYER) != 0 ? "tls" : "socket");
    out(", ");
    write_time("since", connection->since);
    out(", ");
    write_time("renewed", connection->renewed);
    out(", \"rehandshakes\": %" PRIu64 ", ", connection->rehandshakes);
    write_flow(&connection->flow);
}

static void write_connections(const struct snapshot *snapshot)
{
    out(", \"connections\": [");
    for (size_t i = 0; i < snapshot->connection_count; i++) {
        out(i == 0 ? "{" : ", {");
        connection_write_json(snapshot, &snapshot->connections[i]);
        out("}");
    }
    out("]");
}

static void write_keys(const struct counters_about *about)
{
    char text[PFSWRAP_KEY_TEXT_BYTES];
    out(", \"identities\": [");
    for (uint32_t i = 0; i < about->identity_count; i++) {
        pfswrap_key_encode(text, about->identities[i]);
        out("%s", i == 0 ? "" : ", ");
        json_write_string(text);
    }
    out("], \"peers\": %" PRIu32 ", \"expiring\": [", about->peer_count);
    for (uint32_t i = 0; i < about->key_count; i++) {
        out(i == 0 ? "{" : ", {");
        json_write_member("peer_name", about->keys[i].name);
        out(", ");
        write_hex("key", about->keys[i].id, sizeof about->keys[i].id);
        out(", ");
        write_time("not_after", about->keys[i].not_after);
        out("}");
    }
    out("]");
}

static void write_about(const struct protected_process *protected)
{
    const struct snapshot *snapshot = &protected->snapshot;
    const struct counters_about *about = &snapshot->about;
    out(", ");
    json_write_member("version", about->version);
    out(", ");
    write_hex("build_id", snapshot->build_id, snapshot->build_id_length);
    out(", ");
    json_write_member("mode", about->mode == 0 ? "enforce" : "audit");
    out(", ");
    write_planes(about->planes);
    out(", ");
    json_write_member("policy", about->policy);
    out(", ");
    write_hex("policy_digest", about->policy_digest, sizeof about->policy_digest);
    out(", ");
    json_write_member("policy_state", policy_state_word(protected->policy));
    out(", ");
    write_time("policy_read", about->policy_ns / 1000000000);
    out(", ");
    json_write_member("problem", about->problem[0] != '\0' ? about->problem : NULL);
    out(", ");
    write_time("since", snapshot->is_own ? about->since_ns / 1000000000 : 0);
    write_keys(about);
}

void status_write_json(const struct protected_process *protected)
{
    const struct snapshot *snapshot = &protected->snapshot;
    out("{\"pid\": %d, ", (int)protected->process.pid);
    json_write_member("program", protected_name(protected));
    out(", \"user\": %u, ", (unsigned)protected->process.user);
    json_write_member("counters",
                      protected->result == SNAPSHOT_READ ? NULL : snapshot_result_text(protected->result));
    if (protected->result == SNAPSHOT_READ) {
        write_about(protected);
        out(", \"lost\": %" PRIu64 ", \"log_fails\": %s", snapshot->lost, snapshot->log_fails ? "true" : "false");
        write_cells(snapshot, COUNTERS_HANDSHAKE, "handshakes", "version", "group");
        write_cells(snapshot, COUNTERS_OBSERVED, "observed", "version", "group");
        write_cells(snapshot, COUNTERS_OVERRIDE, "overrides", "setting", NULL);
        write_cells(snapshot, COUNTERS_WOULD_OVERRIDE, "would_override", "setting", NULL);
        write_cells(snapshot, COUNTERS_REFUSED, "refused", "rule", "reason");
        write_cells(snapshot, COUNTERS_WOULD_REFUSE, "would_refuse", "rule", "reason");
        write_cells(snapshot, COUNTERS_FAILED, "failed", "rule", "reason");
        write_cells(snapshot, COUNTERS_OPENED, "opened", "rule", "peer_name");
        write_cells(snapshot, COUNTERS_CLOSED, "closed", "rule", "end");
        write_cells(snapshot, COUNTERS_EVENT, "events", "event", NULL);
        write_rules(snapshot);
        write_connections(snapshot);
    }
    out("}\n");
}
