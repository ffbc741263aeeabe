/* chain: numbers and keys over lines, forks and interruptions. */
#include "../suite.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/chain_keys.h"
#include "base/process.h"
#include "base/raw_syscall.h"

static const uint8_t master[CHAIN_KEY_BYTES] = "a key of 32 bytes, as in a file";

static void start(void)
{
    ck_assert_int_eq(process_start(), 0);
    chain_start(master);
    ck_assert(chain_is_on());
}

/* Writes the line "{...}" and returns it without its newline; NULL: the chain is locked. */
static char *write_line(char line[512])
{
    memcpy(line, "{\"a\":1}\n", 9);
    if (!chain_begin())
        return NULL;
    const size_t length = chain_close_line(line, 8);
    chain_end(true);
    ck_assert_uint_le(length, 8 + CHAIN_ROOM);
    ck_assert_int_eq(line[length - 1], '\n');
    line[length - 1] = '\0';
    return line;
}

/* The value behind `name` in a line, up to a quote or a comma. */
static const char *value_of(const char *line, const char *name, char value[256])
{
    const char *const at = strstr(line, name);
    ck_assert_ptr_nonnull(at);
    const char *const from = at + strlen(name);
    const size_t length = strcspn(from, "\",");
    memcpy(value, from, length);
    value[length] = '\0';
    return value;
}

/* Whether the line has the MAC of this key. */
static bool has_mac(const char *line, const uint8_t key[CHAIN_KEY_BYTES])
{
    uint8_t mac[CHAIN_MAC_BYTES];
    char hex[2 * CHAIN_MAC_BYTES + 1], value[256];
    chain_mac(mac, key, line, (size_t)(strstr(line, ",\"mac\"") - line));
    (void)sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    return strcmp(value_of(line, "\"mac\":\"", value), hex) == 0;
}

START_TEST(each_line_has_the_next_number_and_the_next_key)
{
    char line[512], name[256], value[256], number[8];
    uint8_t key[CHAIN_KEY_BYTES];
    start();
    for (int i = 0; i < 5; i++) {
        ck_assert_ptr_nonnull(write_line(line));
        (void)value_of(line, "\"chain\":\"", name);
        (void)snprintf(number, sizeof number, "%d", i);
        ck_assert_str_eq(value_of(line, "\"seq\":", value), number);
        if (i == 0)
            chain_key_derive(key, master, CHAIN_LINE_LABEL, name, strlen(name));
        ck_assert(has_mac(line, key));
        chain_key_next(key, key);
    }
    ck_assert_uint_eq(strlen(name), CHAIN_ROOT_DIGITS);
    ck_assert_uint_eq(chain_length(), 5);
}
END_TEST

START_TEST(a_line_that_was_not_written_leaves_its_number_and_key)
{
    char first[512] = "{\"a\":1}\n", second[512];
    start();
    ck_assert(chain_begin());
    first[chain_close_line(first, 8) - 1] = '\0';
    chain_end(false);
    ck_assert_str_eq(write_line(second), first);
}
END_TEST

START_TEST(a_thread_that_is_writing_a_line_begins_no_other_one)
{
    char line[512];
    start();
    ck_assert(chain_begin());
    ck_assert_ptr_null(write_line(line)); /* as a signal handler would */
    chain_end(true);
    ck_assert_ptr_nonnull(write_line(line));
}
END_TEST

static void *write_in_thread(void *line)
{
    return write_line(line);
}

START_TEST(a_lock_that_is_never_given_back_makes_lines_fail_and_not_wait_forever)
{
    char line[512];
    pthread_t thread;
    void *result;
    start();
    ck_assert(chain_begin());
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, write_in_thread, line), 0);
        ck_assert_int_eq(pthread_join(thread, &result), 0);
        ck_assert_ptr_null(result);
    }
    chain_end(true);
    ck_assert_int_eq(pthread_create(&thread, NULL, write_in_thread, line), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, line);
}
END_TEST

