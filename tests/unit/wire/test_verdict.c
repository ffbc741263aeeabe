/*
 * The reader's verdicts: for each kind of handshake, plaintext and garbage, in either role, and what is kept for
 * the log.
 */
#include "conversation.h"
#include "../suite.h"

static struct conversation talk;
static struct wire wire;
static const uint16_t tls13[] = {0x0a0a, 0x0304, 0x0303, 0};

/* The outcome of `talk`, fed whole; and byte by byte, which must be the same. */
static struct outcome judge(const struct wire_config *config)
{
    struct outcome slow = converse(&wire, config, &talk, 1, 0);
    struct outcome whole = converse(&wire, config, &talk, SIZE_MAX, 0);
    ck_assert_int_eq(slow.verdict, whole.verdict);
    ck_assert_int_eq(slow.reason, whole.reason);
    talk.count = 0;
    return whole;
}

static void expect_weak(const struct wire_config *config, enum wire_reason reason)
{
    struct outcome outcome = judge(config);
    ck_assert_int_eq(outcome.verdict, WIRE_WEAK);
    ck_assert_str_eq(wire_reason_words(outcome.reason), wire_reason_words(reason));
}

static void expect_pfs(const struct wire_config *config)
{
    ck_assert_int_eq(judge(config).verdict, WIRE_PFS);
}

static void handshake(enum wire_direction client, struct client_hello offer, struct server_hello choice)
{
    say_client_hello(&talk, client, offer, 16384);
    say_server_hello(&talk, other(client), choice, 16384);
}

static const struct client_hello modern = {.versions = tls13, .server_name = "example.org", .protocol = "h2"};
static const struct server_hello good = {.version = 0x0304, .suite = 0x1302, .group = 29};

static struct wire_config lenient(void)
{
    struct wire_config config = strict;
    config.min_version = 0x0303;
    return config;
}

START_TEST(tls13_with_a_key_share_has_forward_secrecy_in_either_role)
{
    for (enum wire_direction client = WIRE_OUT; client <= WIRE_IN; client++) {
        handshake(client, modern, good);
        expect_pfs(&strict);
        ck_assert_int_eq(wire.client, client);
    }
}
END_TEST

START_TEST(the_log_gets_what_was_offered_and_chosen)
{
    handshake(WIRE_OUT, modern, good);
    expect_pfs(&strict);
    ck_assert_str_eq(wire.offer.server_name, "example.org");
    ck_assert_str_eq(wire.offer.protocols, "h2,http/1.1");
    ck_assert_uint_eq(wire.offer.version_count, 3);
    ck_assert_uint_eq(wire.offer.versions[1], 0x0304);
    ck_assert_uint_eq(wire.offer.group_count, 2);
    ck_assert_uint_eq(wire.offer.groups[0], 29);
    ck_assert_uint_eq(wire.offer.suite_count, 4);
    ck_assert_uint_eq(wire.offer.suites[3], 0xc02f);
    ck_assert(wire.choice.is_known);
    ck_assert_uint_eq(wire.choice.version, 0x0304);
    ck_assert_uint_eq(wire.choice.group, 29);
    ck_assert_uint_eq(wire.choice.suite, 0x1302);
    ck_assert(!wire.choice.preshared_key);
}
END_TEST

START_TEST(names_and_lists_that_are_too_long_are_cut)
{
    char name[300];
    uint16_t many[200] = {0};
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i + 1 < sizeof many / sizeof many[0]; i++)
        many[i] = (uint16_t)(0x1000 + i);
    handshake(WIRE_OUT,
              (struct client_hello){
                  .versions = tls13, .server_name = name, .protocol = name + 60, .suites = many, .groups = many},
              good);
    expect_pfs(&strict);
    ck_assert_uint_eq(strlen(wire.offer.server_name), WIRE_NAME_MAX - 1);
    ck_assert_uint_eq(strlen(wire.offer.protocols), WIRE_PROTOCOLS_MAX - 1);
    ck_assert_uint_eq(wire.offer.suite_count, WIRE_SUITES_MAX);
    ck_assert_uint_eq(wire.offer.group_count, WIRE_GROUPS_MAX);
}
END_TEST

