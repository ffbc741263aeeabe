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
#include "model/program.h"
#include "model/stubs.h"
#include "suite.h"

/* --- the scenarios --- */

static const enum model_peer peers[] = {PEER_KEYLESS, PEER_KEYED, PEER_REFUSES, PEER_RESETS, PEER_PLAIN};
static int one_peer, other_peer, shared;

static void connect_both(int thread)
{
    program_use_connection(peers[thread == 0 ? one_peer : other_peer]);
}

static void connect_twice(int thread)
{
    program_use_connection(peers[thread == 0 ? one_peer : other_peer]);
    program_use_connection(peers[one_peer]);
}

static void connect_beside_files(int thread)
{
    if (thread == 0)
        program_use_connection(peers[one_peer]);
    else
        for (int i = 0; i < 2; i++)
            program_use_file();
}

/* The second thread ends the first one's call by putting a file at its descriptor, as Java does. */
static void shared_socket(void)
{
    shared = program_socket();
}
static void replace_under_connect(int thread)
{
    static int done[2];
    if (thread == 0) {
        (void)program_connect(shared, peers[one_peer]);
        (void)program_write(shared);
    } else {
        const int file = model_open_file();
        model_expect(dup2(file, shared) == shared, "dup2() fails");
        model_expect(close(file) == 0, "a file cannot be closed");
    }
    done[thread] = 1;
    if (done[0] + done[1] < 2)
        return;
    done[0] = done[1] = 0;
    (void)program_write(shared);
    model_expect(close(shared) == 0, "the number cannot be closed");
}

/* It only closes it, and files get the number. */
static void close_under_connect(int thread)
{
    if (thread == 0) {
        (void)program_connect(shared, peers[one_peer]);
    } else {
        model_expect(close(shared) == 0, "the number cannot be closed");
        for (int i = 0; i < 2; i++)
            program_use_file();
    }
}

/* Both threads connect the same socket. */
static void connect_one_socket(int thread)
{
    static int done;
    (void)program_connect(shared, peers[thread == 0 ? one_peer : other_peer]);
    if (++done < 2)
        return;
    done = 0;
    (void)program_write(shared);
    model_expect(close(shared) == 0, "the number cannot be closed");
}

/* One thread makes a copy while the other connects; both are used afterwards. */
static int copy;
static void copy_under_connect(int thread)
{
    static int done;
    if (thread == 0)
        (void)program_connect(shared, peers[one_peer]);
    else
        copy = dup(shared);
    if (++done < 2)
        return;
    done = 0;
    model_expect(copy >= 3, "dup() fails");
    (void)program_write(copy);
    (void)program_write(shared);
    model_expect(close(shared) == 0 && close(copy) == 0, "the numbers cannot be closed");
}

/* The same by dup2() onto a file, which the other thread goes on to use. */
static void shared_socket_and_file(void)
{
    shared = program_socket();
    copy = model_open_file();
}
static void copy_onto_file_under_connect(int thread)
{
    static int done;
    if (thread == 0)
        (void)program_connect(shared, peers[one_peer]);
    else
        model_expect(dup2(shared, copy) == copy, "dup2() fails");
    if (++done < 2)
        return;
    done = 0;
    (void)program_write(copy);
    model_expect(close(shared) == 0, "the socket cannot be closed");
    (void)program_write(copy);
    model_expect(close(copy) == 0, "the copy cannot be closed");
}

/* A copy is closed, and its number is used again, while the other thread connects. */
static void shared_socket_and_copy(void)
{
    shared = program_socket();
    copy = dup(shared);
}
static void close_copy_under_connect(int thread)
{
    static int done;
    if (thread == 0)
        (void)program_connect(shared, peers[one_peer]);
    else {
        model_expect(close(copy) == 0, "the copy cannot be closed");
        program_use_file();
    }
    if (++done < 2)
        return;
    done = 0;
    (void)program_write(shared);
    model_expect(close(shared) == 0, "the socket cannot be closed");
}

/* Log rotation: another file replaces a file at its descriptor while a thread writes to it. */
static void shared_file(void)
{
    shared = model_open_file();
}
static void replace_file(int thread)
{
    static int done;
    if (thread == 0) {
        model_expect(program_write(shared) == 1 && program_write(shared) == 1, "a file cannot be written");
    } else {
        const int file = model_open_file();
        model_expect(dup2(file, shared) == shared, "dup2() fails");
        model_expect(close(file) == 0, "a file cannot be closed");
    }
    if (++done < 2)
        return;
    done = 0;
    model_expect(close(shared) == 0, "the number cannot be closed");
}

