/*
 * The list of holders (connection/holders.h). A process that was killed cannot remove itself from the list. So the
 * others ask the kernel whether a process with its id exists, or whether the name of a handoff socket is taken.
 */
#include "connection/holders.h"

#include "base/process.h"
#include "connection/handoff_name.h"

static bool is_same(struct holder one, struct holder other)
{
    return one.pid == other.pid && one.space == other.space;
}

/* The entry of `holder`; for {0}, a free entry. NULL: there is none. */
static struct holder *find(struct connection *connection, struct holder holder)
{
    for (int i = 0; i < CONNECTION_HOLDERS; i++)
        if (is_same(connection->holders[i], holder))
            return &connection->holders[i];
    return NULL;
}

/* This process, as a holder. */
static struct holder this_process(void)
{
    return (struct holder){process_id(), process_thread().space};
}

/* The entry of `from` becomes the entry of `to`. False: `from` has no entry. */
static bool replace(struct connection *connection, struct holder from, struct holder to)
{
    struct holder *holder = find(connection, from);
    if (holder != NULL)
        *holder = to;
    return holder != NULL;
}

void holders_join(struct connection *connection)
{
    (void)replace(connection, (struct holder){0}, this_process());
}

void holders_expect(struct connection *connection)
{
    connection->holder_count++;
    connection->expected_count++;
}

void holders_withdraw(struct connection *connection)
{
    if (connection->expected_count == 0 || connection->holder_count <= 1)
        return;
    connection->expected_count--;
    connection->holder_count--;
}

bool holders_arrive(struct connection *connection, bool is_expected)
{
    if (is_expected && connection->expected_count > 0)
        connection->expected_count--;
    else if (connection->holder_count > 0)
        connection->holder_count++;
    else
        return false;
    holders_join(connection);
    return true;
}

/* Removes the holders that no longer exist. `own`: removes this process, too, without changing holder_count. */
static void remove_gone(struct connection *connection, bool own)
{
    for (int i = 0; i < CONNECTION_HOLDERS; i++) {
        struct holder *holder = &connection->holders[i];
        if (holder->pid == 0)
            continue;
        if (is_same(*holder, this_process())) {
            if (own)
                *holder = (struct holder){0};
        } else if (handoff_is_holder(*holder) ? handoff_name_is_free(*holder)
                                              : process_is_dead(holder->pid, holder->space)) {
            *holder = (struct holder){0};
            if (connection->holder_count > 0)
                connection->holder_count--;
        }
    }
}

bool holders_release(struct connection *connection)
{
    if (connection->slot == NULL)
        return false;
    connection->holder_count--;
    remove_gone(connection, true);
    return connection->holder_count > 0;
}

bool holders_is_alone(struct connection *connection)
{
    if (connection->slot != NULL)
        remove_gone(connection, false);
    return connection->slot == NULL || connection->holder_count <= 1;
}

bool holders_are_handoffs(struct connection *connection)
{
    uint32_t handoffs = 0;
    if (holders_is_alone(connection))
        return false;
    for (int i = 0; i < CONNECTION_HOLDERS; i++)
        handoffs += connection->holders[i].pid != 0 && handoff_is_holder(connection->holders[i]);
    return connection->holder_count == handoffs + 1;
}

void holders_wait(struct connection *connection)
{
    (void)replace(connection, this_process(), (struct holder){0});
}

bool holders_end_waiting(struct connection *connection)
{
    if (connection->holder_count > 0)
        connection->holder_count--;
    remove_gone(connection, false);
    return connection->holder_count > 0;
}

void holders_rejoin(struct connection *connection)
{
    if (find(connection, this_process()) != NULL)
        return;
    connection->holder_count++;
    holders_join(connection);
}

bool holders_add_handoff(struct connection *connection, struct holder handoff)
{
    remove_gone(connection, false);
    if (!replace(connection, (struct holder){0}, handoff))
        return false;
    connection->holder_count++;
    return true;
}

bool holders_pass_to_handoff(struct connection *connection, struct holder handoff)
{
    return replace(connection, this_process(), handoff);
}

void holders_take_from_handoff(struct connection *connection, struct holder handoff)
{
    if (!replace(connection, handoff, this_process()))
        holders_rejoin(connection);
}

void holders_drop_handoff(struct connection *connection, struct holder handoff)
{
    if (replace(connection, handoff, (struct holder){0}) && connection->holder_count > 0)
        connection->holder_count--;
}

void holders_open_handoff(struct connection *connection, struct holder handoff)
{
    if (find(connection, this_process()) != NULL)
        holders_drop_handoff(connection, handoff);
    else
        holders_take_from_handoff(connection, handoff);
}
