/*
 * The layer's audit events. They carry layer = tls; their other fields are those of sealed sockets (docs/AUDIT.md).
 */
#include "audit/audit.h"
#include "tls/layer.h"

static const char *or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static const char *pattern_name(enum pfswrap_seal_pattern pattern)
{
    switch (pattern) {
    case PFSWRAP_SEAL_IK:
        return "IK";
    case PFSWRAP_SEAL_NK:
        return "NK";
    case PFSWRAP_SEAL_IKPSK2:
        return "IKpsk2";
    case PFSWRAP_SEAL_NKPSK2:
        return "NKpsk2";
    }
    return NULL;
}

enum { FIELDS_MAX = 20 };

struct line {
    struct audit_field fields[FIELDS_MAX];
    size_t count;
};

static void add(struct line *line, struct audit_field field)
{
    line->fields[line->count++] = field;
}

/* Who and where: what each of the events begins with. */
static void begin(struct line *line, const char *role, const struct report_addresses *addresses,
                  const struct policy_rule *rule)
{
    line->count = 0;
    add(line, AUDIT_S("role", role));
    add(line, AUDIT_S("local", or_null(addresses->local)));
    add(line, AUDIT_S("peer", or_null(addresses->peer)));
    add(line, AUDIT_S("rule", rule != NULL ? rule->name : NULL));
    add(line, AUDIT_S("layer", "tls"));
}

static void add_peer(struct line *line, const struct pfswrap_seal_info *info)
{
    add(line, AUDIT_S("peer_name", or_null(info->peer_name)));
    add(line, AUDIT_S("pattern", pattern_name(info->pattern)));
}

void layer_report_opened(const struct layer *layer)
{
    struct line line;
    struct pfswrap_seal_info info;
    begin(&line, layer->role, &layer->addresses, layer->rule);
    if (pfswrap_tunnel_describe(layer->tunnel, &info) == 0) {
        add_peer(&line, &info);
        add(&line, AUDIT_N("rekey", info.rekey));
    }
    audit_event("opened", line.fields, line.count);
}

static void report_ending(const char *event, const struct libssl *lib, SSL *ssl, const struct policy_rule *rule,
                          const char *reason, const char *detail)
{
    struct line line;
    struct report_addresses addresses;
    report_addresses_read(&addresses, lib, ssl);
    begin(&line, lib->SSL_is_server(ssl) ? "server" : "client", &addresses, rule);
    add(&line, AUDIT_S("server_name", lib->SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)));
    add(&line, AUDIT_S("reason", reason));
    add(&line, AUDIT_S("detail", detail));
    audit_event(event, line.fields, line.count);
}

void layer_report_refused(const struct libssl *lib, SSL *ssl, const struct policy_rule *rule, const char *reason,
                          const char *detail)
{
    report_ending("refused", lib, ssl, rule, reason, detail);
}

void layer_report_plain(const struct libssl *lib, SSL *ssl, const struct policy_rule *rule)
{
    report_ending("plain", lib, ssl, rule, "the client does not offer the inner layer, and the rule says prefer",
                  NULL);
}

void layer_report_closed(const struct layer *layer)
{
    struct line line;
    struct pfswrap_seal_info info;
    int error = pfswrap_tunnel_error(layer->tunnel);
    const struct pfswrap_tunnel_counts counts = pfswrap_tunnel_count(layer->tunnel);
    begin(&line, layer->role, &layer->addresses, layer->rule);
    if (pfswrap_tunnel_describe(layer->tunnel, &info) == 0) {
        add_peer(&line, &info);
        add(&line, AUDIT_N("rehandshakes", info.rehandshakes));
        add(&line, AUDIT_N("sent_rekeys", (long long)(counts.sent_chunks / info.rekey)));
        add(&line, AUDIT_N("received_rekeys", (long long)(counts.received_chunks / info.rekey)));
    }
    add(&line, AUDIT_N("sent_bytes", (long long)counts.sent_bytes));
    add(&line, AUDIT_N("sent_chunks", (long long)counts.sent_chunks));
    add(&line, AUDIT_N("received_bytes", (long long)counts.received_bytes));
    add(&line, AUDIT_N("received_chunks", (long long)counts.received_chunks));
    if (error != 0 && error != PFSWRAP_SEAL_E_TRUNCATED) {
        add(&line, AUDIT_S("end", "error"));
        add(&line, AUDIT_S("reason", pfswrap_seal_error_text(error)));
    } else if (error != 0 || !layer->final_read) {
        add(&line, AUDIT_S("end", "truncated"));
        add(&line, AUDIT_S("reason", "the peer had not closed its direction"));
    } else {
        add(&line, AUDIT_S("end", "clean"));
    }
    audit_event("closed", line.fields, line.count);
}