/* An inspected connection comes to a number, or goes from it: no other call passes while the number has no record.
 */
static bool inspects_new;
static void shared_file_and_inspected(void)
{
    shared = model_open_file();
    copy = model_open_file();
    model_expect(plane_add_record(&model_recording, inspects_new ? copy : shared, 1),
                 "a file's number takes no record");
}
static void replace_inspected(int thread)
{
    static int done;
    if (thread == 1) {
        model_expect(dup2(copy, shared) == shared, "dup2() fails");
    } else {
        const uint64_t word = atomic_load(&fd_table[shared]);
        model_expect((word & FD_WORD_FOREIGN) == 0 || (word & FD_WORD_CLAIMED) == 0, "other calls pass unseen");
    }
    if (++done < 2)
        return;
    done = 0;
    model_expect(close(shared) == 0 && close(copy) == 0, "the numbers cannot be closed");
}

/* A connection continues at a hidden number while other threads use and free numbers there. */
static void close_with_rest(int thread)
{
    if (thread == 0) {
        const int fd = program_socket();
        model_expect(program_connect(fd, PEER_KEYED) == 0, "connect() fails with a key");
        model_outstanding[fd] = 1;
        model_expect(close(fd) == 0, "a connection cannot be closed");
    } else if (thread == 1) {
        const int file = model_open_file();
        model_expect(dup2(file, MODEL_HIDDEN) == MODEL_HIDDEN, "dup2() onto a hidden number fails");
        model_expect(program_write(MODEL_HIDDEN) == 1, "what stands there cannot be written");
        model_expect(close(MODEL_HIDDEN) == 0 && close(file) == 0, "the files cannot be closed");
    } else {
        model_finish_all();
    }
}
static void close_range_beside_rest(int thread)
{
    if (thread == 0)
        close_with_rest(0);
    else if (thread == 1)
        model_expect(close_range(MODEL_HIDDEN, MODEL_NUMBERS - 1, 0) == 0, "close_range() fails");
    else
        model_finish_all();
}

/* No number is free for a duplicate: the closed number itself is hidden, until the peer has acknowledged the rest.
 */
static void acknowledge_all(void)
{
    for (int fd = 0; fd < MODEL_NUMBERS; fd++)
        model_outstanding[fd] = 0;
    model_finish_all();
}
static void close_without_a_free_number(int thread)
{
    if (thread == 0)
        close_with_rest(0);
    else if (thread == 1)
        connect_both(1);
    else
        acknowledge_all();
}
static void replace_without_a_free_number(int thread)
{
    if (thread == 0) {
        const int fd = program_socket(), file = model_open_file();
        model_expect(program_connect(fd, PEER_KEYED) == 0, "connect() fails with a key");
        model_outstanding[fd] = 1;
        model_expect(dup2(file, fd) == fd && program_write(fd) == 1, "a file does not replace the connection");
        model_expect(close(fd) == 0 && close(file) == 0, "the files cannot be closed");
    } else if (thread == 1) {
        connect_both(1);
    } else {
        acknowledge_all();
    }
}

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
        (void)fprintf(stderr, "%s, peers %d and %d: %ld executions\n", name, one_peer, other_peer, executions);
}

enum { PEERS = sizeof peers / sizeof peers[0] };

START_TEST(two_threads_that_connect_and_close)
{
    one_peer = _i / PEERS;
    other_peer = _i % PEERS;
    explore("two threads that connect and close", 2, 2, connect_both, NULL);
}
END_TEST

START_TEST(three_threads_that_connect_and_close)
{
    one_peer = _i;
    other_peer = PEER_KEYLESS;
    explore("three threads that connect and close", 3, 1, connect_both, NULL);
}
END_TEST

START_TEST(two_threads_that_connect_again_and_again)
{
    one_peer = _i;
    other_peer = PEER_KEYLESS;
    explore("two threads that connect again and again", 2, 1, connect_twice, NULL);
}
END_TEST

START_TEST(files_beside_connections)
{
    one_peer = _i;
    explore("files beside connections", 2, 2, connect_beside_files, NULL);
}
END_TEST

