/*
 * Messages of handshakes are decrypted in a workspace. If there is none, the seal decrypts them on the stack. The
 * state of a handshake stays in its memory until the next message, or is given back at once (keyexchange.h).
 *
 * ML-KEM runs in a buffer of the pool, which has more than twice the room that it needs: behind a system call
 * filter, a signal handler may interrupt it there. Otherwise no signal comes until the connection is unlocked.
 * Without a buffer it runs on the program's stack.
 */
#include "connection/frame.h"

#include <string.h>

#include "base/signals.h"
#include "base/workspace.h"
#include "connection/keyexchange.h"
#include "connection/renew.h"
#include "seal/channel.h"

_Static_assert((int)MLKEM_STACK_BYTES * 2 <= (int)CONNECTION_BUFFER_BYTES, "ML-KEM and a handler fit a buffer");

/* What a call has borrowed, in a workspace. */
struct borrowed {
    int32_t buffer;
    uint8_t scratch[CHANNEL_SCRATCH_BYTES];
};
_Static_assert(sizeof(struct borrowed) <= (size_t)WORKSPACE_BYTES, "a handshake's messages fit a workspace");

static const struct channel_room nothing;

static void borrow_stack(struct mlkem_stack *stack, int32_t *buffer)
{
    stack->memory = connection_borrow(buffer);
    stack->size = stack->memory != NULL ? CONNECTION_BUFFER_BYTES : 0;
    signals_hold();
}

/*
 * The question of a re-handshake is the moment at which a responder takes over the newest state. 0, or the error
 * with which the connection must end instead.
 */
static __attribute__((noinline)) int before_message(struct connection *connection, const uint8_t *in,
                                                    size_t available, struct pfswrap_seal_opened *opened)
{
    int error = 0;
    if (channel_needs_scratch(&connection->channel, in, available)) {
        if (channel_opens_message(&connection->channel, in, available) && keyexchange_take(connection) == NULL)
            error = FRAME_NO_MEMORY;
        else
            error = renew_before_answer(connection);
    }
    if (error != 0)
        memset(opened, 0, sizeof *opened);
    return error;
}

/* Memory for a message of a handshake, in *room; `nothing`: the next bytes are none. */
static __attribute__((noinline)) const struct channel_room *
borrow(const struct connection *connection, const uint8_t *in, size_t available, struct channel_room *room)
{
    if (!channel_needs_scratch(&connection->channel, in, available))
        return &nothing;
    struct borrowed *borrowed = workspace_take();
    *room = (struct channel_room){.noise = keyexchange_of(connection)};
    if (borrowed == NULL)
        return room;
    room->scratch = borrowed->scratch;
    if (channel_opens_with_mlkem(&connection->channel, in, available))
        borrow_stack(&room->stack, &borrowed->buffer);
    return room;
}

static __attribute__((noinline)) void give_back(struct connection *connection, const struct channel_room *room)
{
    if (room == &nothing)
        return;
    keyexchange_trim(connection);
    if (room->scratch == NULL)
        return;
    struct borrowed *borrowed = (void *)(room->scratch - offsetof(struct borrowed, scratch));
    if (room->stack.memory != NULL)
        connection_return(borrowed->buffer);
    workspace_give(borrowed);
}

int frame_open(struct connection *connection, const uint8_t *in, size_t available, uint8_t *out, size_t size,
               struct pfswrap_seal_opened *opened)
{
    struct channel_room own;
    int event = before_message(connection, in, available, opened);
    if (event != 0)
        return event;
    const struct channel_room *room = borrow(connection, in, available, &own);
    event =
        channel_open(&connection->channel, connection_config(connection), in, available, out, size, room, opened);
    give_back(connection, room);
    return event;
}

int frame_open_in_place(struct connection *connection, uint8_t *in, size_t available,
                        struct pfswrap_seal_opened *opened)
{
    struct channel_room own;
    int event = before_message(connection, in, available, opened);
    if (event != 0)
        return event;
    const struct channel_room *room = borrow(connection, in, available, &own);
    event = channel_open_in_place(&connection->channel, connection_config(connection), in, available, room, opened);
    give_back(connection, room);
    return event;
}

int frame_take(struct connection *connection, uint8_t *out, size_t size)
{
    struct channel_room room = {0};
    int32_t buffer = CONNECTION_NO_BUFFER;
    if (channel_takes_message(&connection->channel) && (room.noise = keyexchange_take(connection)) == NULL)
        return FRAME_NO_MEMORY;
    if (channel_takes_with_mlkem(&connection->channel))
        borrow_stack(&room.stack, &buffer);
    const int length = channel_take(&connection->channel, connection_config(connection), &room, out, size);
    if (room.stack.memory != NULL)
        connection_return(buffer);
    keyexchange_trim(connection);
    return length;
}
