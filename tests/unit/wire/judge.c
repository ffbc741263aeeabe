/* See judge.h. */
#include "judge.h"

struct conversation talk;
struct wire reader;

const uint16_t tls13[] = {0x0a0a, 0x0304, 0x0303, 0};
const struct client_hello modern = {.versions = tls13, .server_name = "example.org", .protocol = "h2"};
const struct server_hello good = {.version = 0x0304, .suite = 0x1302, .group = 29};

/* Byte by byte first, so that `wire` is the reader that was fed the whole. */
struct outcome judge(const struct wire_config *config)
{
    struct outcome slow = converse(&reader, config, &talk, 1, 0);
    struct outcome whole = converse(&reader, config, &talk, SIZE_MAX, 0);
    ck_assert_int_eq(slow.verdict, whole.verdict);
    ck_assert_int_eq(slow.reason, whole.reason);
    talk.count = 0;
    return whole;
}

void expect_weak(const struct wire_config *config, enum wire_reason reason)
{
    struct outcome outcome = judge(config);
    ck_assert_int_eq(outcome.verdict, WIRE_WEAK);
    ck_assert_str_eq(wire_reason_words(outcome.reason), wire_reason_words(reason));
}

void expect_pfs(const struct wire_config *config)
{
    ck_assert_int_eq(judge(config).verdict, WIRE_PFS);
}

void handshake(enum wire_direction client, struct client_hello offer, struct server_hello choice)
{
    say_client_hello(&talk, client, offer, 16384);
    say_server_hello(&talk, other(client), choice, 16384);
}

struct wire_config lenient(void)
{
    struct wire_config config = strict;
    config.min_version = 0x0303;
    return config;
}
