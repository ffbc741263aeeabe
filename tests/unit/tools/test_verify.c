/* verify: what a log with chains may do to the verifier, whatever is in it. */
#include "../suite.h"

#include <stdio.h>
#include <string.h>

#include "../../../tools/report/verify.h"

static struct verifier verifier;
static const uint8_t master[CHAIN_KEY_BYTES] = "the key of a file, in 32 bytes.";
static char problem[VERIFY_PROBLEM];
static const struct verify_place place = {.path = "log", .program = "p", .pid = "1", .line = 1};

static void start(void)
{
    ck_assert(verifier_start(&verifier, master));
}

/* Makes the line `seq` of a chain of a root, or of one step below it after `forks` forks. */
static const char *make_line(const char *root, const char *step, unsigned forks, unsigned long long seq)
{
    static char line[512];
    uint8_t key[CHAIN_KEY_BYTES], mac[CHAIN_MAC_BYTES];
    char hex[2 * CHAIN_MAC_BYTES + 1];
    if (step[0] != '\0') {
        chain_key_derive(key, master, CHAIN_FORK_LABEL, root, strlen(root));
        for (unsigned i = 0; i < forks; i++)
            chain_key_next(key, key);
        chain_key_derive(key, key, CHAIN_LINE_LABEL, step, strlen(step));
    } else {
        chain_key_derive(key, master, CHAIN_LINE_LABEL, root, strlen(root));
    }
    for (unsigned long long i = 0; i < seq; i++)
        chain_key_next(key, key);
    const int length =
        snprintf(line, sizeof line, "{\"event\":\"x\",\"chain\":\"%s%s\",\"seq\":%llu", root, step, seq);
    chain_mac(mac, key, line, (size_t)length);
    (void)sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    (void)snprintf(line + length, sizeof line - (size_t)length, ",\"mac\":\"%s\"}", hex);
    return line;
}

static bool add(const char *line)
{
    problem[0] = '\0';
    return verifier_add(&verifier, line, strlen(line), &place, problem);
}

#define ROOT "0123456789abcdef"

START_TEST(lines_in_their_order_are_right_and_those_of_children_too)
{
    start();
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_msg(add(make_line(ROOT, "", 0, i)), "%s", problem);
        ck_assert_msg(add(make_line(ROOT, "/7.aabbccdd", 7, i)), "%s", problem);
        ck_assert_msg(add(make_line(ROOT, "/0.aabbccdd", 0, i)), "%s", problem);
    }
    ck_assert_uint_eq(verifier.verified, 150);
    ck_assert_uint_eq(verifier.chains, 3);
    verifier_wipe(&verifier);
}
END_TEST

START_TEST(lines_that_come_late_fill_what_was_missing)
{
    start();
    ck_assert(add(make_line(ROOT, "", 0, 0)));
    ck_assert(!add(make_line(ROOT, "", 0, 9)));
    ck_assert_ptr_nonnull(strstr(problem, "after a gap of 8: it is number 9 of chain"));
    static const unsigned order[] = {4, 1, 8, 2, 3, 7, 5, 6};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        ck_assert(!add(make_line(ROOT, "", 0, order[i])));
        ck_assert_ptr_nonnull(strstr(problem, "out of place"));
    }
    ck_assert_uint_eq(verifier.verified, 10);
    ck_assert(!add(make_line(ROOT, "", 0, 5))); /* once more: repeated */
    ck_assert_uint_eq(verifier.verified, 10);
    ck_assert(add(make_line(ROOT, "", 0, 10)));
    verifier_wipe(&verifier);
}
END_TEST

