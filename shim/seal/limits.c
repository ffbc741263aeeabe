/*
 * When the keys of a connection must be replaced, and what happens if they are not (docs/WIRE.md, 2.11).
 *
 * The initiator asks for new keys when they are an hour old, or after 64 GiB. A peer that does not ask, or does not
 * answer, must not keep a connection open with its first keys forever. So each side ends a connection on which
 * frames have passed for another day, or another TiB. An idle connection is not ended: the time begins with the
 * first frame that passes when a re-handshake is due. The peer's key is compared with the keyring every hour.
 *
 * The clock is the Unix time of pfswrap_seal_tick(), which also decides whether a key has expired. It continues
 * while the machine is suspended, and it is the same in all processes that share a connection. A pause counts as an
 * hour at most. So a machine that wakes up, or a clock that is set, does not end a connection before its peer can
 * answer.
 */
#include "seal/channel.h"

void limits_start(struct channel *channel)
{
    channel->keyed_at = channel->now;
    channel->volume = 0;
    channel->overdue = false;
    channel->overdue_for = 0;
}

bool limits_are_due(const struct channel *channel)
{
    if (channel->rehandshake_bytes != UINT64_MAX && channel->volume >= channel->rehandshake_bytes)
        return true;
    if (channel->rehandshake_seconds == UINT32_MAX)
        return false;
    return channel->now < channel->keyed_at || channel->now - channel->keyed_at >= channel->rehandshake_seconds;
}

/* Seconds since `then`; 0 if the clock has been set back. */
static uint64_t elapsed(const struct channel *channel, uint64_t then)
{
    return channel->now > then ? channel->now - then : 0;
}

/* A direction that has ended takes no part in a re-handshake, so there is none after FINAL. */
static bool can_rehandshake(const struct channel *channel)
{
    return !channel->closing && !channel->final_sent && !channel->final_received;
}

static bool is_volume_overdue(const struct channel *channel)
{
    return channel->rehandshake_bytes != UINT64_MAX && channel->volume >= channel->rehandshake_bytes &&
           channel->volume - channel->rehandshake_bytes >= CHANNEL_OVERDUE_BYTES;
}

static void count_pause(struct channel *channel, uint64_t seconds)
{
    const uint64_t counts = seconds < CHANNEL_PAUSE_SECONDS ? seconds : CHANNEL_PAUSE_SECONDS;

    if (channel->overdue_for < CHANNEL_OVERDUE_SECONDS)
        channel->overdue_for += (uint32_t)counts;
}

int limits_check(struct channel *channel)
{
    if (channel->peer_not_after != PFSWRAP_NEVER &&
        elapsed(channel, (uint64_t)channel->peer_not_after) > CHANNEL_PEER_SECONDS)
        return PFSWRAP_SEAL_E_PEER_EXPIRED;
    if (!limits_are_due(channel) || !can_rehandshake(channel))
        return 0;
    if (channel->overdue)
        count_pause(channel, elapsed(channel, channel->overdue_at));
    channel->overdue = true;
    channel->overdue_at = channel->now;
    return channel->overdue_for >= CHANNEL_OVERDUE_SECONDS || is_volume_overdue(channel) ? PFSWRAP_SEAL_E_OVERDUE
                                                                                         : 0;
}

int limits_check_peer(struct channel *channel, const struct pfswrap_seal_config *config)
{
    if (channel->now >= channel->peer_checked_at && channel->now - channel->peer_checked_at < CHANNEL_PEER_SECONDS)
        return 0;
    return exchange_check_peer(channel, config);
}

/* How many re-handshakes count at this time: each step of seconds takes one away. */
static uint64_t recent_now(const struct channel *channel, uint64_t step)
{
    const uint64_t steps = elapsed(channel, channel->recent_at) / step;

    return channel->recent > steps ? channel->recent - steps : 0;
}

bool limits_may_rehandshake(const struct channel *channel)
{
    return channel->role == PFSWRAP_SEAL_INITIATOR
               ? recent_now(channel, CHANNEL_ASKED_SECONDS) < CHANNEL_ASKED_MAX
               : recent_now(channel, CHANNEL_SERVED_SECONDS) < CHANNEL_SERVED_MAX;
}

void limits_postpone(struct channel *channel)
{
    channel->recent = CHANNEL_ASKED_MAX;
    channel->recent_at = channel->now;
}

void limits_count_rehandshake(struct channel *channel)
{
    const uint64_t step = channel->role == PFSWRAP_SEAL_INITIATOR ? CHANNEL_ASKED_SECONDS : CHANNEL_SERVED_SECONDS;
    const uint64_t recent = recent_now(channel, step);

    /* The part of a step that has passed still counts, unless nothing was left to take away. */
    if (recent == 0 || channel->now < channel->recent_at)
        channel->recent_at = channel->now;
    else
        channel->recent_at += elapsed(channel, channel->recent_at) / step * step;
    channel->recent = (uint8_t)(recent + 1);
}
