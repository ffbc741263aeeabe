/*
 * How many numbers an endpoint has, when calls that are not interposed, or signal handlers, change them, too. And
 * what a thread sees that looks at endpoints while others free and take them.
 */
#include "../suite.h"

#include <pthread.h>

#include "link.h"
#include "connection/release.h"
#include "fd/close.h"

static char directory[] = "/tmp/pfswrap-endpoint-XXXXXX";

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

static void teardown(void)
{
    link_end_policy(directory);
}

/* A second number of the client's connection. */
static int copy_of(const struct link *link, struct endpoint **endpoint)
{
    struct connection *connection;
    const int copy = dup(link->client);
    ck_assert_int_ge(copy, 0);
    ck_assert_int_eq(endpoint_enter(link->client, endpoint, &connection), ENDPOINT_ENTERED);
    endpoint_add(*endpoint, copy, false);
    endpoint_leave(connection);
    ck_assert_int_eq(atomic_load(&(*endpoint)->descriptors), 2);
    return copy;
}

/* As when the kernel gives the number out again, after a system call that is not interposed has closed it. */
static void lose_number(int fd)
{
    ck_assert_int_eq(close(fd), 0);
    fd_dropped(fd, fd_table_put(fd, 0));
}

START_TEST(a_number_that_is_gone_already_is_not_counted_twice)
{
    struct link link = link_open(65536);
    struct endpoint *endpoint;
    struct connection *connection;
    const int copy = copy_of(&link, &endpoint);
    ck_assert_int_eq(endpoint_enter(link.client, &endpoint, &connection), ENDPOINT_ENTERED);
    lose_number(copy);
    ck_assert_int_eq(atomic_load(&endpoint->descriptors), 1);
    ck_assert_int_eq(endpoint_remove(endpoint, copy, fd_next_generation()), -1);
    ck_assert_int_eq(atomic_load(&endpoint->descriptors), 1);
    ck_assert_uint_eq(fd_word(copy), 0);
    endpoint_leave(connection);
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
}
END_TEST

START_TEST(the_number_that_is_left_ends_the_connection)
{
    struct link link = link_open(65536);
    struct endpoint *endpoint;
    const int copy = copy_of(&link, &endpoint);
    lose_number(link.client);
    ck_assert_int_eq(atomic_load(&endpoint->fd), copy);
    ck_assert_int_eq(link_send(copy, "a", 1), 1);
    ck_assert_int_eq(fd_close(copy), 0);
    ck_assert_int_eq(atomic_load(&endpoint->descriptors), 0);
    ck_assert(!fd_is_sealed(copy));
}
END_TEST

static atomic_bool walking;
static atomic_int walked_back; /* times that a walk came to an endpoint before the one where it was */

/* As the background thread does it: without a lock, from one endpoint to the next. */
static void *walk(void *nothing)
{
    while (atomic_load(&walking)) {
        struct endpoint *endpoint = endpoint_next(NULL);
        while (endpoint != NULL) {
            const uint32_t index = endpoint->index;
            (void)atomic_load(&endpoint->background);
            endpoint = endpoint_next(endpoint);
            if (endpoint != NULL && endpoint->index <= index)
                atomic_fetch_add(&walked_back, 1);
        }
    }
    return nothing;
}

/* ThreadSanitizer looks at this test, too: it reports every access that another thread does not expect. */
START_TEST(a_thread_walks_over_endpoints_that_are_freed_and_taken)
{
    enum { ROUNDS = 100 };
    pthread_t thread;
    atomic_store(&walking, true);
    ck_assert_int_eq(pthread_create(&thread, NULL, walk, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        int one, other;
        link_pair(&one, &other);
        link_seal(one, LINK_CONNECT, true, true);
        link_seal(other, LINK_LISTEN, false, true);
        ck_assert_int_eq(fd_close(one), 0);
        ck_assert_int_eq(fd_close(other), 0);
    }
    atomic_store(&walking, false);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(atomic_load(&walked_back), 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("endpoint");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_number_that_is_gone_already_is_not_counted_twice);
    tcase_add_test(cases, the_number_that_is_left_ends_the_connection);
    tcase_add_test(cases, a_thread_walks_over_endpoints_that_are_freed_and_taken);
    return run_suite(cases, "endpoint");
}