/* Each child writes a line to `lines`, and the next one is its child; or they are all children of this process. */
static void fork_some(char (*lines)[512], int count, bool nested)
{
    int status;
    for (int i = 0; i < count; i++) {
        const pid_t child = fork();
        if (child == 0) {
            const bool wrote = write_line(lines[i]) != NULL;
            if (nested && i + 1 < count)
                fork_some(lines + i + 1, count - i - 1, true);
            _exit(wrote || nested ? 0 : 1);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
        if (nested)
            return;
    }
}

static void *shared_lines(int count)
{
    void *const lines = mmap(NULL, (size_t)count * 512, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(lines, MAP_FAILED);
    return lines;
}

START_TEST(children_have_chains_of_their_own_under_successive_fork_keys)
{
    enum { CHILDREN = 4 };
    char(*const lines)[512] = shared_lines(CHILDREN);
    char line[512], root[256], name[256], value[256];
    uint8_t fork_key[CHAIN_KEY_BYTES], key[CHAIN_KEY_BYTES];
    start();
    (void)write_line(line);
    (void)value_of(line, "\"chain\":\"", root);
    fork_some(lines, CHILDREN, false);
    chain_key_derive(fork_key, master, CHAIN_FORK_LABEL, root, strlen(root));
    for (int i = 0; i < CHILDREN; i++) {
        char step[16];
        (void)snprintf(step, sizeof step, "/%d.", i);
        (void)value_of(lines[i], "\"chain\":\"", name);
        ck_assert_int_eq(strncmp(name, root, strlen(root)), 0);
        ck_assert_int_eq(strncmp(name + strlen(root), step, strlen(step)), 0);
        ck_assert_str_eq(value_of(lines[i], "\"seq\":", value), "0");
        chain_key_derive(key, fork_key, CHAIN_LINE_LABEL, name + strlen(root), strlen(name) - strlen(root));
        ck_assert(has_mac(lines[i], key));
        chain_key_next(fork_key, fork_key);
    }
    ck_assert_str_eq(value_of(write_line(line), "\"seq\":", value), "1");
}
END_TEST

START_TEST(after_many_generations_lines_are_in_no_chain)
{
    enum { GENERATIONS = 12 };
    char(*const lines)[512] = shared_lines(GENERATIONS);
    start();
    fork_some(lines, GENERATIONS, true);
    ck_assert_ptr_nonnull(strstr(lines[6], "\"chain\""));
    ck_assert_ptr_null(strstr(lines[GENERATIONS - 1], "\"chain\""));
    for (int i = 0; i < GENERATIONS; i++)
        ck_assert_uint_gt(strlen(lines[i]), 6);
}
END_TEST

/* As vfork() does it, which a sanitizer makes a fork of. Its child may change no local variable. */
static inline __attribute__((always_inline)) long raw_vfork(void)
{
    return raw_syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
}

/* A child of vfork() has its parent's memory. */
START_TEST(a_child_of_vfork_writes_the_next_line_of_its_parent)
{
    static char of_child[512], of_parent[512];
    char value[256];
    int status;
    start();
    const long child = raw_vfork();
    if (child == 0) {
        (void)write_line(of_child);
        raw_exit(0);
    }
    ck_assert_int_eq(waitpid((pid_t)child, &status, 0), child);
    ck_assert_str_eq(value_of(of_child, "\"seq\":", value), "0");
    ck_assert_str_eq(value_of(write_line(of_parent), "\"seq\":", value), "1");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("chain");
    tcase_add_test(cases, each_line_has_the_next_number_and_the_next_key);
    tcase_add_test(cases, a_line_that_was_not_written_leaves_its_number_and_key);
    tcase_add_test(cases, a_thread_that_is_writing_a_line_begins_no_other_one);
    tcase_add_test(cases, a_lock_that_is_never_given_back_makes_lines_fail_and_not_wait_forever);
    tcase_add_test(cases, children_have_chains_of_their_own_under_successive_fork_keys);
    tcase_add_test(cases, after_many_generations_lines_are_in_no_chain);
    tcase_add_test(cases, a_child_of_vfork_writes_the_next_line_of_its_parent);
    return run_suite(cases, "chain");
}
