/*
 * What the threads of test_numbers do: each function is run by every thread of an execution, with the thread's
 * number, or before the execution begins.
 */
#ifndef PFSWRAP_TESTS_MODEL_SCENARIOS_H
#define PFSWRAP_TESTS_MODEL_SCENARIOS_H

#include "model/model.h"

/* Which peers the threads connect to; all of them. */
enum { SCENARIO_PEERS = 5 };
extern const enum model_peer scenario_peers[SCENARIO_PEERS];
extern int scenario_one_peer, scenario_other_peer;

/* Whether the file that dup2() puts there has the record, and not the one that it replaces. */
extern bool scenario_inspects_new;

void scenario_connect_both(int thread);
void scenario_connect_twice(int thread);
void scenario_connect_beside_files(int thread);
void scenario_shared_socket(void);
void scenario_replace_under_connect(int thread);
void scenario_close_under_connect(int thread);
void scenario_connect_one_socket(int thread);
void scenario_copy_under_connect(int thread);
void scenario_shared_socket_and_file(void);
void scenario_copy_onto_file_under_connect(int thread);
void scenario_shared_socket_and_copy(void);
void scenario_close_copy_under_connect(int thread);
void scenario_shared_file(void);
void scenario_replace_file(int thread);
void scenario_shared_file_and_inspected(void);
void scenario_replace_inspected(int thread);
void scenario_close_with_rest(int thread);
void scenario_close_range_beside_rest(int thread);
void scenario_close_without_a_free_number(int thread);
void scenario_replace_without_a_free_number(int thread);

#endif
