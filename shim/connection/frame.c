/*
 * Messages of handshakes are decrypted in a workspace. If there is none, the seal decrypts them on the stack.
 *
 * ML-KEM runs in a buffer of the pool, which has more than twice the room that it needs: behind a system call
 * filter, a signal handler may interrupt it there. Otherwise no signal comes until the connection is unlocked.
 * Without a buffer it runs on the program's stack.
 */
#include "connection/frame.h"

#include <string.h>

#include "base/signals.h"
#include "base/workspace.h"
#include "connection/renew.h"
#include "seal/channel.h"

_Static_assert((int)MLKEM_STACK_BYTES * 2 <= (int)CONNECTION_BUFFER_BYTES, "ML-KEM and a handler fit a buffer");

/* What a call has borrowed, in a workspace. */
struct borrowed {
    struct channel_room room;
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
    const int error =
        channel_needs_scratch(&connection->channel, in, available) ? renew_before_answer(connection) : 0;
    if (error != 0)
        memset(opened, 0, sizeof *opened);
    return error;
}

/* Memory for a message of a handshake; `nothing`: the next bytes are none. */
static __attribute__((noinline)) const struct channel_room *borrow(const struct connection *connection,
                                                                   const uint8_t *in, size_t available)
{
    struct borrowed *borrowed;
    if (!channel_needs_scratch(&connection->channel, in, available) || (borrowed = workspace_take()) == NULL)
        return &nothing;
    borrowed->room = (struct channel_room){borrowed->scratch, {NULL, 0}};
    if (channel_opens_with_mlkem(&connection->channel, in, available))
        borrow_stack(&borrowed->room.stack, &borrowed->buffer);
    return &borrowed->room;
}

static __attribute__((noinline)) void give_back(const struct channel_room *room)
{
    struct borrowed *borrowed = (struct borrowed *)(uintptr_t)room;
    if (room == &nothing)
        return;
    if (room->stack.memory != NULL)
        connection_return(borrowed->buffer);
    workspace_give(borrowed);
}

int frame_open(struct connection *connection, const uint8_t *in, size_t available, uint8_t *out, size_t size,
               struct pfswrap_seal_opened *opened)
{
    int event = before_message(connection, in, available, opened);
    if (event != 0)
        return event;
    const struct channel_room *room = borrow(connection, in, available);
    event =
        channel_open(&connection->channel, connection_config(connection), in, available, out, size, room, opened);
    give_back(room);
    return event;
}

int frame_open_in_place(struct connection *connection, uint8_t *in, size_t available,
                        struct pfswrap_seal_opened *opened)
{
    int event = before_message(connection, in, available, opened);
    if (event != 0)
        return event;
    const struct channel_room *room = borrow(connection, in, available);
    event = channel_open_in_place(&connection->channel, connection_config(connection), in, available, room, opened);
    give_back(room);
    return event;
}

int frame_take(struct connection *connection, uint8_t *out, size_t size)
{
    struct mlkem_stack stack = {NULL, 0};
    int32_t buffer = CONNECTION_NO_BUFFER;
    if (channel_takes_with_mlkem(&connection->channel))
        borrow_stack(&stack, &buffer);
    const int length = channel_take(&connection->channel, connection_config(connection), &stack, out, size);
    if (stack.memory != NULL)
        connection_return(buffer);
    return length;
}
