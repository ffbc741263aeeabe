/*
 * A channel with buffers and a transport: its beginning, what it sends, and its end. Bytes from the channel stay in
 * `out` until the transport has taken them. The memory is left out of core dumps.
 */
#include <pfswrap/tunnel.h>

#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <sodium.h>

#include "seal/channel.h"
#include "seal/tunnel_internal.h"
#include "seal/tunnel_state.h"

struct pfswrap_tunnel *pfswrap_tunnel_new(enum pfswrap_seal_role role, const struct pfswrap_seal_config *config,
                                          const uint8_t *binding, size_t binding_length, unsigned candidate,
                                          const struct pfswrap_tunnel_transport *transport, int *error)
{
    struct pfswrap_seal_config unlimited;
    struct pfswrap_tunnel *tunnel;
    int ignored;

    if (error == NULL)
        error = &ignored;
    *error = PFSWRAP_SEAL_E_ARGUMENT;
    if (config == NULL || transport == NULL || transport->read == NULL || transport->write == NULL)
        return NULL;
    *error = 0;
    tunnel = mmap(NULL, sizeof *tunnel, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tunnel == MAP_FAILED)
        return NULL;
    (void)madvise(tunnel, sizeof *tunnel, MADV_DONTDUMP);
    unlimited = *config;
    unlimited.transport_max = 0; /* room_for() limits the frames instead */
    *error = pfswrap_seal_init(&tunnel->channel, role, &unlimited, binding, binding_length, candidate,
                               (uint64_t)time(NULL));
    if (*error != 0) {
        (void)munmap(tunnel, sizeof *tunnel);
        return NULL;
    }
    tunnel->config = config;
    tunnel->transport = *transport;
    tunnel->record = config->transport_max;
    return tunnel;
}

void pfswrap_tunnel_free(struct pfswrap_tunnel *tunnel)
{
    if (tunnel == NULL)
        return;
    pfswrap_seal_wipe(&tunnel->channel);
    (void)munmap(tunnel, sizeof *tunnel); /* the kernel clears the pages, in which there may be plaintext */
}

bool pfswrap_tunnel_unsent(const struct pfswrap_tunnel *tunnel)
{
    return tunnel != NULL && tunnel->out_first < tunnel->out_last;
}

void tunnel_tick(struct pfswrap_tunnel *tunnel)
{
    pfswrap_seal_tick(&tunnel->channel, (uint64_t)time(NULL));
}

/* Passes the bytes in `out` to the transport. Returns 1 when it has taken all of them, or STOPPED. */
static int flush(struct pfswrap_tunnel *tunnel)
{
    while (tunnel->out_first < tunnel->out_last) {
        const size_t length = tunnel->out_last - tunnel->out_first;
        const int taken =
            tunnel->transport.write(tunnel->transport.context, tunnel->out + tunnel->out_first, length);

        if (taken <= 0)
            return PFSWRAP_TUNNEL_STOPPED;
        const size_t moved = (size_t)taken;
        tunnel->out_first += moved < length ? moved : length;
    }
    tunnel->out_first = tunnel->out_last = 0;
    return 1;
}

struct channel_room tunnel_room(struct pfswrap_tunnel *tunnel)
{
    struct channel_room room = channel_room_of(&tunnel->channel);

    room.scratch = tunnel->scratch;
    room.stack = (struct mlkem_stack){tunnel->stack, sizeof tunnel->stack};
    return room;
}

int tunnel_settle(struct pfswrap_tunnel *tunnel)
{
    int result = flush(tunnel);

    while (result == 1 && pfswrap_seal_owes(&tunnel->channel)) {
        const struct channel_room room = tunnel_room(tunnel);
        const int length =
            channel_take(channel_of(&tunnel->channel), tunnel->config, &room, tunnel->out, sizeof tunnel->out);

        if (channel_settle(&tunnel->channel, length) < 0)
            return length;
        tunnel->out_last = (size_t)length;
        result = flush(tunnel);
    }
    return result;
}

/* What write() returns for a frame that was sent. */
static int answer(struct pfswrap_tunnel *tunnel)
{
    const size_t length = tunnel->kept;

    tunnel->kept = 0;
    tunnel->counts.sent_bytes += length;
    tunnel->counts.sent_chunks++;
    return (int)length;
}

