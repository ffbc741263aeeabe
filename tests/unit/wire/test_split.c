/*
 * The verdict does not depend on where reads and writes end: conversations of every kind, cut at every byte, in
 * pieces of every size and in records of every size, give the same verdict at the same byte.
 */
#include "../suite.h"
#include "conversation.h"

static const uint16_t tls13[] = {0x0304, 0x0303, 0};
static const struct client_hello modern = {.versions = tls13, .server_name = "example.org", .protocol = "h2"};

struct sample {
    const char *name;
    struct conversation conversation;
    struct wire_config config;
};

enum { SAMPLES = 8 };
static struct sample samples[SAMPLES];

static struct conversation *sample(size_t at, const char *name, uint16_t min_version, uint16_t plaintext_max)
{
    samples[at].name = name;
    samples[at].conversation.count = 0;
    samples[at].config = strict;
    samples[at].config.min_version = min_version;
    samples[at].config.plaintext_max = plaintext_max;
    return &samples[at].conversation;
}

/* Hellos in records of `record` bytes. */
static void samples_make(size_t record)
{
    static const struct server_hello good = {.version = 0x0304, .suite = 0x1302, .group = 29};
    static const struct server_hello retry = {.is_retry = true, .version = 0x0304, .suite = 0x1302, .group = 23};
    static const struct server_hello chosen = {.version = 0x0304, .suite = 0x1302, .group = 23};
    static const struct server_hello old = {.suite = 0xc02f};
    struct conversation *talk = sample(0, "TLS 1.3", 0x0304, 0);
    say_client_hello(talk, WIRE_OUT, modern, record);
    say_server_hello(talk, WIRE_IN, good, record);

    talk = sample(1, "TLS 1.3 with a retry", 0x0304, 0);
    say_client_hello(talk, WIRE_IN, modern, record);
    say_server_hello(talk, WIRE_OUT, retry, record);
    put(add_turn(talk, WIRE_IN), "\24\3\3\0\1\1", 6);
    say_client_hello(talk, WIRE_IN, modern, record);
    say_server_hello(talk, WIRE_OUT, chosen, record);

    talk = sample(2, "TLS 1.2", 0x0304, 0);
    say_client_hello(talk, WIRE_OUT, modern, record);
    say_server_hello(talk, WIRE_IN, old, record);

    talk = sample(3, "TLS 1.3 without a key share", 0x0304, 0);
    say_client_hello(talk, WIRE_OUT, modern, record);
    say_server_hello(talk, WIRE_IN,
                     (struct server_hello){.version = 0x0304, .suite = 0x1302, .preshared_key = true}, record);

    talk = sample(4, "TLS 1.3 after plaintext", 0x0304, 4096);
    say(talk, WIRE_IN, "220 \26\3\1 mail.example.org ESMTP\r\n");
    say(talk, WIRE_OUT, "EHLO \26\3\3\2\1\1\r\nSTARTTLS\r\n");
    say(talk, WIRE_IN, "220 go ahead\r\n");
    say_client_hello(talk, WIRE_OUT, modern, record);
    say_server_hello(talk, WIRE_IN, good, record);

    talk = sample(5, "TLS 1.2 after plaintext", 0x0304, 4096);
    say(talk, WIRE_OUT, "\26\26\26\3\26\3\3");
    say_client_hello(talk, WIRE_OUT, modern, record);
    say(talk, WIRE_IN, "S");
    say_server_hello(talk, WIRE_IN, old, record);

    talk = sample(6, "plaintext", 0x0304, 20);
    say(talk, WIRE_OUT, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");

    talk = sample(7, "TLS 1.2 where it is allowed", 0x0303, 0);
    say_client_hello(talk, WIRE_OUT, modern, record);
    static struct bytes messages, body;
    messages.length = body.length = 0;
    put_server_hello(&messages, old);
    put_filling(&body, 0x30, 300);
    put_message(&messages, 11, &body);
    body.length = 0;
    put8(&body, 3);
    put16(&body, 29);
    put_filling(&body, 0x41, 100);
    put_message(&messages, 12, &body);
    put_records(add_turn(talk, WIRE_IN), 22, &messages, record);
}

/* The outcome when each byte is fed alone: the verdict comes at the earliest possible byte. */
static struct outcome bytewise(const struct sample *sample)
{
    struct wire wire;
    return converse(&wire, &sample->config, &sample->conversation, 1, 0);
}

static void expect_same(const struct sample *sample, struct outcome expected, size_t piece, size_t cut)
{
    struct wire wire;
    struct outcome outcome = converse(&wire, &sample->config, &sample->conversation, piece, cut);
    MUST(outcome.verdict == expected.verdict && outcome.reason == expected.reason,
         "%s, pieces of %zu, cut at %zu: expected verdict %d (%s), found %d (%s)", sample->name, piece, cut,
         (int)expected.verdict, wire_reason_words(expected.reason), (int)outcome.verdict,
         wire_reason_words(outcome.reason));
    MUST(outcome.bytes >= expected.bytes,
         "%s, pieces of %zu, cut at %zu: a verdict after %zu bytes, expected none before %zu", sample->name, piece,
         cut, outcome.bytes, expected.bytes);
    MUST(outcome.bytes < expected.bytes + (piece < 4096 ? piece : 8192),
         "%s, pieces of %zu, cut at %zu: a verdict after %zu bytes, expected it with byte %zu", sample->name, piece,
         cut, outcome.bytes, expected.bytes);
}

START_TEST(the_samples_give_the_verdicts_they_are_made_for)
{
    static const enum wire_verdict expected[SAMPLES] = {WIRE_PFS, WIRE_PFS,  WIRE_WEAK,      WIRE_WEAK,
                                                        WIRE_PFS, WIRE_WEAK, WIRE_PLAINTEXT, WIRE_PFS};
    samples_make(16384);
    for (size_t i = 0; i < SAMPLES; i++)
        ck_assert_msg(bytewise(&samples[i]).verdict == expected[i], "%s", samples[i].name);
}
END_TEST

START_TEST(a_verdict_comes_before_the_byte_after_the_server_hello)
{
    samples_make(16384);
    /* After the ServerHello's record there are 6 bytes of one record and 205 of another. */
    for (size_t i = 0; i < 4; i++)
        ck_assert_uint_eq(bytewise(&samples[i]).bytes, conversation_length(&samples[i].conversation) - 6 - 205);
}
END_TEST

START_TEST(a_cut_at_any_byte_changes_nothing)
{
    samples_make(16384);
    for (size_t i = 0; i < SAMPLES; i++) {
        struct outcome expected = bytewise(&samples[i]);
        for (size_t cut = 1; cut < 800; cut++)
            expect_same(&samples[i], expected, SIZE_MAX, cut);
    }
}
END_TEST

START_TEST(pieces_of_any_size_change_nothing)
{
    samples_make(16384);
    for (size_t i = 0; i < SAMPLES; i++) {
        struct outcome expected = bytewise(&samples[i]);
        for (size_t piece = 2; piece < 600; piece++)
            expect_same(&samples[i], expected, piece, 0);
    }
}
END_TEST

START_TEST(records_of_any_size_change_nothing)
{
    samples_make(16384);
    struct outcome expected[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++)
        expected[i] = bytewise(&samples[i]);
    for (size_t record = 1; record < 600; record++) {
        samples_make(record);
        for (size_t i = 0; i < SAMPLES; i++) {
            struct outcome outcome = bytewise(&samples[i]);
            MUST(outcome.verdict == expected[i].verdict && outcome.reason == expected[i].reason,
                 "%s in records of %zu: expected verdict %d, found %d (%s)", samples[i].name, record,
                 (int)expected[i].verdict, (int)outcome.verdict, wire_reason_words(outcome.reason));
            for (size_t piece = 2; piece < 40; piece += 7)
                expect_same(&samples[i], outcome, piece, 0);
        }
    }
}
END_TEST

/* Bytes of the other direction at any offset: they may come between any two reads. */
START_TEST(the_directions_do_not_disturb_each_other)
{
    samples_make(16384);
    const struct conversation *talk = &samples[4].conversation;
    const struct bytes *greeting = &talk->turns[0].bytes, *command = &talk->turns[1].bytes;
    for (size_t at = 0; at <= greeting->length; at++) {
        struct wire wire;
        size_t passes;
        wire_init(&wire);
        wire_feed(&wire, &samples[4].config, WIRE_IN, greeting->at, at, &passes);
        wire_feed(&wire, &samples[4].config, WIRE_OUT, command->at, command->length, &passes);
        wire_feed(&wire, &samples[4].config, WIRE_IN, greeting->at + at, greeting->length - at, &passes);
        for (size_t i = 2; i < talk->count; i++)
            wire_feed(&wire, &samples[4].config, talk->turns[i].direction, talk->turns[i].bytes.at,
                      talk->turns[i].bytes.length, &passes);
        ck_assert_int_eq(wire.verdict, WIRE_PFS);
    }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("split");
    tcase_add_test(cases, the_samples_give_the_verdicts_they_are_made_for);
    tcase_add_test(cases, a_verdict_comes_before_the_byte_after_the_server_hello);
    tcase_add_test(cases, a_cut_at_any_byte_changes_nothing);
    tcase_add_test(cases, pieces_of_any_size_change_nothing);
    tcase_add_test(cases, records_of_any_size_change_nothing);
    tcase_add_test(cases, the_directions_do_not_disturb_each_other);
    return run_suite(cases, "wire/split");
}
