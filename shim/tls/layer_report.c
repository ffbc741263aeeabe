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

void layer_report_opened(struct layer *layer)
{
    struct pfswrap_seal_info info;
    if (pfswrap_tunnel_describe(layer->tunnel, &info) != 0)
        return;
    const struct audit_field fields[] = {
        AUDIT_S("role", layer->role),
        AUDIT_S("local", or_null(layer->addresses.local)),
        AUDIT_S("peer", or_null(layer->addresses.peer)),
        AUDIT_S("name", or_null(info.peer_name)),
        AUDIT_S("pattern", pattern_name(info.pattern)),
        AUDIT_S("layer", "tls"),
        AUDIT_S("rule", layer->rule->name),
    };
    audit_event("opened", fields, sizeof fields / sizeof fields[0]);
}

void layer_report_refused(const struct libssl *lib, SSL *ssl, const struct policy_rule *rule, const char *reason,
                          const char *detail)
{
    struct report_addresses addresses;
    report_addresses_read(&addresses, lib, ssl);
    const struct audit_field fields[] = {
        AUDIT_S("role", lib->SSL_is_server(ssl) ? "server" : "client"),
        AUDIT_S("local", or_null(addresses.local)),
        AUDIT_S("peer", or_null(addresses.peer)),
        AUDIT_S("server_name", lib->SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)),
        AUDIT_S("reason", reason),
        AUDIT_S("detail", detail),
        AUDIT_S("layer", "tls"),
        AUDIT_S("rule", rule != NULL ? rule->name : NULL),
    };
    audit_event("refused", fields, sizeof fields / sizeof fields[0]);
}

void layer_report_closed(const struct layer *layer)
{
    struct pfswrap_seal_info info;
    uint64_t written, read;
    int error = pfswrap_tunnel_error(layer->tunnel);
    const char *reason = error != 0           ? pfswrap_seal_error_text(error)
                         : !layer->final_read ? "the peer had not closed its direction"
                                              : NULL;
    pfswrap_tunnel_count(layer->tunnel, &written, &read);
    bool known = pfswrap_tunnel_describe(layer->tunnel, &info) == 0;
    const struct audit_field fields[] = {
        AUDIT_S("role", layer->role),
        AUDIT_S("local", or_null(layer->addresses.local)),
        AUDIT_S("peer", or_null(layer->addresses.peer)),
        AUDIT_S("name", known ? or_null(info.peer_name) : NULL),
        AUDIT_N("sent", (long long)written),
        AUDIT_N("received", (long long)read),
        AUDIT_N("rehandshakes", known ? (long long)info.rehandshakes : 0),
        AUDIT_S("reason", reason),
        AUDIT_S("layer", "tls"),
        AUDIT_S("rule", layer->rule->name),
    };
    audit_event("closed", fields, sizeof fields / sizeof fields[0]);
}