/*
 * The largest size of the next frame: a record of the transport, so that the peer can open it with the first
 * record. But many programs write 16 KiB at a time, which without the seal is one record of TLS. The 21 bytes of a
 * frame do not fit in as well then. A frame that ends in a second record costs both sides less than a second frame.
 */
static size_t room_for(const struct pfswrap_tunnel *tunnel, size_t length)
{
    const size_t data_room = tunnel->record - PFSWRAP_SEAL_OVERHEAD;
    const bool barely_too_long = length > data_room && length <= tunnel->record && length <= PFSWRAP_SEAL_CHUNK_MAX;

    return tunnel->record == 0 || tunnel->record >= TUNNEL_OUT_BYTES || barely_too_long ? TUNNEL_OUT_BYTES
                                                                                        : tunnel->record;
}

int pfswrap_tunnel_write(struct pfswrap_tunnel *tunnel, const void *data, size_t length)
{
    size_t accepted;
    int result;

    if (tunnel == NULL || data == NULL || length == 0 || length < tunnel->kept)
        return PFSWRAP_SEAL_E_ARGUMENT;
    if (tunnel->kept > 0)
        return (result = flush(tunnel)) == 1 ? answer(tunnel) : result;
    tunnel_tick(tunnel);
    if ((result = tunnel_read_answer(tunnel)) != 1 || (result = tunnel_settle(tunnel)) != 1)
        return result;
    result = pfswrap_seal_begin(&tunnel->channel, data, length, tunnel->out, room_for(tunnel, length), &accepted);
    if (result < 0)
        return result;
    tunnel->out_last = (size_t)result;
    tunnel->kept = accepted;
    if ((result = pfswrap_seal_sent(&tunnel->channel, tunnel->out, tunnel->out_last)) < 0)
        return result;
    return (result = flush(tunnel)) == 1 ? answer(tunnel) : result;
}

size_t pfswrap_tunnel_kept(const struct pfswrap_tunnel *tunnel)
{
    return tunnel != NULL ? tunnel->kept : 0;
}

int pfswrap_tunnel_close(struct pfswrap_tunnel *tunnel)
{
    int result = pfswrap_tunnel_error(tunnel);

    if (result != 0)
        return result;
    if (!pfswrap_seal_ready(&tunnel->channel))
        return PFSWRAP_SEAL_E_NOT_READY; /* FINAL could not be sent yet, so nothing would be closed */
    result = pfswrap_seal_close(&tunnel->channel);
    return result < 0 ? result : tunnel_settle(tunnel);
}

int pfswrap_tunnel_error(const struct pfswrap_tunnel *tunnel)
{
    return tunnel != NULL ? pfswrap_seal_error(&tunnel->channel) : PFSWRAP_SEAL_E_ARGUMENT;
}

void pfswrap_tunnel_poison(struct pfswrap_tunnel *tunnel)
{
    if (tunnel != NULL)
        pfswrap_seal_poison(&tunnel->channel);
}

int pfswrap_tunnel_describe(const struct pfswrap_tunnel *tunnel, struct pfswrap_seal_info *info)
{
    return tunnel != NULL ? pfswrap_seal_describe(&tunnel->channel, info) : PFSWRAP_SEAL_E_ARGUMENT;
}

struct pfswrap_tunnel_counts pfswrap_tunnel_count(const struct pfswrap_tunnel *tunnel)
{
    return tunnel != NULL ? tunnel->counts : (struct pfswrap_tunnel_counts){0};
}

int tunnel_check_peer(struct pfswrap_tunnel *tunnel, const struct pfswrap_seal_config *config)
{
    tunnel_tick(tunnel);
    return exchange_check_peer(channel_of(&tunnel->channel), config);
}

uint64_t tunnel_keyed_at(const struct pfswrap_tunnel *tunnel)
{
    return channel_of_const(&tunnel->channel)->keyed_at;
}

uint32_t tunnel_rehandshakes(const struct pfswrap_tunnel *tunnel)
{
    return channel_of_const(&tunnel->channel)->rehandshakes;
}