START_TEST(tls12_is_weak_where_tls13_is_the_minimum)
{
    handshake(WIRE_OUT, modern, (struct server_hello){.suite = 0xc02f});
    expect_weak(&strict, WIRE_REASON_VERSION);
    ck_assert_uint_eq(wire.choice.version, 0x0303);
    ck_assert_uint_eq(wire.choice.suite, 0xc02f);
    handshake(WIRE_IN, (struct client_hello){0}, (struct server_hello){.suite = 0xc02f, .no_extensions = true});
    expect_weak(&strict, WIRE_REASON_VERSION);
}
END_TEST

START_TEST(older_and_unknown_versions_are_weak_under_every_minimum)
{
    struct wire_config config = lenient();
    static const unsigned legacy[] = {0x0300, 0x0301, 0x0302, 0x0304};
    for (size_t i = 0; i < sizeof legacy / sizeof legacy[0]; i++) {
        handshake(WIRE_OUT, modern, (struct server_hello){.suite = 0xc02f, .legacy_version = legacy[i]});
        if (legacy[i] == 0x0304)
            expect_weak(&config, WIRE_REASON_SUITE);
        else
            expect_weak(&config, WIRE_REASON_VERSION);
    }
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x7f1c, .suite = 0x1302, .group = 29});
    expect_weak(&config, WIRE_REASON_VERSION);
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0305, .suite = 0x1302, .group = 29});
    expect_weak(&config, WIRE_REASON_VERSION);
}
END_TEST

START_TEST(a_preshared_key_without_a_key_share_is_weak)
{
    handshake(WIRE_OUT, (struct client_hello){.versions = tls13, .preshared_key = true},
              (struct server_hello){.version = 0x0304, .suite = 0x1301, .preshared_key = true});
    expect_weak(&strict, WIRE_REASON_NO_KEY_SHARE);
}
END_TEST

START_TEST(a_resumption_with_a_key_share_follows_the_configuration)
{
    struct wire_config config = strict;
    struct server_hello resumed = {.version = 0x0304, .suite = 0x1301, .group = 29, .preshared_key = true};
    handshake(WIRE_OUT, (struct client_hello){.versions = tls13, .preshared_key = true}, resumed);
    expect_pfs(&config);
    ck_assert(wire.choice.preshared_key);
    config.refuse_resumption = true;
    handshake(WIRE_OUT, (struct client_hello){.versions = tls13, .preshared_key = true}, resumed);
    expect_weak(&config, WIRE_REASON_RESUMED);
}
END_TEST

START_TEST(groups_and_suites_outside_the_configuration_are_weak)
{
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0304, .suite = 0x1302, .group = 256});
    expect_weak(&strict, WIRE_REASON_GROUP);
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0304, .suite = 0x1302, .group = 25});
    expect_weak(&strict, WIRE_REASON_GROUP);
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0304, .suite = 0x1304, .group = 29});
    expect_weak(&strict, WIRE_REASON_SUITE);
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0304, .suite = 0xc0b4, .group = 29});
    expect_weak(&strict, WIRE_REASON_SUITE); /* integrity only */
}
END_TEST

START_TEST(an_own_client_that_offers_early_data_is_cut_with_its_hello)
{
    say_client_hello(&talk, WIRE_OUT,
                     (struct client_hello){.versions = tls13, .early_data = true, .preshared_key = true}, 16384);
    expect_weak(&strict, WIRE_REASON_EARLY_DATA);
}
END_TEST

START_TEST(early_data_from_a_client_is_weak_only_if_it_can_have_been_accepted)
{
    struct client_hello eager = {.versions = tls13, .early_data = true, .preshared_key = true};
    struct server_hello choice = {.version = 0x0304, .suite = 0x1302, .group = 29};
    static struct bytes data;

    for (int accepts = 0; accepts <= 1; accepts++) {
        struct bytes *turn;
        say_client_hello(&talk, WIRE_IN, eager, 16384);
        turn = &talk.turns[0].bytes;
        put(turn, "\24\3\3\0\1\1", 6);
        data.length = 0;
        put_filling(&data, 0xdd, 500);
        put_records(turn, 23, &data, 100);
        choice.preshared_key = accepts;
        say_server_hello(&talk, WIRE_OUT, choice, 16384);
        if (accepts)
            expect_weak(&strict, WIRE_REASON_EARLY_DATA);
        else
            expect_pfs(&strict);
    }
    /* With another key than the first, or after a retry, it is refused in any case. */
    choice.preshared_key = true;
    choice.identity = 1;
    handshake(WIRE_IN, eager, choice);
    expect_pfs(&strict);
}
END_TEST

