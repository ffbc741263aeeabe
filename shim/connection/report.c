/*
 * The audit events of sealed connections (docs/AUDIT.md). An event contains the names of keys, never a key. The
 * functions are in connection/connection.h.
 */
#include <stdio.h>

#include "audit/address.h"
#include "audit/builder.h"
#include "connection/connection.h"

static const char *const patterns[] = {
    [PFSWRAP_SEAL_IK] = "IK",
    [PFSWRAP_SEAL_NK] = "NK",
    [PFSWRAP_SEAL_IKPSK2] = "IKpsk2",
    [PFSWRAP_SEAL_NKPSK2] = "NKpsk2",
};

/* One event while its fields are collected. */
struct line {
    char local[AUDIT_ADDRESS_TEXT], peer[AUDIT_ADDRESS_TEXT];
    struct audit_builder event;
};

/* The fields with which every event begins: role, addresses, rule, layer. */
static void begin(struct line *line, const struct connection *connection)
{
    const struct policy_rule *rule = connection_rule(connection);
    line->event.count = 0;
    audit_address_format(line->local, (const struct sockaddr *)&connection->self);
    audit_address_format(line->peer, (const struct sockaddr *)&connection->peer);
    audit_add(&line->event, AUDIT_S("role", connection->initiator ? "client" : "server"));
    audit_add(&line->event, AUDIT_S("local", audit_optional(line->local)));
    audit_add(&line->event, AUDIT_S("peer", audit_optional(line->peer)));
    audit_add(&line->event, AUDIT_S("rule", rule->name));
    audit_add(&line->event, AUDIT_S("layer", "socket"));
}

static void add_peer(struct line *line, const struct pfswrap_seal_info *info)
{
    audit_add(&line->event, AUDIT_S("peer_name", audit_optional(info->peer_name)));
    audit_add(&line->event, AUDIT_S("pattern", patterns[info->pattern]));
}

void connection_report_opened(const struct connection *connection)
{
    struct line line;
    struct pfswrap_seal_info info;
    begin(&line, connection);
    if (pfswrap_seal_describe(&connection->channel, &info) == 0) {
        add_peer(&line, &info);
        audit_add(&line.event, AUDIT_N("rekey", info.rekey));
    }
    audit_write(&line.event, "opened");
}

void connection_report_refused(const struct connection *connection, const char *reason)
{
    struct line line;
    begin(&line, connection);
    audit_add(&line.event, AUDIT_S("reason", reason));
    audit_write(&line.event, "refused");
}

void connection_report_left(const struct connection *connection)
{
    struct line line;
    begin(&line, connection);
    audit_add(&line.event,
              AUDIT_S("reason", "the program that is executed does not get it: another process has it, too"));
    audit_write(&line.event, "left");
}

void connection_report_lost(const char *reason)
{
    const struct audit_field fields[] = {AUDIT_S("layer", "socket"), AUDIT_S("reason", reason)};
    audit_event("refused", fields, sizeof fields / sizeof fields[0]);
}

void connection_report_dropped(const struct connection *connection, unsigned others)
{
    struct line line = {.event.count = 0};
    char detail[64] = "";
    if (connection != NULL)
        begin(&line, connection);
    else
        audit_add(&line.event, AUDIT_S("layer", "socket"));
    if (others > 0)
        (void)snprintf(detail, sizeof detail, "%u %s since the last such line", others,
                       others == 1 ? "connection" : "connections");
    audit_add(&line.event,
              AUDIT_S("reason", "the program closed it before the peer had proved its identity, and too "
                                "few descriptors were free to wait for the peer"));
    audit_add(&line.event, AUDIT_S("detail", audit_optional(detail)));
    audit_write(&line.event, "refused");
}

void connection_report_plain(const struct connection *connection)
{
    struct line line;
    begin(&line, connection);
    audit_add(&line.event, AUDIT_S("reason", "the peer does not seal, and the rule says prefer"));
    audit_write(&line.event, "plain");
}

void connection_report_closed(const struct connection *connection, const char *end, const char *reason)
{
    struct line line;
    struct pfswrap_seal_info info;
    begin(&line, connection);
    if (pfswrap_seal_describe(&connection->channel, &info) == 0) {
        add_peer(&line, &info);
        audit_add(&line.event, AUDIT_N("rehandshakes", info.rehandshakes));
        audit_add(&line.event, AUDIT_N("sent_rekeys", (long long)(connection->sent.chunks / info.rekey)));
        audit_add(&line.event, AUDIT_N("received_rekeys", (long long)(connection->received.chunks / info.rekey)));
    }
    audit_add(&line.event, AUDIT_N("sent_bytes", (long long)connection->sent.bytes));
    audit_add(&line.event, AUDIT_N("sent_chunks", (long long)connection->sent.chunks));
    audit_add(&line.event, AUDIT_N("received_bytes", (long long)connection->received.bytes));
    audit_add(&line.event, AUDIT_N("received_chunks", (long long)connection->received.chunks));
    audit_add(&line.event, AUDIT_S("end", end));
    audit_add(&line.event, AUDIT_S("reason", reason));
    audit_write(&line.event, "closed");
}
