/* summary: which events are counted together, and that none is lost, whatever there is room for. */
#include "../suite.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/summary.h"
#include "base/process.h"

enum { SECOND = 1000000000 };

static struct policy policy = {
    .log_handshakes = POLICY_LOG_HANDSHAKES_SUMMARY, .log_repeats = 3, .log_interval_ms = 60000};

static void start(void)
{
    ck_assert_int_eq(process_start(), 0);
    summary_start(&policy);
}

static enum summary_answer add_handshake(const char *role, const char *peer, const char *group)
{
    const struct audit_field fields[] = {AUDIT_S("role", role),    AUDIT_S("local", "192.0.2.1:443"),
                                         AUDIT_S("peer", peer),    AUDIT_S("server_name", "example.org"),
                                         AUDIT_S("group", group),  AUDIT_S("nothing", NULL),
                                         AUDIT_B("resumed", false)};
    return summary_add("handshake", fields, sizeof fields / sizeof fields[0], SECOND);
}

/* What a key says, as "event name=value ...". */
static const char *words_of(const struct summary_count *counted)
{
    static char text[1024];
    struct audit_field fields[SUMMARY_FIELDS_MAX];
    const char *event;
    const size_t count = summary_key_read(&counted->key, &event, fields);
    size_t used = (size_t)snprintf(text, sizeof text, "%s", event);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %s=%s", fields[i].key,
                                 fields[i].type == AUDIT_STRING ? fields[i].value.string
                                 : fields[i].value.boolean      ? "true"
                                                                : "false");
    return text;
}

/* All counts together. */
static unsigned long take_all(void)
{
    struct summary_count taken;
    unsigned long sum = 0;
    while (summary_take(&taken, true))
        sum += (unsigned long)taken.count;
    return sum;
}

START_TEST(the_first_of_a_kind_is_written_and_the_others_are_counted)
{
    struct summary_count taken;
    start();
    ck_assert_int_eq(add_handshake("server", "198.51.100.7:40001", "x25519"), SUMMARY_WRITE);
    ck_assert_int_eq(add_handshake("server", "198.51.100.99:2", "x25519"), SUMMARY_COUNTED);
    ck_assert_int_eq(add_handshake("server", "198.51.100.7:3", "x25519"), SUMMARY_COUNTED);
    ck_assert_int_eq(add_handshake("server", "198.51.101.7:4", "x25519"), SUMMARY_WRITE); /* another network */
    ck_assert_int_eq(add_handshake("server", "198.51.100.7:5", "P-256"), SUMMARY_WRITE);  /* another group */
    ck_assert(summary_take(&taken, false));
    ck_assert_uint_eq(taken.count, 2);
    ck_assert_int_eq(taken.since_ns, SECOND);
    ck_assert_int_eq(taken.last_ns, SECOND);
    ck_assert_str_eq(words_of(&taken), "handshake role=server local=192.0.2.1:443 network=198.51.100.0/24 "
                                       "group=x25519 resumed=false");
    ck_assert(!summary_take(&taken, false));
}
END_TEST

START_TEST(a_client_counts_by_server_and_name_and_not_by_its_own_port)
{
    struct summary_count taken;
    start();
    ck_assert_int_eq(add_handshake("client", "198.51.100.7:443", "x25519"), SUMMARY_WRITE);
    ck_assert_int_eq(add_handshake("client", "198.51.100.8:443", "x25519"), SUMMARY_WRITE);
    ck_assert_int_eq(add_handshake("client", "198.51.100.7:443", "x25519"), SUMMARY_COUNTED);
    ck_assert(summary_take(&taken, false));
    ck_assert_str_eq(words_of(&taken), "handshake role=client peer=198.51.100.7:443 server_name=example.org "
                                       "group=x25519 resumed=false");
}
END_TEST

START_TEST(networks_of_ipv6_have_48_bits_and_mapped_addresses_are_ipv4)
{
    static const char *const pairs[][2] = {
        {"[2001:db8:1:2:3:4:5:6]:443", "network=2001:db8:1::/48"},
        {"[::1]:1", "network=::/48"},
        {"[2001:0:5::1]:1", "network=2001:0:5::/48"},
        {"[0:5::1]:1", "network=0:5::/48"},
        {"[::ffff:192.0.2.77]:9", "network=192.0.2.0/24"},
        {"unix", "peer=unix"},
        {"[not an address]:1", "peer=[not an address]:1"},
        {"255.255.255.255:65535", "network=255.255.255.0/24"},
    };
    struct summary_count taken;
    start();
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        ck_assert_int_eq(add_handshake("server", pairs[i][0], "g"), SUMMARY_WRITE);
        ck_assert_int_eq(add_handshake("server", pairs[i][0], "g"), SUMMARY_COUNTED);
        ck_assert(summary_take(&taken, false));
        ck_assert_msg(strstr(words_of(&taken), pairs[i][1]) != NULL, "%s in %s", pairs[i][1], words_of(&taken));
    }
}
END_TEST