START_TEST(a_retry_leads_to_a_verdict)
{
    struct server_hello retry = {.is_retry = true, .version = 0x0304, .suite = 0x1302, .group = 23};
    handshake(WIRE_OUT, modern, retry);
    ck_assert_int_eq(judge(&strict).verdict, WIRE_UNDECIDED);
    handshake(WIRE_OUT, modern, retry);
    put(add_turn(&talk, WIRE_OUT), "\24\3\3\0\1\1", 6);
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0304, .suite = 0x1302, .group = 23});
    expect_pfs(&strict);
    ck_assert(wire.is_retried);
    handshake(WIRE_OUT, modern, retry);
    handshake(WIRE_OUT, modern, (struct server_hello){.suite = 0xc02f});
    expect_weak(&strict, WIRE_REASON_VERSION);
}
END_TEST

START_TEST(a_retry_to_a_group_that_is_not_allowed_is_weak_at_once)
{
    handshake(WIRE_OUT, modern,
              (struct server_hello){.is_retry = true, .version = 0x0304, .suite = 0x1302, .group = 257});
    expect_weak(&strict, WIRE_REASON_GROUP);
    handshake(WIRE_OUT, modern, (struct server_hello){.is_retry = true, .suite = 0x1302, .group = 23});
    expect_weak(&strict, WIRE_REASON_VERSION);
    /* A retry that only sends a cookie chooses no group. */
    handshake(WIRE_OUT, modern, (struct server_hello){.is_retry = true, .version = 0x0304, .suite = 0x1302});
    ck_assert_int_eq(judge(&strict).verdict, WIRE_UNDECIDED);
}
END_TEST

START_TEST(a_second_retry_is_malformed)
{
    struct server_hello retry = {.is_retry = true, .version = 0x0304, .suite = 0x1302, .group = 23};
    handshake(WIRE_OUT, modern, retry);
    handshake(WIRE_OUT, modern, retry);
    expect_weak(&strict, WIRE_REASON_UNEXPECTED);
}
END_TEST

/* A server's turn in TLS 1.2: hello, certificate, and if `curve` is not 0 a key exchange; then `last`. */
static void say_tls12_flight(unsigned suite, unsigned curve, const char *hint, const char *last, size_t last_length,
                             size_t record)
{
    static struct bytes messages, body;
    struct bytes *turn = add_turn(&talk, WIRE_IN);
    messages.length = body.length = 0;
    put_server_hello(&messages, (struct server_hello){.suite = suite});
    put_filling(&body, 0x30, 3000);
    if (curve != 0)
        put_message(&messages, 11, &body);
    body.length = 0;
    if (hint != NULL) {
        put16(&body, (unsigned)strlen(hint));
        put_text(&body, hint);
    }
    put8(&body, curve == 0xffff ? 1 : 3);
    put16(&body, curve);
    put_filling(&body, 0x41, 100);
    if (curve != 0)
        put_message(&messages, 12, &body);
    put_records(turn, 22, &messages, record);
    put(turn, last, last_length);
}

START_TEST(tls12_with_ecdhe_and_aead_passes_where_it_is_allowed)
{
    struct wire_config config = lenient();
    static const size_t records[] = {16384, 100, 1};
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
        say_tls12_flight(0xc02f, 29, NULL, "\26\3\3\0\4\16\0\0", 9, records[i]);
        expect_pfs(&config);
        ck_assert_uint_eq(wire.choice.group, 29);
    }
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xd001, 23, "a hint", "", 0, 16384);
    expect_pfs(&config);
    ck_assert_uint_eq(wire.choice.group, 23);
}
END_TEST

