/*
 * Connections of removed peers. TLS calls belong to the program, and a layer is its thread's. So a layer is looked
 * at in the calls that move its data: none goes to a removed peer, and none comes from it. A connection without
 * calls stays open until its next one. See layer.h.
 */
#include "base/clock.h"
#include "config/snapshot.h"
#include "seal/tunnel_internal.h"
#include "tls/layer.h"

/* Why the state does not admit the connection any more; 0: it does. */
static int find_error(struct layer *layer, const struct snapshot *newest)
{
    const struct policy_rule *rule = policy_find_rule(newest->policy, layer->rule);
    if (rule == NULL)
        return newest->policy->seal.on_removal == POLICY_REMOVAL_NOW ? PFSWRAP_SEAL_E_PEER_REFUSED : 0;
    const struct pfswrap_seal_config *config = snapshot_config(newest, (size_t)(rule - newest->policy->rules));
    const int error = tunnel_check_peer(layer->tunnel, config);
    const bool is_peers = error == PFSWRAP_SEAL_E_PEER_UNKNOWN || error == PFSWRAP_SEAL_E_PEER_EXPIRED ||
                          error == PFSWRAP_SEAL_E_PEER_REFUSED;
    return is_peers ? error : 0;
}

static bool is_due(const struct layer *layer, const struct snapshot *newest)
{
    const struct policy_seal_keys *seal = &newest->policy->seal;
    const uint64_t replaced_ms = atomic_load(&layer->snapshot->replaced_ms);
    if (replaced_ms == 0)
        return false;
    return seal->on_removal == POLICY_REMOVAL_NOW || clock_ms() >= replaced_ms + seal->revocation_delay_ms;
}

int layer_check_removal(struct layer *layer)
{
    int error = 0;
    if (snapshot_is_newest(layer->snapshot) ||
        layer->checked == atomic_load_explicit(&snapshot_generation, memory_order_relaxed) || layer->final_read ||
        pfswrap_tunnel_error(layer->tunnel) != 0)
        return 0;
    struct snapshot *newest = snapshot_acquire();
    if (is_due(layer, newest)) {
        error = find_error(layer, newest);
        layer->checked = newest->generation;
    }
    snapshot_release(newest);
    return error != 0 ? layer_break(layer, error) : 0;
}
