/*
 * Descriptor numbers that change hands between threads: the shim's own table, connect, close and dup2 run in every
 * order of their steps that a few preemptions make (model/model.h). The connection itself is a stub
 * (model/stubs.h).
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connection/endpoint.h"
#include "fd/plane.h"
#include "model/model.h"
#include "model/scenarios.h"
#include "model/stubs.h"
#include "suite.h"

/* --- the tests --- */

static void (*begin_scenario)(void);

/* The pools have the same order before each execution, since model_finish_all() goes through the endpoints in
 * theirs. */
static void begin_execution(void)
{
    endpoint_after_fork(true);
    if (begin_scenario != NULL)
        begin_scenario();
}

static void explore(const char *name, int threads, int bound, void (*run)(int thread), void (*begin)(void))
{
    const char *more = getenv("PFSWRAP_MODEL_MORE");
    const struct model_scenario scenario = {.name = name,
                                            .threads = threads,
                                            .bound = bound + (more != NULL ? atoi(more) : 0),
                                            .run = run,
                                            .begin = begin_execution};
    begin_scenario = begin;
    const long executions = model_explore(&scenario);
    ck_assert_int_gt(executions, threads);
    if (getenv("PFSWRAP_MODEL_VERBOSE") != NULL)
        (void)fprintf(stderr, "%s, scenario_peers %d and %d: %ld executions\n", name, scenario_one_peer,
                      scenario_other_peer, executions);
}

START_TEST(two_threads_that_connect_and_close)
{
    scenario_one_peer = _i / SCENARIO_PEERS;
    scenario_other_peer = _i % SCENARIO_PEERS;
    explore("two threads that connect and close", 2, 2, scenario_connect_both, NULL);
}
END_TEST

START_TEST(three_threads_that_connect_and_close)
{
    scenario_one_peer = _i;
    scenario_other_peer = PEER_KEYLESS;
    explore("three threads that connect and close", 3, 1, scenario_connect_both, NULL);
}
END_TEST

START_TEST(two_threads_that_connect_again_and_again)
{
    scenario_one_peer = _i;
    scenario_other_peer = PEER_KEYLESS;
    explore("two threads that connect again and again", 2, 1, scenario_connect_twice, NULL);
}
END_TEST

START_TEST(files_beside_connections)
{
    scenario_one_peer = _i;
    explore("files beside connections", 2, 2, scenario_connect_beside_files, NULL);
}
END_TEST

START_TEST(a_file_put_at_a_socket_that_connects)
{
    scenario_one_peer = _i;
    explore("a file put at a socket that connects", 2, 2, scenario_replace_under_connect, scenario_shared_socket);
}
END_TEST

START_TEST(a_socket_closed_while_it_connects)
{
    scenario_one_peer = _i;
    explore("a socket closed while it connects", 2, 2, scenario_close_under_connect, scenario_shared_socket);
}
END_TEST

START_TEST(two_threads_connect_one_socket)
{
    scenario_one_peer = _i / SCENARIO_PEERS;
    scenario_other_peer = _i % SCENARIO_PEERS;
    if (scenario_peers[scenario_one_peer] == PEER_PLAIN || scenario_peers[scenario_other_peer] == PEER_PLAIN)
        return; /* which peer the socket gets is not known, so a plain write may be right */
    explore("two threads connect one socket", 2, 2, scenario_connect_one_socket, scenario_shared_socket);
}
END_TEST

START_TEST(a_copy_made_while_its_socket_connects)
{
    scenario_one_peer = _i;
    explore("a copy made while its socket connects", 2, 2, scenario_copy_under_connect, scenario_shared_socket);
}
END_TEST

START_TEST(a_copy_onto_a_file_while_its_socket_connects)
{
    scenario_one_peer = _i;
    explore("a copy onto a file while its socket connects", 2, 2, scenario_copy_onto_file_under_connect,
            scenario_shared_socket_and_file);
}
END_TEST

START_TEST(a_copy_closed_while_its_socket_connects)
{
    scenario_one_peer = _i;
    explore("a copy closed while its socket connects", 2, 2, scenario_close_copy_under_connect,
            scenario_shared_socket_and_copy);
}
END_TEST

START_TEST(a_file_replaced_while_it_is_written)
{
    explore("a file replaced while it is written", 2, 3, scenario_replace_file, scenario_shared_file);
}
END_TEST

START_TEST(an_inspected_connection_that_dup2_puts_or_replaces)
{
    scenario_inspects_new = _i == 0;
    explore("an inspected connection that dup2() puts or replaces", 2, 2, scenario_replace_inspected,
            scenario_shared_file_and_inspected);
}
END_TEST

START_TEST(a_hidden_number_that_the_program_wants)
{
    model_has_background = true;
    explore("a hidden number that the program wants", 3, 2, scenario_close_with_rest, NULL);
}
END_TEST

START_TEST(a_range_closed_beside_a_hidden_number)
{
    model_has_background = true;
    explore("a range closed beside a hidden number", 3, 2, scenario_close_range_beside_rest, NULL);
}
END_TEST

START_TEST(a_closed_number_that_stays_hidden)
{
    model_has_background = true;
    model_is_full = true;
    model_policy.seal.linger_ms = 1;
    scenario_one_peer = scenario_other_peer = 0;
    explore("a closed number that stays hidden", 3, 2, scenario_close_without_a_free_number, NULL);
}
END_TEST

START_TEST(a_number_replaced_where_no_other_is_free)
{
    model_has_background = true;
    model_is_full = true;
    model_policy.seal.linger_ms = 1;
    scenario_one_peer = scenario_other_peer = 0;
    explore("a number replaced where no other is free", 3, 2, scenario_replace_without_a_free_number, NULL);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("numbers");
    tcase_add_loop_test(cases, two_threads_that_connect_and_close, 0, SCENARIO_PEERS * SCENARIO_PEERS);
    tcase_add_loop_test(cases, three_threads_that_connect_and_close, 0, SCENARIO_PEERS);
    tcase_add_loop_test(cases, two_threads_that_connect_again_and_again, 0, SCENARIO_PEERS);
    tcase_add_loop_test(cases, files_beside_connections, 0, SCENARIO_PEERS);
    tcase_add_loop_test(cases, a_file_put_at_a_socket_that_connects, 0, SCENARIO_PEERS);
    tcase_add_loop_test(cases, a_socket_closed_while_it_connects, 0, SCENARIO_PEERS);
    tcase_add_loop_test(cases, two_threads_connect_one_socket, 0, SCENARIO_PEERS * SCENARIO_PEERS);
    tcase_add_loop_test(cases, a_copy_made_while_its_socket_connects, 0, SCENARIO_PEERS);
    tcase_add_loop_test(cases, a_copy_onto_a_file_while_its_socket_connects, 0, SCENARIO_PEERS);
    tcase_add_loop_test(cases, a_copy_closed_while_its_socket_connects, 0, SCENARIO_PEERS);
    tcase_add_test(cases, a_file_replaced_while_it_is_written);
    tcase_add_loop_test(cases, an_inspected_connection_that_dup2_puts_or_replaces, 0, 2);
    tcase_add_test(cases, a_hidden_number_that_the_program_wants);
    tcase_add_test(cases, a_range_closed_beside_a_hidden_number);
    tcase_add_test(cases, a_closed_number_that_stays_hidden);
    tcase_add_test(cases, a_number_replaced_where_no_other_is_free);
    return run_suite(cases, "numbers");
}