START_TEST(tls12_suites_without_ecdhe_or_aead_are_weak)
{
    struct wire_config config = lenient();
    static const unsigned suites[] = {0x009c, 0x002f, 0x009e, 0xc013, 0xc027, 0xc004, 0x00a6, 0xc010, 0x00a8};
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
        say_tls12_flight(suites[i], 29, NULL, "", 0, 16384);
        expect_weak(&config, WIRE_REASON_SUITE);
    }
}
END_TEST

START_TEST(tls12_with_a_group_that_is_not_allowed_is_weak)
{
    struct wire_config config = lenient();
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xc02f, 21, NULL, "", 0, 16384);
    expect_weak(&config, WIRE_REASON_GROUP);
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xc02f, 0xffff, NULL, "", 0, 16384); /* an explicit curve */
    expect_weak(&config, WIRE_REASON_GROUP);
}
END_TEST

START_TEST(tls12_resumption_is_weak_where_tls12_is_allowed)
{
    struct wire_config config = lenient();
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xc02f, 0, NULL, "\24\3\3\0\1\1", 6, 16384);
    expect_weak(&config, WIRE_REASON_RESUMED);
    /* with a new ticket first */
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xc02f, 0, NULL, "\26\3\3\0\7\4\0\0\3abc\24\3\3\0\1\1", 18, 16384);
    expect_weak(&config, WIRE_REASON_RESUMED);
}
END_TEST

START_TEST(a_tls12_server_that_ends_its_turn_without_a_key_exchange_is_weak)
{
    struct wire_config config = lenient();
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xc02f, 0, NULL, "\26\3\3\0\4\16\0\0\0", 9, 16384);
    expect_weak(&config, WIRE_REASON_UNEXPECTED);
}
END_TEST

START_TEST(an_sslv2_hello_is_weak)
{
    struct bytes *turn = add_turn(&talk, WIRE_OUT);
    put16(turn, 0x8000 | (9 + 6 + 16));
    put(turn, "\1\3\1\0\6\0\0\0\20", 9);
    put_filling(turn, 0x2f, 6 + 16);
    expect_weak(&strict, WIRE_REASON_SSLV2);
    ck_assert_int_eq(wire.client, WIRE_OUT);
    turn = add_turn(&talk, WIRE_IN);
    put16(turn, 0x8000 | (9 + 3 + 16 + 32));
    put(turn, "\1\0\2\0\3\0\20\0\40", 9);
    put_filling(turn, 0x2f, 3 + 16 + 32);
    expect_weak(&strict, WIRE_REASON_SSLV2);
}
END_TEST

