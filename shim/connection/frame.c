/*
 * Messages of handshakes are decrypted in a workspace. If there is none, the seal decrypts them on the stack.
 */
#include "connection/frame.h"

#include <string.h>

#include "base/workspace.h"
#include "connection/renew.h"
#include "seal/channel.h"

_Static_assert((int)CHANNEL_SCRATCH_BYTES <= (int)WORKSPACE_BYTES, "a handshake's messages fit a workspace");

/*
 * Memory for a message of a handshake; NULL: the next bytes are none. The question of a re-handshake is the moment
 * at which a responder takes over the newest state. *error: the connection must end instead.
 */
static uint8_t *scratch_for(struct connection *connection, const uint8_t *in, size_t available, int *error)
{
    *error = 0;
    if (!channel_needs_scratch(&connection->channel, in, available))
        return NULL;
    *error = renew_before_answer(connection);
    return workspace_take();
}

int frame_open(struct connection *connection, const uint8_t *in, size_t available, uint8_t *out, size_t size,
               struct pfswrap_seal_opened *opened)
{
    int event;
    uint8_t *scratch = scratch_for(connection, in, available, &event);
    if (event == 0)
        event = channel_open(&connection->channel, connection_config(connection), in, available, out, size, scratch,
                             opened);
    else
        memset(opened, 0, sizeof *opened);
    workspace_give(scratch);
    return event;
}

int frame_open_in_place(struct connection *connection, uint8_t *in, size_t available,
                        struct pfswrap_seal_opened *opened)
{
    int event;
    uint8_t *scratch = scratch_for(connection, in, available, &event);
    if (event == 0)
        event = channel_open_in_place(&connection->channel, connection_config(connection), in, available, scratch,
                                      opened);
    else
        memset(opened, 0, sizeof *opened);
    workspace_give(scratch);
    return event;
}
