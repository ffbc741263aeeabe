/* Where inspections begin and end, and which numbers have the record. */
#include "../suite.h"
#include "inspected.h"

#include <arpa/inet.h>

/* --- where an inspection begins --- */

START_TEST(connections_that_are_made_or_accepted_are_inspected)
{
    const struct pair pair = inspected();
    inspect_accepted(pair.server, -1);
    ck_assert(fd_has_record(pair.server));
    ck_assert_uint_ne(entry_of(pair.client), entry_of(pair.server));
    ck_assert(!record_of(pair.client)->is_server && record_of(pair.server)->is_server);
    ck_assert_ptr_eq(fd_operations_of(pair.client), &inspect_plane.operations);
}
END_TEST

START_TEST(only_tcp_connections_are_inspected)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int udp = socket(AF_INET, SOCK_DGRAM, 0), file = open("/dev/null", O_WRONLY);
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    inspect_connected(udp, (const struct sockaddr *)&address, sizeof address);
    inspect_connected(file, (const struct sockaddr *)&address, sizeof address);
    inspect_accepted(ends[0], -1);
    ck_assert(!fd_has_record(udp) && !fd_has_record(file) && !fd_has_record(ends[0]));
}
END_TEST

START_TEST(a_second_connect_call_keeps_the_record)
{
    const struct pair pair = inspected();
    const uint32_t entry = entry_of(pair.client);
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    record_of(pair.client)->fed[WIRE_OUT] = 5;
    inspect_connected(pair.client, (const struct sockaddr *)&address, sizeof address);
    ck_assert_uint_eq(entry_of(pair.client), entry);
    ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_OUT], 5);
}
END_TEST

START_TEST(another_socket_at_the_number_gets_another_record)
{
    const struct pair old = inspected(), new = inspected();
    record_of(old.client)->fed[WIRE_OUT] = 5;
    inspect_end(new.client);
    ck_assert_int_eq(dup2(new.client, old.client), old.client); /* no interposed call has seen it */
    inspect_accepted(old.client, -1);
    ck_assert(fd_has_record(old.client));
    ck_assert_uint_eq(record_of(old.client)->cookie, fd_socket_identity(new.client));
    ck_assert_uint_eq(record_of(old.client)->fed[WIRE_OUT], 0);
}
END_TEST

START_TEST(a_disconnected_socket_is_not_inspected)
{
    const struct pair pair = inspected();
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    inspect_connected(pair.client, &none, sizeof none);
    ck_assert(!fd_has_record(pair.client));
}
END_TEST

START_TEST(an_inherited_connection_is_inspected_if_no_byte_has_passed)
{
    struct pair fresh, used;
    link_pair(&fresh.client, &fresh.server);
    link_pair(&used.client, &used.server);
    char byte;
    ck_assert_int_eq(send(used.client, "x", 1, 0), 1);
    link_await(used.server);
    ck_assert_int_eq(recv(used.server, &byte, 1, 0), 1);
    inspect_received_descriptor(fresh.client);
    inspect_received_descriptor(fresh.server);
    inspect_received_descriptor(used.client);
    inspect_received_descriptor(used.server);
    ck_assert(fd_has_record(fresh.client) && fd_has_record(fresh.server));
    ck_assert(!record_of(fresh.client)->is_server && record_of(fresh.server)->is_server);
    ck_assert(!fd_has_record(used.client) && !fd_has_record(used.server));
}
END_TEST

START_TEST(an_inherited_connection_with_unread_bytes_or_a_fin_is_inspected)
{
    struct pair unread, ended;
    link_pair(&unread.client, &unread.server);
    link_pair(&ended.client, &ended.server);
    ck_assert_int_eq(send(unread.client, "x", 1, 0), 1);
    ck_assert_int_eq(shutdown(ended.client, SHUT_WR), 0);
    link_await(unread.server);
    link_await(ended.server);
    inspect_received_descriptor(unread.server);
    inspect_received_descriptor(ended.server);
    ck_assert(fd_has_record(unread.server) && fd_has_record(ended.server));
}
END_TEST

START_TEST(a_received_duplicate_has_the_record_of_its_socket)
{
    const struct pair pair = inspected();
    const int copy = dup(pair.client);
    inspect_received_descriptor(copy);
    ck_assert_uint_eq(entry_of(copy), entry_of(pair.client));
    ck_assert_int_eq(record_of(copy)->descriptors, 2);
}
END_TEST