START_TEST(plaintext_is_detected_at_its_first_byte_where_none_may_pass)
{
    static const char *const texts[] = {"GET / HTTP/1.0\r\n\r\n", "220 mail.example.org ESMTP\r\n", "SSH-2.0-x\r\n",
                                        "\200\1\2", "\26a"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (enum wire_direction direction = WIRE_OUT; direction <= WIRE_IN; direction++) {
            say(&talk, direction, texts[i]);
            struct outcome outcome = judge(&strict);
            ck_assert_int_eq(outcome.verdict, WIRE_PLAINTEXT);
            say(&talk, direction, texts[i]);
            ck_assert_uint_le(converse(&wire, &strict, &talk, 1, 0).bytes, 3);
            talk.count = 0;
            ck_assert(wire_is_plain(&wire) && !wire_is_tls(&wire));
        }
}
END_TEST

START_TEST(a_plain_answer_to_a_hello_is_plaintext)
{
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    say(&talk, WIRE_IN, "HTTP/1.1 400 Bad Request\r\n\r\n");
    ck_assert_int_eq(judge(&strict).verdict, WIRE_PLAINTEXT);
}
END_TEST

static struct wire_config with_starttls(void)
{
    struct wire_config config = strict;
    config.plaintext_max = 4096;
    return config;
}

START_TEST(tls_after_plaintext_is_inspected_as_tls)
{
    struct wire_config config = with_starttls();
    static const struct server_hello choices[] = {
        {.version = 0x0304, .suite = 0x1302, .group = 29},
        {.suite = 0xc02f},
    };
    for (int i = 0; i < 2; i++) {
        say(&talk, WIRE_IN, "220 mail.example.org ESMTP\r\n");
        say(&talk, WIRE_OUT, "EHLO client\r\n");
        say(&talk, WIRE_IN, "250-mail\r\n250 STARTTLS\r\n");
        say(&talk, WIRE_OUT, "STARTTLS\r\n");
        say(&talk, WIRE_IN, "220 go ahead\r\n");
        handshake(WIRE_OUT, modern, choices[i]);
        if (i == 0)
            expect_pfs(&config);
        else
            expect_weak(&config, WIRE_REASON_VERSION);
        ck_assert(wire_is_plain(&wire));
    }
}
END_TEST

START_TEST(a_hello_right_after_plaintext_is_found)
{
    struct wire_config config = with_starttls();
    static struct bytes message;
    static const char request[] = "\0\0\0\10\4\322\26/"; /* PostgreSQL's SSLRequest, with a 0x16 in it */
    struct bytes *turn = add_turn(&talk, WIRE_OUT);
    message.length = 0;
    put(turn, request, 8);
    put(turn, "\26\3\26\3\3\26\3\2\0", 9); /* the beginning of a record, again and again */
    put_client_hello(&message, modern);
    put_records(turn, 22, &message, 16384);
    say(&talk, WIRE_IN, "S");
    say_server_hello(&talk, WIRE_IN, good, 16384);
    expect_pfs(&config);
    ck_assert_uint_eq(wire.streams[WIRE_OUT].plain, 17);
    ck_assert_uint_eq(wire.streams[WIRE_IN].plain, 1);
}
END_TEST

START_TEST(plaintext_beyond_its_bound_is_a_verdict_and_at_the_bound_it_is_not)
{
    struct wire_config config = with_starttls();
    for (int over = 0; over <= 1; over++) {
        put_filling(add_turn(&talk, WIRE_OUT), 'x', 4096U + (unsigned)over);
        put_filling(add_turn(&talk, WIRE_IN), 'y', 4096);
        ck_assert_int_eq(judge(&config).verdict, over ? WIRE_PLAINTEXT : WIRE_UNDECIDED);
    }
    put_filling(add_turn(&talk, WIRE_OUT), 'x', 4096);
    put_filling(add_turn(&talk, WIRE_IN), 'y', 4096);
    handshake(WIRE_OUT, modern, good);
    expect_pfs(&config);
}
END_TEST

START_TEST(an_alert_before_any_hello_is_not_plaintext)
{
    put(add_turn(&talk, WIRE_IN), "\25\3\3\0\2\2\106", 7);
    ck_assert_int_eq(judge(&strict).verdict, WIRE_UNDECIDED);
    ck_assert(wire.has_alert && wire.alert == 70 && !wire_is_plain(&wire));
    put(add_turn(&talk, WIRE_IN), "\25\3\3\0\2\2\106", 7);
    handshake(WIRE_OUT, modern, good);
    expect_pfs(&strict);
}
END_TEST

START_TEST(an_alert_in_place_of_a_server_hello_decides_nothing)
{
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    put(add_turn(&talk, WIRE_IN), "\25\3\3\0\2\2\50", 7);
    put(add_turn(&talk, WIRE_OUT), "\25\3\3\0\2\1\0", 7);
    ck_assert_int_eq(judge(&strict).verdict, WIRE_UNDECIDED);
    ck_assert(wire.has_alert);
}
END_TEST

START_TEST(application_data_before_a_server_hello_is_weak)
{
    for (enum wire_direction direction = WIRE_OUT; direction <= WIRE_IN; direction++) {
        say_client_hello(&talk, WIRE_OUT, modern, 16384);
        if (direction == WIRE_IN)
            put(add_turn(&talk, WIRE_IN), "\25\3\3\0\2\1\0", 7); /* the server's records have begun */
        put(add_turn(&talk, direction), "\27\3\3\0\5abcde", 10);
        struct outcome outcome = judge(&strict);
        if (direction == WIRE_OUT)
            ck_assert_int_eq(outcome.reason, WIRE_REASON_UNEXPECTED);
        else
            ck_assert_int_eq(outcome.verdict, WIRE_PLAINTEXT); /* no server begins like this */
    }
}
END_TEST

START_TEST(messages_from_the_wrong_side_or_out_of_turn_are_weak)
{
    static struct bytes message;
    handshake(WIRE_OUT, modern, good);
    talk.turns[1].direction = WIRE_OUT; /* the client answers itself */
    expect_weak(&strict, WIRE_REASON_UNEXPECTED);
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    expect_weak(&strict, WIRE_REASON_UNEXPECTED);
    message.length = 0;
    put_client_hello(&message, modern);
    put(&message, "\24\0\0\1x", 5); /* a Finished in the hello's record */
    put_records(add_turn(&talk, WIRE_OUT), 22, &message, 16384);
    expect_weak(&strict, WIRE_REASON_UNEXPECTED);
}
END_TEST

START_TEST(a_server_hello_with_repeated_extensions_is_malformed)
{
    handshake(WIRE_OUT, modern,
              (struct server_hello){.version = 0x0304, .suite = 0x1302, .group = 29, .two_shares = true});
    expect_weak(&strict, WIRE_REASON_MALFORMED);
}
END_TEST

/* A ServerHello in which byte `at` of the message is changed; and one that is longer or shorter than its length. */
START_TEST(contradictory_lengths_never_give_forward_secrecy)
{
    enum { SESSION_LENGTH = 4 + 2 + 32, EXTENSIONS_LENGTH = SESSION_LENGTH + 1 + 32 + 3 };
    static const size_t at[] = {1,
                                2,
                                3,
                                SESSION_LENGTH,
                                EXTENSIONS_LENGTH,
                                EXTENSIONS_LENGTH + 1,
                                EXTENSIONS_LENGTH + 4,
                                EXTENSIONS_LENGTH + 5};
    static struct bytes message;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        for (int change = -1; change <= 1; change += 2) {
            message.length = 0;
            put_server_hello(&message, good);
            message.at[at[i]] = (uint8_t)(message.at[at[i]] + change);
            say_client_hello(&talk, WIRE_OUT, modern, 16384);
            put_records(add_turn(&talk, WIRE_IN), 22, &message, 16384);
            ck_assert_int_ne(judge(&strict).verdict, WIRE_PFS);
        }
}
END_TEST

START_TEST(impossible_records_are_malformed)
{
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {
        {"\26\3\3\0\0", 5},   /* empty */
        {"\26\3\3\101\0", 5}, /* too long */
        {"\26\4\3\0\4", 5},   /* no version of TLS */
        {"\25\3\3\0\3", 5},   /* an alert of three bytes */
        {"\24\3\3\0\2", 5},   /* a change of cipher of two */
        {"\30\3\3\0\4", 5},   /* a heartbeat */
        {"HTTP/", 5},         /* plaintext in the client's records */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        say_client_hello(&talk, WIRE_OUT, modern, 16384);
        put(add_turn(&talk, WIRE_OUT), bad[i].bytes, bad[i].length);
        expect_weak(&strict, WIRE_REASON_MALFORMED);
    }
}
END_TEST

START_TEST(a_large_hello_in_many_records_is_read)
{
    static const size_t sizes[] = {16384, 1000, 100, 6, 5, 2};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct client_hello hello = modern;
        hello.padding = sizes[i] > 100 ? 17000 : 2000;
        say_client_hello(&talk, WIRE_OUT, hello, sizes[i]);
        say_server_hello(&talk, WIRE_IN, good, sizes[i]);
        expect_pfs(&strict);
        ck_assert_str_eq(wire.offer.server_name, "example.org");
    }
}
END_TEST

