/* See scenarios.h. */
#include "model/scenarios.h"

#include <unistd.h>

#include "base/newer.h"
#include "connection/endpoint.h"
#include "fd/plane.h"
#include "model/program.h"
#include "model/stubs.h"

const enum model_peer scenario_peers[SCENARIO_PEERS] = {PEER_KEYLESS, PEER_KEYED, PEER_REFUSES, PEER_RESETS,
                                                        PEER_PLAIN};
int scenario_one_peer, scenario_other_peer;
static int shared;

void scenario_connect_both(int thread)
{
    program_use_connection(scenario_peers[thread == 0 ? scenario_one_peer : scenario_other_peer]);
}

void scenario_connect_twice(int thread)
{
    program_use_connection(scenario_peers[thread == 0 ? scenario_one_peer : scenario_other_peer]);
    program_use_connection(scenario_peers[scenario_one_peer]);
}

void scenario_connect_beside_files(int thread)
{
    if (thread == 0)
        program_use_connection(scenario_peers[scenario_one_peer]);
    else
        for (int i = 0; i < 2; i++)
            program_use_file();
}

/* The second thread ends the first one's call by putting a file at its descriptor, as Java does. */
void scenario_shared_socket(void)
{
    shared = program_socket();
}
void scenario_replace_under_connect(int thread)
{
    static int done[2];
    if (thread == 0) {
        (void)program_connect(shared, scenario_peers[scenario_one_peer]);
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
void scenario_close_under_connect(int thread)
{
    if (thread == 0) {
        (void)program_connect(shared, scenario_peers[scenario_one_peer]);
    } else {
        model_expect(close(shared) == 0, "the number cannot be closed");
        for (int i = 0; i < 2; i++)
            program_use_file();
    }
}

/* Both threads connect the same socket. */
void scenario_connect_one_socket(int thread)
{
    static int done;
    (void)program_connect(shared, scenario_peers[thread == 0 ? scenario_one_peer : scenario_other_peer]);
    if (++done < 2)
        return;
    done = 0;
    (void)program_write(shared);
    model_expect(close(shared) == 0, "the number cannot be closed");
}

/* One thread makes a copy while the other connects; both are used afterwards. */
static int copy;
void scenario_copy_under_connect(int thread)
{
    static int done;
    if (thread == 0)
        (void)program_connect(shared, scenario_peers[scenario_one_peer]);
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
void scenario_shared_socket_and_file(void)
{
    shared = program_socket();
    copy = model_open_file();
}
void scenario_copy_onto_file_under_connect(int thread)
{
    static int done;
    if (thread == 0)
        (void)program_connect(shared, scenario_peers[scenario_one_peer]);
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
void scenario_shared_socket_and_copy(void)
{
    shared = program_socket();
    copy = dup(shared);
}
void scenario_close_copy_under_connect(int thread)
{
    static int done;
    if (thread == 0)
        (void)program_connect(shared, scenario_peers[scenario_one_peer]);
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
void scenario_shared_file(void)
{
    shared = model_open_file();
}
void scenario_replace_file(int thread)
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
bool scenario_inspects_new;
void scenario_shared_file_and_inspected(void)
{
    shared = model_open_file();
    copy = model_open_file();
    model_expect(plane_add_record(&model_recording, scenario_inspects_new ? copy : shared, 1),
                 "a file's number takes no record");
}
void scenario_replace_inspected(int thread)
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
void scenario_close_with_rest(int thread)
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
void scenario_close_range_beside_rest(int thread)
{
    if (thread == 0)
        scenario_close_with_rest(0);
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
void scenario_close_without_a_free_number(int thread)
{
    if (thread == 0)
        scenario_close_with_rest(0);
    else if (thread == 1)
        scenario_connect_both(1);
    else
        acknowledge_all();
}
void scenario_replace_without_a_free_number(int thread)
{
    if (thread == 0) {
        const int fd = program_socket(), file = model_open_file();
        model_expect(program_connect(fd, PEER_KEYED) == 0, "connect() fails with a key");
        model_outstanding[fd] = 1;
        model_expect(dup2(file, fd) == fd && program_write(fd) == 1, "a file does not replace the connection");
        model_expect(close(fd) == 0 && close(file) == 0, "the files cannot be closed");
    } else if (thread == 1) {
        scenario_connect_both(1);
    } else {
        acknowledge_all();
    }
}