START_TEST(a_file_put_at_a_socket_that_connects)
{
    one_peer = _i;
    explore("a file put at a socket that connects", 2, 2, replace_under_connect, shared_socket);
}
END_TEST

START_TEST(a_socket_closed_while_it_connects)
{
    one_peer = _i;
    explore("a socket closed while it connects", 2, 2, close_under_connect, shared_socket);
}
END_TEST

START_TEST(two_threads_connect_one_socket)
{
    one_peer = _i / PEERS;
    other_peer = _i % PEERS;
    if (peers[one_peer] == PEER_PLAIN || peers[other_peer] == PEER_PLAIN)
        return; /* which peer the socket gets is not known, so a plain write may be right */
    explore("two threads connect one socket", 2, 2, connect_one_socket, shared_socket);
}
END_TEST

START_TEST(a_copy_made_while_its_socket_connects)
{
    one_peer = _i;
    explore("a copy made while its socket connects", 2, 2, copy_under_connect, shared_socket);
}
END_TEST

START_TEST(a_copy_onto_a_file_while_its_socket_connects)
{
    one_peer = _i;
    explore("a copy onto a file while its socket connects", 2, 2, copy_onto_file_under_connect,
            shared_socket_and_file);
}
END_TEST

START_TEST(a_copy_closed_while_its_socket_connects)
{
    one_peer = _i;
    explore("a copy closed while its socket connects", 2, 2, close_copy_under_connect, shared_socket_and_copy);
}
END_TEST

START_TEST(a_file_replaced_while_it_is_written)
{
    explore("a file replaced while it is written", 2, 3, replace_file, shared_file);
}
END_TEST

START_TEST(an_inspected_connection_that_dup2_puts_or_replaces)
{
    inspects_new = _i == 0;
    explore("an inspected connection that dup2() puts or replaces", 2, 2, replace_inspected,
            shared_file_and_inspected);
}
END_TEST

START_TEST(a_hidden_number_that_the_program_wants)
{
    model_has_background = true;
    explore("a hidden number that the program wants", 3, 2, close_with_rest, NULL);
}
END_TEST

START_TEST(a_range_closed_beside_a_hidden_number)
{
    model_has_background = true;
    explore("a range closed beside a hidden number", 3, 2, close_range_beside_rest, NULL);
}
END_TEST

START_TEST(a_closed_number_that_stays_hidden)
{
    model_has_background = true;
    model_is_full = true;
    model_policy.seal.linger_ms = 1;
    one_peer = other_peer = 0;
    explore("a closed number that stays hidden", 3, 2, close_without_a_free_number, NULL);
}
END_TEST

START_TEST(a_number_replaced_where_no_other_is_free)
{
    model_has_background = true;
    model_is_full = true;
    model_policy.seal.linger_ms = 1;
    one_peer = other_peer = 0;
    explore("a number replaced where no other is free", 3, 2, replace_without_a_free_number, NULL);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("numbers");
    tcase_add_loop_test(cases, two_threads_that_connect_and_close, 0, PEERS * PEERS);
    tcase_add_loop_test(cases, three_threads_that_connect_and_close, 0, PEERS);
    tcase_add_loop_test(cases, two_threads_that_connect_again_and_again, 0, PEERS);
    tcase_add_loop_test(cases, files_beside_connections, 0, PEERS);
    tcase_add_loop_test(cases, a_file_put_at_a_socket_that_connects, 0, PEERS);
    tcase_add_loop_test(cases, a_socket_closed_while_it_connects, 0, PEERS);
    tcase_add_loop_test(cases, two_threads_connect_one_socket, 0, PEERS * PEERS);
    tcase_add_loop_test(cases, a_copy_made_while_its_socket_connects, 0, PEERS);
    tcase_add_loop_test(cases, a_copy_onto_a_file_while_its_socket_connects, 0, PEERS);
    tcase_add_loop_test(cases, a_copy_closed_while_its_socket_connects, 0, PEERS);
    tcase_add_test(cases, a_file_replaced_while_it_is_written);
    tcase_add_loop_test(cases, an_inspected_connection_that_dup2_puts_or_replaces, 0, 2);
    tcase_add_test(cases, a_hidden_number_that_the_program_wants);
    tcase_add_test(cases, a_range_closed_beside_a_hidden_number);
    tcase_add_test(cases, a_closed_number_that_stays_hidden);
    tcase_add_test(cases, a_number_replaced_where_no_other_is_free);
    return run_suite(cases, "numbers");
}