START_TEST(fields_that_are_none_of_a_chain_are_refused)
{
    static const char *const wrong[] = {
        "",
        "}",
        "\"}",
        "{}",
        "{\"mac\":\"00000000000000000000000000000000\"}",
        "{\"a\":1,\"mac\":\"00000000000000000000000000000000\"}",
        "{\"chain\":\"" ROOT "\",\"seq\":0,\"mac\":\"00000000000000000000000000000000\"}", /* no comma before it */
        "{\"a\":1,\"chain\":\"\",\"seq\":0,\"mac\":\"00000000000000000000000000000000\"}",
        "{\"a\":1,\"chain\":\"" ROOT "\",\"seq\":,\"mac\":\"00000000000000000000000000000000\"}",
        "{\"a\":1,\"chain\":\"" ROOT "\",\"seq\":00,\"mac\":\"00000000000000000000000000000000\"}",
        "{\"a\":1,\"chain\":\"" ROOT "\",\"seq\":-1,\"mac\":\"00000000000000000000000000000000\"}",
        "{\"a\":1,\"chain\":\"" ROOT
        "\",\"seq\":99999999999999999999,\"mac\":\"00000000000000000000000000000000\"}",
        "{\"a\":1,\"chain\":\"" ROOT "\",\"seq\":0,\"mac\":\"0000000000000000000000000000000G\"}",
        "{\"a\":1,\"chain\":\"" ROOT "\",\"seq\":0,\"mac\":\"0000000000000000000000000000000\"}",
    };
    start();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert(!add(wrong[i]));
        ck_assert_msg(strstr(problem, "is in no chain") != NULL, "%s: %s", wrong[i], problem);
    }
    ck_assert_uint_eq(verifier.chains, 0);
    verifier_wipe(&verifier);
}
END_TEST

START_TEST(names_that_no_process_has_are_refused)
{
    static const char *const names[] = {"0",
                                        "0123456789abcdeF",
                                        ROOT "0",
                                        ROOT "/",
                                        ROOT "/.aabbccdd",
                                        ROOT "/01.aabbccdd",
                                        ROOT "/1048576.aabbccdd",
                                        ROOT "/99999999.aabbccdd",
                                        ROOT "/1.aabbccd",
                                        ROOT "/1.aabbccddd",
                                        ROOT "/1.aabbccdd/",
                                        "\xff"};
    char line[512];
    start();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(line, sizeof line,
                       "{\"a\":1,\"chain\":\"%s\",\"seq\":0,\"mac\":\"00000000000000000000000000000000\"}",
                       names[i]);
        ck_assert(!add(line));
        ck_assert_msg(strstr(problem, "cannot be") != NULL, "%s: %s", names[i], problem);
    }
    ck_assert_uint_eq(verifier.chains, 0);
    verifier_wipe(&verifier);
}
END_TEST

/* Numbers far ahead and forks without end cost a bounded time, and honest lines are verified afterwards. */
START_TEST(a_log_cannot_make_the_verifier_work_without_end)
{
    char line[512];
    start();
    verifier.work = 100000;
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof line,
                       "{\"a\":1,\"chain\":\"" ROOT "\",\"seq\":%u000000000000,\"mac\":"
                       "\"00000000000000000000000000000000\"}",
                       i + 1);
        ck_assert(!add(line));
        (void)snprintf(line, sizeof line,
                       "{\"a\":1,\"chain\":\"%016x/%u.aabbccdd\",\"seq\":0,\"mac\":"
                       "\"00000000000000000000000000000000\"}",
                       i, 1000000 - i);
        ck_assert(!add(line));
    }
    for (unsigned i = 0; i < 5; i++)
        ck_assert_msg(add(make_line(ROOT, "", 0, i)), "%s", problem);
    verifier_wipe(&verifier);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("verify");
    tcase_add_test(cases, lines_in_their_order_are_right_and_those_of_children_too);
    tcase_add_test(cases, lines_that_come_late_fill_what_was_missing);
    tcase_add_test(cases, fields_that_are_none_of_a_chain_are_refused);
    tcase_add_test(cases, names_that_no_process_has_are_refused);
    tcase_add_test(cases, a_log_cannot_make_the_verifier_work_without_end);
    return run_suite(cases, "verify");
}
