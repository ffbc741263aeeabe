/*
 * What the shim says to the key agent and takes as an answer, and the results that a process keeps.
 */
#include "../suite.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/agent_ask.h"
#include "config/agent_cache.h"

/* An agent of one answer, in a thread: what it got, and what it changes in its answer. */
static struct {
    int fd;
    struct agent_request request;
    void (*change)(struct agent_answer *answer, size_t *length);
} other;

static void *answer_once(void *unused)
{
    struct agent_answer answers[2] = {{.magic = AGENT_MAGIC, .status = AGENT_OK, .key = {1, 2, 3}, .created = 42}};
    size_t length = sizeof answers[0];
    (void)unused;
    ck_assert_int_eq(sizeof other.request, recv(other.fd, &other.request, sizeof other.request, 0));
    answers[0].id = other.request.id;
    if (other.change != NULL)
        other.change(&answers[0], &length);
    if (length > 0)
        ck_assert_int_eq((ssize_t)length, send(other.fd, answers, length, 0));
    else
        ck_assert_int_eq(0, shutdown(other.fd, SHUT_RDWR));
    return NULL;
}

/* One question and the result. */
static int ask(struct agent_answer *answer, void (*change)(struct agent_answer *, size_t *))
{
    struct agent_request request = {.operation = AGENT_IDENTIFY, .name = "redis"};
    pthread_t thread;
    int pair[2];
    ck_assert_int_eq(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    other.fd = pair[1];
    other.change = change;
    ck_assert_int_eq(0, pthread_create(&thread, NULL, answer_once, NULL));
    const int result = agent_exchange(pair[0], &request, answer);
    ck_assert_int_eq(0, pthread_join(thread, NULL));
    ck_assert_int_eq(0, close(pair[0]));
    ck_assert_int_eq(0, close(pair[1]));
    return result;
}

START_TEST(a_question_has_an_answer)
{
    struct agent_answer answer;
    ck_assert_int_eq(AGENT_OK, ask(&answer, NULL));
    ck_assert_uint_eq(AGENT_MAGIC, other.request.magic);
    ck_assert_uint_eq(AGENT_IDENTIFY, other.request.operation);
    ck_assert_str_eq("redis", other.request.name);
    ck_assert_mem_eq("\1\2\3", answer.key, 3);
    ck_assert_int_eq(42, answer.created);
    const uint64_t first = other.request.id;
    ck_assert_int_eq(AGENT_OK, ask(&answer, NULL));
    ck_assert_uint_ne(first, other.request.id);
}
END_TEST

static void refuse(struct agent_answer *answer, size_t *length)
{
    (void)length;
    answer->status = AGENT_REFUSED;
}

static void cut(struct agent_answer *answer, size_t *length)
{
    (void)answer;
    (*length)--;
}

static void lengthen(struct agent_answer *answer, size_t *length)
{
    (void)answer;
    (*length)++;
}

static void change_magic(struct agent_answer *answer, size_t *length)
{
    (void)length;
    answer->magic++;
}

static void change_id(struct agent_answer *answer, size_t *length)
{
    (void)length;
    answer->id++;
}

static void change_status(struct agent_answer *answer, size_t *length)
{
    (void)length;
    answer->status = AGENT_MISTAKE + 1;
}

static void hang_up(struct agent_answer *answer, size_t *length)
{
    (void)answer;
    *length = 0;
}

START_TEST(what_is_no_answer_to_the_question_is_an_error)
{
    struct agent_answer answer;
    ck_assert_int_eq(AGENT_REFUSED, ask(&answer, refuse));
    ck_assert_int_eq(-EBADMSG, ask(&answer, cut));
    ck_assert_int_eq(-EBADMSG, ask(&answer, lengthen));
    ck_assert_int_eq(-EBADMSG, ask(&answer, change_magic));
    ck_assert_int_eq(-EBADMSG, ask(&answer, change_id));
    ck_assert_int_eq(-EBADMSG, ask(&answer, change_status));
    const int ended = ask(&answer, hang_up);
    ck_assert(agent_is_away(ended));
    ck_assert(!agent_is_away(-EBADMSG) && !agent_is_away(AGENT_REFUSED) && !agent_is_away(-ETIMEDOUT));
}
END_TEST

START_TEST(no_answer_in_time_is_an_error)
{
    struct agent_request request = {.operation = AGENT_IDENTIFY};
    struct agent_answer answer;
    int pair[2];
    ck_assert_int_eq(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    agent_set_timeout(pair[0], 20);
    ck_assert_int_eq(-ETIMEDOUT, agent_exchange(pair[0], &request, &answer));
    ck_assert_int_eq(0, close(pair[1]));
    ck_assert(agent_is_away(agent_exchange(pair[0], &request, &answer)));
    ck_assert_int_eq(0, close(pair[0]));
    ck_assert_int_eq(-ENOENT, agent_connect("/nonexistent/agent.sock", 20));
}
END_TEST

START_TEST(results_for_two_keys_are_kept_and_found_again)
{
    uint8_t own[32] = {7}, peer[32] = {9}, shared[32], found[32] = {0};
    memset(shared, 0x5a, sizeof shared);
    agent_cache_keep(own, peer, shared);
    ck_assert(!agent_cache_find(own, peer, found)); /* before the start, nothing is kept */
    agent_cache_start();
    ck_assert(!agent_cache_find(own, peer, found));
    agent_cache_keep(own, peer, shared);
    ck_assert(agent_cache_find(own, peer, found));
    ck_assert_mem_eq(shared, found, sizeof shared);
    ck_assert(!agent_cache_find(peer, own, found));
    peer[31] = 1; /* the same place, another key */
    ck_assert(!agent_cache_find(own, peer, found));
    shared[0] = 1;
    agent_cache_keep(own, peer, shared);
    ck_assert(agent_cache_find(own, peer, found));
    ck_assert_mem_eq(shared, found, sizeof shared);
    peer[31] = 0;
    ck_assert(!agent_cache_find(own, peer, found));
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("agent");

    tcase_add_test(tc, a_question_has_an_answer);
    tcase_add_test(tc, what_is_no_answer_to_the_question_is_an_error);
    tcase_add_test(tc, no_answer_in_time_is_an_error);
    tcase_add_test(tc, results_for_two_keys_are_kept_and_found_again);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "agent");
}