START_TEST(a_hello_longer_than_any_library_accepts_is_malformed)
{
    put(add_turn(&talk, WIRE_OUT), "\26\3\1\100\0\1\2\2\2\3\3", 11);
    expect_weak(&strict, WIRE_REASON_MALFORMED);
}
END_TEST

START_TEST(a_record_that_holds_two_messages_is_read)
{
    static struct bytes messages;
    struct wire_config config = lenient();
    messages.length = 0;
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    put_server_hello(&messages, good);
    put(&messages, "\10\0\0\2\0\0", 6); /* as if the next message were not encrypted */
    put_records(add_turn(&talk, WIRE_IN), 22, &messages, 16384);
    expect_pfs(&config);
}
END_TEST

START_TEST(a_copy_is_a_snapshot_that_can_be_restored)
{
    size_t passes;
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    say_server_hello(&talk, WIRE_IN, good, 16384);
    const struct bytes *hello = &talk.turns[0].bytes, *answer = &talk.turns[1].bytes;
    wire_init(&wire);
    for (size_t sent = 0; sent < hello->length;) {
        struct wire before = wire;
        wire_feed(&wire, &strict, WIRE_OUT, hello->at + sent, hello->length - sent, &passes);
        wire = before; /* the kernel took seven bytes of them */
        size_t taken = hello->length - sent < 7 ? hello->length - sent : 7;
        wire_feed(&wire, &strict, WIRE_OUT, hello->at + sent, taken, &passes);
        sent += taken;
    }
    ck_assert_int_eq(wire_feed(&wire, &strict, WIRE_IN, answer->at, answer->length, &passes), WIRE_PFS);
    talk.count = 0;
}
END_TEST

