/* TCP connections whose client is inspected, under a policy that refuses plaintext and weak TLS. */
#ifndef PFSWRAP_TESTS_INSPECT_INSPECTED_H
#define PFSWRAP_TESTS_INSPECT_INSPECTED_H

#include "../connection/link.h"
#include "inspect/inspect.h"
#include "inspect/record.h"

/* The fixture of each case: policy and log in a directory of their own. */
void start_inspecting(void);
void end_inspecting(void);

/* A TCP connection whose client is inspected. */
struct pair {
    int client, server;
};
struct pair inspected(void);

/* The record that a number has, and its index. */
struct record *record_of(int fd);
uint32_t entry_of(int fd);

/* Whether the audit log has this text. */
bool log_has(const char *word);

#endif
