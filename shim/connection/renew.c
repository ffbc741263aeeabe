/*
 * The binding of a connection is in its endpoint, and the connection only has a pointer to it that others must not
 * use to change it. So this file finds the endpoint's own. Makes no system call, unless the last reference to an
 * old state is given back. See renew.h.
 */
#include "connection/renew.h"

#include <errno.h>

#include "base/fork_lock.h"
#include "config/snapshot.h"
#include "connection/endpoint.h"
#include "seal/channel.h"

const char renew_removed_reason[] = "the policy no longer has the rule of the connection";

/* The same as the connection's, to be changed. */
static struct binding *binding_of(const struct connection *connection)
{
    return (struct binding *)(uintptr_t)connection->binding;
}

static int renew(struct connection *connection)
{
    struct binding *binding = binding_of(connection);
    if (snapshot_is_newest(binding->snapshot))
        return 0;
    struct snapshot *newest = snapshot_acquire(), *before = binding->snapshot;
    const struct policy_rule *rule = policy_find_rule(newest->policy, connection_rule(connection));
    if (rule == NULL) {
        snapshot_release(newest);
        return RENEW_REMOVED;
    }
    binding->rule = (uint16_t)(rule - newest->policy->rules);
    binding->snapshot = newest;
    snapshot_release(before);
    return 0;
}

int renew_before_question(struct connection *connection)
{
    return rehandshake_due(&connection->channel) ? renew(connection) : 0;
}

int renew_before_answer(struct connection *connection)
{
    const struct channel *channel = &connection->channel;
    const bool may_begin = channel->role == PFSWRAP_SEAL_RESPONDER && channel->state == CHANNEL_OPEN &&
                           channel->renewal == RENEWAL_NONE;
    return may_begin ? renew(connection) : 0;
}

/* Why the newest state does not admit the connection; NULL: it does, or it is not known yet who the peer is. */
static const char *why_removed(struct connection *connection, const struct snapshot *newest)
{
    const struct policy_rule *rule = policy_find_rule(newest->policy, connection_rule(connection));
    if (rule == NULL)
        return newest->policy->seal.on_removal == POLICY_REMOVAL_NOW ? renew_removed_reason : NULL;
    if (connection->phase != CONNECTION_OPEN)
        return NULL;
    const int error =
        exchange_check_peer(&connection->channel, snapshot_config(newest, (size_t)(rule - newest->policy->rules)));
    const bool is_peers = error == PFSWRAP_SEAL_E_PEER_UNKNOWN || error == PFSWRAP_SEAL_E_PEER_EXPIRED ||
                          error == PFSWRAP_SEAL_E_PEER_REFUSED;
    return is_peers ? pfswrap_seal_error_text(error) : NULL;
}

unsigned renew_end_removed(void)
{
    unsigned ended = 0;
    struct snapshot *newest = snapshot_acquire();
    struct connection *connection;
    process_block_forks();
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_enter_next(endpoint, &connection)) != NULL;) {
        const bool is_live =
            connection->phase >= CONNECTION_UNDECIDED && connection->phase <= CONNECTION_OPEN && !connection->wiped;
        const char *reason =
            is_live && endpoint->binding.snapshot != newest ? why_removed(connection, newest) : NULL;
        if (reason != NULL) {
            connection_fail(connection, atomic_load(&endpoint->fd), ECONNRESET, reason);
            ended++;
        }
        endpoint_leave(connection);
    }
    process_unblock_forks();
    snapshot_release(newest);
    return ended;
}
