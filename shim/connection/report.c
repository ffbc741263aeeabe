/*
 * The audit events of sealed connections (docs/AUDIT.md). An event contains the names of keys, never a key. The
 * functions are in connection/connection.h.
 */
#include "audit/address.h"
#include "audit/audit.h"
#include "connection/connection.h"

static const char *const patterns[] = {
    [PFSWRAP_SEAL_IK] = "IK",
    [PFSWRAP_SEAL_NK] = "NK",
    [PFSWRAP_SEAL_IKPSK2] = "IKpsk2",
    [PFSWRAP_SEAL_NKPSK2] = "NKpsk2",
};

enum { FIELDS_MAX = 20 };

/* One event while its fields are collected. */
struct line {
    char local[AUDIT_ADDRESS_TEXT], peer[AUDIT_ADDRESS_TEXT];
    struct audit_field fields[FIELDS_MAX];
    size_t count;
};

static void add(struct line *line, struct audit_field field)
{
    line->fields[line->count++] = field;
}

/* The fields with which every event begins: role, addresses, rule, layer. */
static void begin(struct line *line, const struct connection *connection)
{
    const struct policy_rule *rule = connection_rule(connection);
    line->count = 0;
    audit_address_format(line->local, (const struct sockaddr *)&connection->self);
    audit_address_format(line->peer, (const struct sockaddr *)&connection->peer);
    add(line, AUDIT_S("role", connection->initiator ? "client" : "server"));
    add(line, AUDIT_S("local", line->local[0] != '\0' ? line->local : NULL));
    add(line, AUDIT_S("peer", line->peer[0] != '\0' ? line->peer : NULL));
    add(line, AUDIT_S("rule", rule->name));
    add(line, AUDIT_S("layer", "socket"));
}

static void add_peer(struct line *line, const struct pfswrap_seal_info *info)
{
    add(line, AUDIT_S("peer_name", info->peer_name[0] != '\0' ? info->peer_name : NULL));
    add(line, AUDIT_S("pattern", patterns[info->pattern]));
}

void connection_report_opened(const struct connection *connection)
{
    struct line line;
    struct pfswrap_seal_info info;
    begin(&line, connection);
    if (pfswrap_seal_describe(&connection->channel, &info) == 0) {
        add_peer(&line, &info);
        add(&line, AUDIT_N("rekey", info.rekey));
    }
    audit_event("opened", line.fields, line.count);
}

void connection_report_refused(const struct connection *connection, const char *reason)
{
    struct line line;
    begin(&line, connection);
    add(&line, AUDIT_S("reason", reason));
    audit_event("refused", line.fields, line.count);
}

void connection_report_left(const struct connection *connection)
{
    struct line line;
    begin(&line, connection);
    add(&line, AUDIT_S("reason", "the program that is executed does not get it: another process has it, too"));
    audit_event("left", line.fields, line.count);
}

void connection_report_lost(const char *reason)
{
    const struct audit_field fields[] = {AUDIT_S("layer", "socket"), AUDIT_S("reason", reason)};
    audit_event("refused", fields, sizeof fields / sizeof fields[0]);
}

void connection_report_plain(const struct connection *connection)
{
    struct line line;
    begin(&line, connection);
    add(&line, AUDIT_S("reason", "the peer does not seal, and the rule says prefer"));
    audit_event("plain", line.fields, line.count);
}

void connection_report_closed(const struct connection *connection, const char *end, const char *reason)
{
    struct line line;
    struct pfswrap_seal_info info;
    begin(&line, connection);
    if (pfswrap_seal_describe(&connection->channel, &info) == 0) {
        add_peer(&line, &info);
        add(&line, AUDIT_N("rehandshakes", info.rehandshakes));
        add(&line, AUDIT_N("sent_rekeys", (long long)(connection->sent.chunks / info.rekey)));
        add(&line, AUDIT_N("received_rekeys", (long long)(connection->received.chunks / info.rekey)));
    }
    add(&line, AUDIT_N("sent_bytes", (long long)connection->sent.bytes));
    add(&line, AUDIT_N("sent_chunks", (long long)connection->sent.chunks));
    add(&line, AUDIT_N("received_bytes", (long long)connection->received.bytes));
    add(&line, AUDIT_N("received_chunks", (long long)connection->received.chunks));
    add(&line, AUDIT_S("end", end));
    add(&line, AUDIT_S("reason", reason));
    audit_event("closed", line.fields, line.count);
}
