/*
 * What another process may have written to a connection's slot is checked when a call fetches it. A connection with
 * a value that cannot be right is poisoned.
 */
#include "../suite.h"

#include "config/snapshot.h"
#include "link.h"

static char directory[] = "/tmp/pfswrap-slot-XXXXXX";

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

static void teardown(void)
{
    link_end_policy(directory);
}

/* A slot with its two buffers. */
static union {
    struct connection connection;
    uint8_t bytes[CONNECTION_SLOT_BYTES];
} slot;

static struct binding binding;

/* A connection that is not established yet, in the slot. */
static void start(void)
{
    memset(&slot, 0, sizeof slot);
    binding = (struct binding){snapshot_acquire(), LINK_CONNECT};
    connection_init(&slot.connection, &binding, true, true);
    slot.connection.phase = CONNECTION_CONNECTING;
}

/* Fetches the connection and stores it again. Returns its phase. */
static uint8_t fetch(void)
{
    static struct connection connection;
    connection_fetch(&connection, &slot.connection, &binding);
    const uint8_t phase = connection.phase;
    ck_assert_int_eq(connection.error, phase == CONNECTION_FAILED ? ECONNRESET : 0);
    connection_store(&connection);
    ck_assert_uint_eq(slot.connection.phase, phase);
    return phase;
}

START_TEST(a_connection_comes_back_as_it_was)
{
    start();
    slot.connection.rx_cipher = (struct span){10, 15};
    memcpy(slot.bytes + CONNECTION_BLOCK_BYTES + 10, "bytes", 5);
    ck_assert_uint_eq(fetch(), CONNECTION_CONNECTING);
    ck_assert_uint_eq(slot.connection.rx_cipher.begin, 10);
    ck_assert_int_eq(memcmp(slot.bytes + CONNECTION_BLOCK_BYTES + 10, "bytes", 5), 0);
}
END_TEST

START_TEST(a_flag_that_is_neither_0_nor_1_poisons_it)
{
#define FLAG(name) offsetof(struct connection, name)
    static const size_t flags[] = {
        FLAG(initiator),      FLAG(local),         FLAG(buffering),          FLAG(prehandshake_full),
        FLAG(confirmed),      FLAG(dialled),       FLAG(read_shut),          FLAG(write_shut),
        FLAG(final_received), FLAG(finishing),     FLAG(reported_connected), FLAG(reported_error),
        FLAG(fin_sent),       FLAG(broken),        FLAG(answered),           FLAG(only_confirm_sent),
        FLAG(cork_later),     FLAG(size_is_known),
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        start();
        slot.bytes[flags[i]] = 1;
        ck_assert_uint_eq(fetch(), CONNECTION_CONNECTING);
        start();
        slot.bytes[flags[i]] = 2;
        ck_assert_uint_eq(fetch(), CONNECTION_FAILED);
    }
}
END_TEST

START_TEST(a_number_out_of_its_range_poisons_it)
{
    start();
    slot.connection.phase = CONNECTION_FAILED + 1;
    ck_assert_uint_eq(fetch(), CONNECTION_FAILED);
    start();
    slot.connection.phase = CONNECTION_OPEN; /* without a channel */
    ck_assert_uint_eq(fetch(), CONNECTION_FAILED);
}
END_TEST

START_TEST(a_span_outside_its_buffer_poisons_it)
{
    const struct span backward = {2, 1}, beyond = {0, CONNECTION_BUFFER_BYTES + 1};
    struct span *const spans[] = {&slot.connection.rx_plain, &slot.connection.rx_cipher, &slot.connection.tx,
                                  &slot.connection.prehandshake};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        start();
        *spans[i] = backward;
        ck_assert_uint_eq(fetch(), CONNECTION_FAILED);
        start();
        *spans[i] = beyond;
        ck_assert_uint_eq(fetch(), CONNECTION_FAILED);
    }
    start();
    slot.connection.rx_plain = (struct span){0, 10};
    slot.connection.rx_cipher = (struct span){5, 15};
    ck_assert_uint_eq(fetch(), CONNECTION_FAILED);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("slot");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_connection_comes_back_as_it_was);
    tcase_add_test(cases, a_flag_that_is_neither_0_nor_1_poisons_it);
    tcase_add_test(cases, a_number_out_of_its_range_poisons_it);
    tcase_add_test(cases, a_span_outside_its_buffer_poisons_it);
    return run_suite(cases, "slot");
}
