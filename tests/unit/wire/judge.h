/*
 * A conversation and the reader's verdict on it, for the tests of verdicts. A conversation is fed whole and byte by
 * byte, and both must give the same verdict.
 */
#ifndef PFSWRAP_TESTS_WIRE_JUDGE_H
#define PFSWRAP_TESTS_WIRE_JUDGE_H

#include "conversation.h"

/* The conversation under way, and the reader after its verdict. */
extern struct conversation talk;
extern struct wire reader;

/* What a client of TLS 1.3 offers, and an answer that is allowed. */
extern const uint16_t tls13[];
extern const struct client_hello modern;
extern const struct server_hello good;

/* `strict`, but with TLS 1.2 allowed. */
struct wire_config lenient(void);

/* Adds a hello of each side to `talk`. */
void handshake(enum wire_direction client, struct client_hello offer, struct server_hello choice);

/* The outcome of `talk`, which is empty afterwards. */
struct outcome judge(const struct wire_config *config);
void expect_weak(const struct wire_config *config, enum wire_reason reason);
void expect_pfs(const struct wire_config *config);

#endif