START_TEST(a_connections_state_is_small)
{
    ck_assert_uint_lt(sizeof(struct wire), 512);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("verdict");
    tcase_add_test(cases, tls13_with_a_key_share_has_forward_secrecy_in_either_role);
    tcase_add_test(cases, the_log_gets_what_was_offered_and_chosen);
    tcase_add_test(cases, names_and_lists_that_are_too_long_are_cut);
    tcase_add_test(cases, tls12_is_weak_where_tls13_is_the_minimum);
    tcase_add_test(cases, older_and_unknown_versions_are_weak_under_every_minimum);
    tcase_add_test(cases, a_preshared_key_without_a_key_share_is_weak);
    tcase_add_test(cases, a_resumption_with_a_key_share_follows_the_configuration);
    tcase_add_test(cases, groups_and_suites_outside_the_configuration_are_weak);
    tcase_add_test(cases, an_own_client_that_offers_early_data_is_cut_with_its_hello);
    tcase_add_test(cases, early_data_from_a_client_is_weak_only_if_it_can_have_been_accepted);
    tcase_add_test(cases, a_retry_leads_to_a_verdict);
    tcase_add_test(cases, a_retry_to_a_group_that_is_not_allowed_is_weak_at_once);
    tcase_add_test(cases, a_second_retry_is_malformed);
    tcase_add_test(cases, tls12_with_ecdhe_and_aead_passes_where_it_is_allowed);
    tcase_add_test(cases, tls12_suites_without_ecdhe_or_aead_are_weak);
    tcase_add_test(cases, tls12_with_a_group_that_is_not_allowed_is_weak);
    tcase_add_test(cases, tls12_resumption_is_weak_where_tls12_is_allowed);
    tcase_add_test(cases, a_tls12_server_that_ends_its_turn_without_a_key_exchange_is_weak);
    tcase_add_test(cases, an_sslv2_hello_is_weak);
    tcase_add_test(cases, plaintext_is_detected_at_its_first_byte_where_none_may_pass);
    tcase_add_test(cases, a_plain_answer_to_a_hello_is_plaintext);
    tcase_add_test(cases, tls_after_plaintext_is_inspected_as_tls);
    tcase_add_test(cases, a_hello_right_after_plaintext_is_found);
    tcase_add_test(cases, plaintext_beyond_its_bound_is_a_verdict_and_at_the_bound_it_is_not);
    tcase_add_test(cases, an_alert_before_any_hello_is_not_plaintext);
    tcase_add_test(cases, an_alert_in_place_of_a_server_hello_decides_nothing);
    tcase_add_test(cases, application_data_before_a_server_hello_is_weak);
    tcase_add_test(cases, messages_from_the_wrong_side_or_out_of_turn_are_weak);
    tcase_add_test(cases, a_server_hello_with_repeated_extensions_is_malformed);
    tcase_add_test(cases, contradictory_lengths_never_give_forward_secrecy);
    tcase_add_test(cases, impossible_records_are_malformed);
    tcase_add_test(cases, a_large_hello_in_many_records_is_read);
    tcase_add_test(cases, a_hello_longer_than_any_library_accepts_is_malformed);
    tcase_add_test(cases, a_record_that_holds_two_messages_is_read);
    tcase_add_test(cases, a_copy_is_a_snapshot_that_can_be_restored);
    tcase_add_test(cases, a_connections_state_is_small);
    return run_suite(cases, "wire/verdict");
}
