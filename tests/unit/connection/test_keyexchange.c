/*
 * The memory for the state of a handshake: a connection has it only during one, nothing stays in it, another
 * process cannot say which memory it is, and a connection without it loses no byte. The test refuses mmap(2).
 */
#include "../clock.h"
#include "../suite.h"

#include <sodium.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/raw_numbers.h"
#include "config/snapshot.h"
#include "connection/keyexchange.h"
#include "link.h"

enum { HOUR = 3600, MANY = 1024 };

static char directory[] = "/tmp/pfswrap-keyexchange-XXXXXX";
static bool refuses;

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (refuses) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(RAW_MMAP, address, length, protection, flags, fd, offset);
}

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

static void teardown(void)
{
    link_end_policy(directory);
}

/* A slot of shared memory. */
static union {
    struct connection connection;
    uint8_t bytes[CONNECTION_SLOT_BYTES];
} slot;

static struct connection connection; /* the private copy */
static struct binding binding;

static struct noise_handshake *in_slot(void)
{
    return (void *)(slot.bytes + CONNECTION_SLOT_BYTES - CONNECTION_EXCHANGE_BYTES);
}

/* A client that waits for message 2, in the slot. */
static void start(void)
{
    memset(&slot, 0, sizeof slot);
    binding = (struct binding){snapshot_acquire(), LINK_CONNECT};
    connection_init(&slot.connection, &binding, true, true);
    ck_assert_int_eq(channel_init(&slot.connection.channel, PFSWRAP_SEAL_INITIATOR,
                                  connection_config(&slot.connection), 0, (uint64_t)time(NULL)),
                     0);
    slot.connection.phase = CONNECTION_HANDSHAKE;
    slot.connection.channel.state = CHANNEL_AWAIT_2;
    memset(in_slot(), 0x5a, sizeof *in_slot());
    in_slot()->pattern = NOISE_IK;
    in_slot()->kem_received = true;
}

START_TEST(it_comes_back_as_it_was_and_is_nowhere_else)
{
    start();
    const struct noise_handshake before = *in_slot();
    connection_fetch(&connection, &slot.connection, &binding);
    ck_assert_uint_eq(connection.phase, CONNECTION_HANDSHAKE);
    struct noise_handshake *noise = keyexchange_of(&connection);
    ck_assert_ptr_nonnull(noise);
    ck_assert_mem_eq(noise, &before, sizeof before);
    ck_assert(sodium_is_zero((const uint8_t *)in_slot(), sizeof before));
    connection_store(&connection);
    ck_assert_mem_eq(in_slot(), &before, sizeof before);
    ck_assert(sodium_is_zero((const uint8_t *)noise, sizeof before));
    ck_assert_uint_eq(connection.exchange, 0);
    ck_assert_uint_eq(slot.connection.exchange, 0);
}
END_TEST

START_TEST(it_is_wiped_when_the_connection_fails)
{
    start();
    connection_fetch(&connection, &slot.connection, &binding);
    const struct noise_handshake *noise = keyexchange_of(&connection);
    if (_i == 0)
        connection_fail(&connection, -1, ECONNRESET, "a test");
    else if (_i == 1)
        connection_disconnect(&connection);
    else if (_i == 2)
        connection_lose(&connection);
    else
        connection_clear(&connection);
    ck_assert_uint_eq(connection.exchange, 0);
    ck_assert(sodium_is_zero((const uint8_t *)noise, sizeof *noise));
    ck_assert(sodium_is_zero((const uint8_t *)in_slot(), sizeof *noise));
}
END_TEST

START_TEST(another_process_cannot_say_which_memory_it_is)
{
    struct connection other = {0};
    const struct noise_handshake *others = keyexchange_take(&other);
    start();
    slot.connection.exchange = other.exchange;
    connection_fetch(&connection, &slot.connection, &binding);
    ck_assert_uint_eq(connection.phase, CONNECTION_HANDSHAKE);
    ck_assert_uint_ne(connection.exchange, other.exchange);
    connection_store(&connection);
    start();
    slot.connection.phase = CONNECTION_CONNECTING; /* no handshake is under way, whatever the channel says */
    slot.connection.exchange = UINT32_MAX;
    connection_fetch(&connection, &slot.connection, &binding);
    ck_assert_uint_eq(connection.exchange, 0);
    connection_store(&connection);
    ck_assert(sodium_is_zero((const uint8_t *)others, sizeof *others));
}
END_TEST

