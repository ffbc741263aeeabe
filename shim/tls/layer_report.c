/*
 * The audit events of the inner layer. They have the field layer = tls; the other fields are those of sealed
 * sockets (docs/AUDIT.md).
 */
#include "audit/builder.h"
#include "seal/padding.h"
#include "tls/layer.h"

/* The fields that all these events begin with. */
static void event_begin(struct audit_builder *event, const char *role, const struct audit_addresses *addresses,
                        const struct policy_rule *rule)
{
    event->count = 0;
    audit_add(event, AUDIT_S("role", role));
    audit_add(event, AUDIT_S("local", audit_optional(addresses->local)));
    audit_add(event, AUDIT_S("peer", audit_optional(addresses->peer)));
    audit_add(event, AUDIT_S("rule", rule != NULL ? rule->name : NULL));
    audit_add(event, AUDIT_S("layer", "tls"));
}

static void add_peer(struct audit_builder *event, const struct pfswrap_seal_info *info)
{
    audit_add(event, AUDIT_S("peer_name", audit_optional(info->peer_name)));
    audit_add(event, AUDIT_S("pattern", pfswrap_seal_pattern_name(info->pattern)));
}

void layer_report_opened(const struct layer *layer)
{
    struct audit_builder event;
    struct pfswrap_seal_info info;
    event_begin(&event, layer->role, &layer->addresses, layer->rule);
    if (pfswrap_tunnel_describe(layer->tunnel, &info) == 0) {
        add_peer(&event, &info);
        audit_add(&event, AUDIT_N("rekey", info.rekey));
        audit_add(&event, AUDIT_S("padding", padding_direction(&info)));
    }
    audit_write(&event, "opened");
}

static void report_unsealed(const char *name, const struct libssl *lib, SSL *ssl, const struct policy_rule *rule,
                            const char *reason, const char *detail)
{
    struct audit_builder event;
    struct audit_addresses addresses;
    audit_addresses_read(&addresses, lib->SSL_get_rfd(ssl));
    event_begin(&event, lib->SSL_is_server(ssl) ? "server" : "client", &addresses, rule);
    audit_add(&event, AUDIT_S("server_name", lib->SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)));
    audit_add(&event, AUDIT_S("reason", reason));
    audit_add(&event, AUDIT_S("detail", detail));
    audit_write(&event, name);
}

void layer_report_refused(const struct libssl *lib, SSL *ssl, const struct policy_rule *rule, const char *reason,
                          const char *detail)
{
    report_unsealed("refused", lib, ssl, rule, reason, detail);
}

void layer_report_plain(const struct libssl *lib, SSL *ssl, const struct policy_rule *rule)
{
    report_unsealed("plain", lib, ssl, rule, "the client does not offer the inner layer, and the rule says prefer",
                    NULL);
}

void layer_report_closed(const struct layer *layer)
{
    struct audit_builder event;
    struct pfswrap_seal_info info;
    int error = pfswrap_tunnel_error(layer->tunnel);
    const struct pfswrap_tunnel_counts counts = pfswrap_tunnel_count(layer->tunnel);
    event_begin(&event, layer->role, &layer->addresses, layer->rule);
    if (pfswrap_tunnel_describe(layer->tunnel, &info) == 0) {
        add_peer(&event, &info);
        audit_add(&event, AUDIT_N("rehandshakes", info.rehandshakes));
        audit_add(&event, AUDIT_N("sent_rekeys", (long long)(counts.sent_chunks / info.rekey)));
        audit_add(&event, AUDIT_N("received_rekeys", (long long)(counts.received_chunks / info.rekey)));
    }
    audit_add(&event, AUDIT_N("sent_bytes", (long long)counts.sent_bytes));
    audit_add(&event, AUDIT_N("sent_chunks", (long long)counts.sent_chunks));
    audit_add(&event, AUDIT_N("received_bytes", (long long)counts.received_bytes));
    audit_add(&event, AUDIT_N("received_chunks", (long long)counts.received_chunks));
    const bool truncated = error == PFSWRAP_SEAL_E_TRUNCATED;
    if (layer->end != NULL) {
        audit_add(&event, AUDIT_S("end", layer->end));
        audit_add(&event, AUDIT_S("reason", layer->reason));
    } else if (error != 0) {
        audit_add(&event, AUDIT_S("end", truncated ? "truncated" : "error"));
        audit_add(&event, AUDIT_S("reason", pfswrap_seal_error_text(error)));
    } else {
        audit_add(&event, AUDIT_S("end", "clean"));
    }
    audit_write(&event, "closed");
}