START_TEST(each_reason_has_lines_of_its_own_and_other_events_are_always_written)
{
    start();
    for (int reason = 0; reason < 5; reason++)
        for (unsigned i = 0; i < 10; i++) {
            char text[16];
            (void)snprintf(text, sizeof text, "reason %d", reason);
            const struct audit_field fields[] = {AUDIT_S("reason", text), AUDIT_S("rule", "tls")};
            ck_assert_int_eq(summary_add("refused", fields, 2, SECOND),
                             i < policy.log_repeats ? SUMMARY_WRITE : SUMMARY_COUNTED);
            ck_assert_int_eq(summary_add("policy", fields, 2, SECOND), SUMMARY_WRITE);
            ck_assert_int_eq(summary_add("opened", fields, 2, SECOND), SUMMARY_WRITE);
            ck_assert_int_eq(summary_add("closed", fields, 2, SECOND), SUMMARY_WRITE);
        }
    ck_assert_uint_eq(take_all(), 5 * 7);
}
END_TEST

/* What comes after the table is full loses its peer, not its reason; and nothing is lost. */
START_TEST(more_peers_than_there_is_room_for_are_counted_without_them)
{
    enum { PEERS = 5000, TIMES = 3 };
    unsigned long written = 0;
    char peer[32];
    start();
    for (int time = 0; time < TIMES; time++)
        for (int i = 0; i < PEERS; i++) {
            (void)snprintf(peer, sizeof peer, "10.%d.%d.1:5", i / 250, i % 250);
            written += add_handshake("server", peer, i % 2 == 0 ? "x25519" : "P-256") == SUMMARY_WRITE;
        }
    ck_assert_uint_le(written, 256 + 2);
    ck_assert_uint_eq(written + take_all(), TIMES * PEERS);
}
END_TEST

/* Also of texts that the table has no room for: these are written. */
START_TEST(nothing_is_lost_if_the_kinds_are_endless_or_too_long)
{
    static char name[SUMMARY_KEY_MAX + 1];
    unsigned long written = 0;
    start();
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(name, sizeof name, "a group %d", i);
        written += add_handshake("server", "10.0.0.1:1", name) == SUMMARY_WRITE;
    }
    ck_assert_uint_eq(written, 2000);
    memset(name, 'x', sizeof name - 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(add_handshake("server", "10.0.0.1:1", name), SUMMARY_WRITE);
    ck_assert_uint_eq(take_all(), 0);
}
END_TEST

START_TEST(a_new_interval_forgets_kinds_without_events_and_keeps_counts)
{
    start();
    ck_assert_int_eq(add_handshake("server", "10.0.0.1:1", "a"), SUMMARY_WRITE);
    ck_assert_int_eq(add_handshake("server", "10.0.1.1:1", "b"), SUMMARY_WRITE);
    ck_assert_int_eq(add_handshake("server", "10.0.1.1:1", "b"), SUMMARY_COUNTED);
    summary_begin_interval();
    ck_assert_int_eq(add_handshake("server", "10.0.0.1:1", "a"), SUMMARY_WRITE);
    ck_assert_int_eq(add_handshake("server", "10.0.1.1:1", "b"), SUMMARY_COUNTED);
    ck_assert_uint_eq(take_all(), 2);
}
END_TEST

START_TEST(a_child_of_a_fork_begins_with_nothing)
{
    int status;
    start();
    (void)add_handshake("server", "10.0.0.1:1", "a");
    (void)add_handshake("server", "10.0.0.1:1", "a");
    const pid_t child = fork();
    if (child == 0) {
        const bool is_first = add_handshake("server", "10.0.0.1:1", "a") == SUMMARY_WRITE;
        (void)add_handshake("server", "10.0.0.1:1", "a");
        _exit(is_first && take_all() == 1 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(take_all(), 1);
}
END_TEST

enum { THREADS = 4, ADDED = 20000 };

static atomic_ulong lines;

static void *add_many(void *argument)
{
    (void)argument;
    for (int i = 0; i < ADDED; i++)
        if (add_handshake("server", i % 2 == 0 ? "10.0.0.1:1" : "10.0.1.1:1", "a") == SUMMARY_WRITE)
            atomic_fetch_add(&lines, 1);
    return NULL;
}

static void add_in_handler(int number)
{
    (void)number;
    if (add_handshake("server", "10.0.2.1:1", "a") == SUMMARY_WRITE)
        atomic_fetch_add(&lines, 1);
}

START_TEST(threads_and_signal_handlers_lose_nothing)
{
    pthread_t threads[THREADS];
    unsigned long sum = 0;
    enum { SIGNALS = 500 };
    start();
    (void)signal(SIGUSR1, add_in_handler);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    for (int i = 0; i < SIGNALS; i++) {
        struct summary_count taken;
        (void)raise(SIGUSR1);
        while (summary_take(&taken, false))
            sum += (unsigned long)taken.count;
        summary_begin_interval();
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(sum + take_all() + atomic_load(&lines), THREADS * ADDED + SIGNALS);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("summary");
    tcase_add_test(cases, the_first_of_a_kind_is_written_and_the_others_are_counted);
    tcase_add_test(cases, a_client_counts_by_server_and_name_and_not_by_its_own_port);
    tcase_add_test(cases, networks_of_ipv6_have_48_bits_and_mapped_addresses_are_ipv4);
    tcase_add_test(cases, each_reason_has_lines_of_its_own_and_other_events_are_always_written);
    tcase_add_test(cases, more_peers_than_there_is_room_for_are_counted_without_them);
    tcase_add_test(cases, nothing_is_lost_if_the_kinds_are_endless_or_too_long);
    tcase_add_test(cases, a_new_interval_forgets_kinds_without_events_and_keeps_counts);
    tcase_add_test(cases, a_child_of_a_fork_begins_with_nothing);
    tcase_add_test(cases, threads_and_signal_handlers_lose_nothing);
    return run_suite(cases, "summary");
}