/* --- the numbers of a record --- */

START_TEST(duplicates_share_a_record_until_the_last_one_ends)
{
    const struct pair pair = inspected();
    const uint32_t entry = entry_of(pair.client);
    const int copy = dup(pair.client);
    inspect_copied(pair.client, copy);
    ck_assert_uint_eq(entry_of(copy), entry);
    inspect_end(pair.client);
    ck_assert(!fd_has_record(pair.client) && fd_has_record(copy));
    ck_assert_int_eq(record_at(entry)->descriptors, 1);
    inspect_end(copy);
    ck_assert(!fd_has_record(copy));
    ck_assert_uint_eq(entry_of(inspected().client), entry); /* it was free again */
}
END_TEST

START_TEST(a_forgotten_record_is_taken_from_all_its_numbers)
{
    uint32_t entry;
    const struct pair pair = inspected();
    const int copy = dup(pair.client);
    inspect_copied(pair.client, copy);
    struct record *record = record_enter(copy, &entry);
    ck_assert_ptr_nonnull(record);
    record_forget(record, entry);
    ck_assert_uint_eq(fd_word(pair.client) | fd_word(copy), 0);
    ck_assert_uint_eq(entry_of(inspected().client), entry);
}
END_TEST

START_TEST(a_closed_number_drops_its_record)
{
    const struct pair pair = inspected();
    const uint32_t entry = entry_of(pair.client);
    fd_forget(pair.client);
    ck_assert(!fd_has_record(pair.client));
    ck_assert_int_eq(record_at(entry)->descriptors, 0);
}
END_TEST

START_TEST(a_number_that_becomes_sealed_drops_its_record)
{
    const struct pair pair = inspected();
    const uint32_t entry = entry_of(pair.client);
    const int copy = dup(pair.client);
    inspect_copied(pair.client, copy);
    link_seal(pair.client, LINK_CONNECT, true, true);
    ck_assert(fd_is_sealed(pair.client) && !fd_has_record(pair.client));
    ck_assert_int_eq(record_at(entry)->descriptors, 1);
    inspect_accepted(pair.client, -1);
    ck_assert(fd_is_sealed(pair.client) && !fd_has_record(pair.client));
}
END_TEST

START_TEST(a_number_that_dup2_replaces_gets_the_record_with_its_new_word)
{
    enum { GENERATION = 5 };
    const struct pair pair = inspected();
    const int target = dup(pair.server);
    uint64_t before;
    ck_assert(fd_claim(target, GENERATION, true, &before));
    ck_assert_int_eq(dup2(pair.client, target), target);
    ck_assert(fd_vacate_as(target, GENERATION, inspect_share(pair.client)));
    ck_assert_uint_eq(entry_of(target), entry_of(pair.client));
    ck_assert_int_eq(record_of(target)->descriptors, 2);
    fd_dropped(target, inspect_share(pair.client)); /* a word that was not stored */
    ck_assert_int_eq(record_of(target)->descriptors, 2);
    ck_assert_uint_eq(inspect_share(pair.server), 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("inspect");
    tcase_add_checked_fixture(cases, start_inspecting, end_inspecting);
    tcase_add_test(cases, connections_that_are_made_or_accepted_are_inspected);
    tcase_add_test(cases, only_tcp_connections_are_inspected);
    tcase_add_test(cases, a_second_connect_call_keeps_the_record);
    tcase_add_test(cases, another_socket_at_the_number_gets_another_record);
    tcase_add_test(cases, a_disconnected_socket_is_not_inspected);
    tcase_add_test(cases, an_inherited_connection_is_inspected_if_no_byte_has_passed);
    tcase_add_test(cases, an_inherited_connection_with_unread_bytes_or_a_fin_is_inspected);
    tcase_add_test(cases, a_received_duplicate_has_the_record_of_its_socket);
    tcase_add_test(cases, duplicates_share_a_record_until_the_last_one_ends);
    tcase_add_test(cases, a_forgotten_record_is_taken_from_all_its_numbers);
    tcase_add_test(cases, a_closed_number_drops_its_record);
    tcase_add_test(cases, a_number_that_becomes_sealed_drops_its_record);
    tcase_add_test(cases, a_number_that_dup2_replaces_gets_the_record_with_its_new_word);
    return run_suite(cases, "inspect/inspect");
}
