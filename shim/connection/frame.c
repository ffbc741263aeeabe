/*
 * Messages of handshakes are decrypted in a workspace. If there is none, the seal decrypts them on the stack.
 */
#include "connection/frame.h"

#include "base/workspace.h"
#include "seal/channel.h"

_Static_assert((int)CHANNEL_SCRATCH_BYTES <= (int)WORKSPACE_BYTES, "a handshake's messages fit a workspace");

static uint8_t *scratch_for(const struct connection *connection, const uint8_t *in, size_t available)
{
    return channel_needs_scratch(&connection->channel, in, available) ? workspace_take() : NULL;
}

int frame_open(struct connection *connection, const uint8_t *in, size_t available, uint8_t *out, size_t size,
               struct pfswrap_seal_opened *opened)
{
    uint8_t *scratch = scratch_for(connection, in, available);
    const int event = channel_open(&connection->channel, connection_config(connection), in, available, out, size,
                                   scratch, opened);
    workspace_give(scratch);
    return event;
}

int frame_open_in_place(struct connection *connection, uint8_t *in, size_t available,
                        struct pfswrap_seal_opened *opened)
{
    uint8_t *scratch = scratch_for(connection, in, available);
    const int event =
        channel_open_in_place(&connection->channel, connection_config(connection), in, available, scratch, opened);
    workspace_give(scratch);
    return event;
}