START_TEST(a_state_that_cannot_be_right_poisons_the_connection)
{
    static const uint8_t two = 2;
    start();
    if (_i == 0)
        in_slot()->pattern = NOISE_PATTERNS;
    else
        memcpy(&in_slot()->kem_received, &two, 1);
    connection_fetch(&connection, &slot.connection, &binding);
    ck_assert_uint_eq(connection.phase, CONNECTION_FAILED);
    ck_assert_uint_eq(connection.exchange, 0);
    ck_assert(sodium_is_zero((const uint8_t *)in_slot(), sizeof *in_slot()));
    connection_store(&connection);
}
END_TEST

static struct connection takers[MANY];

/* Takes all memory that there is, so that the next one gets none. */
static void exhaust(void)
{
    int count = 0;
    refuses = true;
    while (count < MANY && keyexchange_take(&takers[count]) != NULL)
        count++;
    ck_assert_int_lt(count, MANY);
}

static void relieve(void)
{
    refuses = false;
    for (int i = 0; i < MANY; i++)
        keyexchange_drop(&takers[i]);
}

START_TEST(a_slot_without_memory_fails_as_one_without_buffers)
{
    start();
    exhaust();
    connection_fetch(&connection, &slot.connection, &binding);
    ck_assert_uint_eq(connection.phase, CONNECTION_FAILED);
    ck_assert_int_eq(connection.error, ECONNRESET);
    connection_store(&connection);
    relieve();
}
END_TEST

static uint32_t renewed(int fd)
{
    struct endpoint *endpoint;
    struct connection *locked;
    ck_assert_int_eq(endpoint_enter(fd, &endpoint, &locked), ENDPOINT_ENTERED);
    const uint32_t count = locked->channel.rehandshakes;
    ck_assert(locked->exchange == 0 || channel_is_exchanging(&locked->channel));
    endpoint_leave(locked);
    return count;
}

static void move_both(const struct link *link)
{
    while (link_is_readable(link->client_wire) && link_move(link->client_wire, link->server_wire, 65536) > 0)
        continue;
    while (link_is_readable(link->server_wire) && link_move(link->server_wire, link->client_wire, 65536) > 0)
        continue;
}

/* One byte from the client to the server. */
static void pass(const struct link *link)
{
    char byte = 'x';
    ck_assert_int_eq(link_send(link->client, &byte, 1), 1);
    do {
        move_both(link);
        errno = EAGAIN;
    } while (link_receive(link->server, &byte, 1, 0) != 1 && errno == EAGAIN);
    ck_assert_int_eq(byte, 'x');
}

/* Whether the descriptor's connection waits for the second message of an exchange. `shared`: whether it is in a
 * slot. */
static bool is_exchanging(int fd, bool shared)
{
    struct endpoint *endpoint;
    struct connection *locked;
    ck_assert_int_eq(endpoint_enter(fd, &endpoint, &locked), ENDPOINT_ENTERED);
    const bool is = locked->exchange != 0;
    ck_assert(is == channel_is_exchanging(&locked->channel));
    ck_assert((locked->slot != NULL) == shared);
    endpoint_leave(locked);
    return is;
}

/* Runs `work` in a child of a fork, which has all connections too, and waits for its end. */
static void in_child(void (*work)(const struct link *link), const struct link *link)
{
    int status = 0;
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        work(link);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static void finish_handshake(const struct link *link)
{
    char byte;
    if (!is_exchanging(link->client, true))
        _exit(1);
    while (!link_is_open(link->client) || !link_is_open(link->server)) {
        (void)link_receive(link->server, &byte, 1, 0);
        (void)link_receive(link->client, &byte, 1, 0);
        move_both(link);
    }
    if (is_exchanging(link->client, true))
        _exit(2);
}

START_TEST(a_child_ends_a_handshake_that_its_parent_has_begun)
{
    struct link link;
    char byte;
    link_pair(&link.client, &link.client_wire);
    link_pair(&link.server, &link.server_wire);
    link_seal(link.client, LINK_CONNECT, true, true);
    link_seal(link.server, LINK_LISTEN, false, true);
    ck_assert(!is_exchanging(link.client, false));
    ck_assert_int_eq(link_receive(link.client, &byte, 1, 0), -1); /* sends message 1 */
    ck_assert(is_exchanging(link.client, false));
    in_child(finish_handshake, &link);
    ck_assert(link_is_open(link.client) && link_is_open(link.server));
    ck_assert(!is_exchanging(link.client, true));
    pass(&link);
}
END_TEST

static void finish_renewal(const struct link *link)
{
    if (!is_exchanging(link->client, true))
        _exit(1);
    for (int i = 0; renewed(link->client) == 0; i++) {
        clock_ahead++;
        pass(link);
    }
    if (is_exchanging(link->client, true))
        _exit(2);
}

START_TEST(a_child_ends_a_rehandshake_that_its_parent_has_begun)
{
    struct link link = link_open(65536);
    char byte = 'x';
    clock_ahead += HOUR;
    ck_assert_int_eq(link_send(link.client, &byte, 1), 1); /* behind its question */
    ck_assert(is_exchanging(link.client, false));
    in_child(finish_renewal, &link);
    ck_assert_uint_eq(renewed(link.client), 1);
    ck_assert(!is_exchanging(link.client, true));
    pass(&link);
}
END_TEST

START_TEST(new_keys_wait_for_memory_and_no_byte_is_lost)
{
    struct link link = link_open(65536);
    char byte = 'y';
    pass(&link);
    exhaust();
    clock_ahead += HOUR;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(link_send(link.client, &byte, 1), -1);
        ck_assert_int_eq(errno, ENOBUFS);
        ck_assert_int_eq(link_receive(link.client, &byte, 1, 0), -1);
        ck_assert_int_eq(errno, EAGAIN);
    }
    ck_assert(link_is_open(link.client));
    relieve();
    for (int i = 0; i < 1000 && renewed(link.client) == 0; i++) {
        clock_ahead++;
        pass(&link);
    }
    ck_assert_uint_eq(renewed(link.client), 1);
    pass(&link);
}
END_TEST

