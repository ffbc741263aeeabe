/*
 * The audit events of sealed connections (docs/AUDIT.md). An event contains the names of keys, never a key. The
 * functions are in connection/connection.h.
 */
#include <stdio.h>

#include "audit/address.h"
#include "audit/builder.h"
#include "connection/connection.h"
#include "connection/report_counted.h"
#include "seal/padding.h"

const char connection_left_reason[] = "the program that is executed does not get it: another process has it, too";

const char *const connection_lost_reasons[] = {
    [CONNECTION_LOST_FOREIGN] = "what was passed on is no sealed connection",
    [CONNECTION_LOST_NUMBERS] = "no descriptors are left for a sealed connection that was passed on",
    [CONNECTION_LOST_POLICY] =
        "a sealed connection was passed on by a program with another policy, or another pfswrap",
    [CONNECTION_LOST_SEGMENT] = "no memory or descriptor is left for a sealed connection that was passed on",
    [CONNECTION_LOST_MEMORY] = "no memory is left for a sealed connection that was passed on",
    [CONNECTION_LOST_DESCRIPTOR] = "a sealed connection that was passed on has lost its descriptor",
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
    counted_write_due();
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
    audit_add(&line->event, AUDIT_S("pattern", pfswrap_seal_pattern_name(info->pattern)));
}

void connection_report_opened(const struct connection *connection)
{
    struct line line;
    struct pfswrap_seal_info info;
    begin(&line, connection);
    if (channel_describe(&connection->channel, &info) == 0) {
        add_peer(&line, &info);
        audit_add(&line.event, AUDIT_N("rekey", info.rekey));
        audit_add(&line.event, AUDIT_S("padding", padding_direction(&info)));
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
    if (!counted_must_write(COUNTED_LEFT, connection->binding->rule))
        return;
    begin(&line, connection);
    audit_add(&line.event, AUDIT_S("reason", connection_left_reason));
    audit_write(&line.event, "left");
}

/* Whether the line must be written. A reason that is not in the list is never counted. */
static bool must_report_lost(const char *reason)
{
    for (unsigned i = 0; i < CONNECTION_LOST_REASONS; i++)
        if (connection_lost_reasons[i] == reason)
            return counted_must_write((enum counted)(COUNTED_LOST + i), 0);
    return true;
}

void connection_report_lost(const char *reason)
{
    if (!must_report_lost(reason))
        return;
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
    if (channel_describe(&connection->channel, &info) == 0) {
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