START_TEST(a_responder_without_memory_ends_the_connection_with_an_error)
{
    struct link link = link_open(65536);
    char byte = 'y', *log;
    pass(&link);
    clock_ahead += HOUR;
    ck_assert_int_eq(link_send(link.client, &byte, 1), 1); /* behind its question */
    exhaust();
    ssize_t count;
    do {
        move_both(&link);
        count = link_receive(link.server, &byte, 1, 0);
    } while (count == -1 && errno == EAGAIN);
    ck_assert_int_eq(count, -1);
    ck_assert_int_eq(errno, ENOBUFS);
    relieve();
    log = link_read_log(directory);
    ck_assert_ptr_nonnull(strstr(log, "\"reason\":\"out of memory\""));
    free(log);
}
END_TEST

START_TEST(a_handshake_without_memory_fails)
{
    char byte = 'y';
    int socket, wire;
    struct link link = link_open(65536); /* the other pools have memory then */
    exhaust();
    link_pair(&socket, &wire);
    link_seal(socket, LINK_CONNECT, true, true);
    ck_assert_int_eq(link_receive(socket, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ENOBUFS);
    relieve();
    pass(&link);
}
END_TEST

START_TEST(a_client_that_stays_silent_costs_a_server_no_memory_for_it)
{
    char byte = 'y';
    int socket, wire;
    link_pair(&socket, &wire);
    link_seal(socket, LINK_LISTEN, false, true);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(link_receive(socket, &byte, 1, 0), -1);
        ck_assert_int_eq(errno, EAGAIN);
        struct endpoint *endpoint;
        struct connection *locked;
        ck_assert_int_eq(endpoint_enter(socket, &endpoint, &locked), ENDPOINT_ENTERED);
        ck_assert_uint_eq(locked->exchange, 0);
        endpoint_leave(locked);
        ck_assert_int_eq(send(wire, &"\xF5pfsw\r\n"[i], 1, 0), 1); /* the magic begins */
        link_await(socket);
    }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("keyexchange");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, it_comes_back_as_it_was_and_is_nowhere_else);
    tcase_add_loop_test(cases, it_is_wiped_when_the_connection_fails, 0, 4);
    tcase_add_test(cases, another_process_cannot_say_which_memory_it_is);
    tcase_add_loop_test(cases, a_state_that_cannot_be_right_poisons_the_connection, 0, 2);
    tcase_add_test(cases, a_slot_without_memory_fails_as_one_without_buffers);
    tcase_add_test(cases, a_child_ends_a_handshake_that_its_parent_has_begun);
    tcase_add_test(cases, a_child_ends_a_rehandshake_that_its_parent_has_begun);
    tcase_add_test(cases, new_keys_wait_for_memory_and_no_byte_is_lost);
    tcase_add_test(cases, a_responder_without_memory_ends_the_connection_with_an_error);
    tcase_add_test(cases, a_handshake_without_memory_fails);
    tcase_add_test(cases, a_client_that_stays_silent_costs_a_server_no_memory_for_it);
    return run_suite(cases, "keyexchange");
}
