/*
 * One keyring and one configuration in many threads at once, each with channels of its own, as pfswrap/seal.h
 * allows. ThreadSanitizer decides whether that is right.
 */
#include "pair.h"
#include "../suite.h"

#include <pthread.h>

enum { THREADS = 4, CONNECTIONS = 8 };

static struct pair *shared;

static void *connect_again_and_again(void *argument)
{
    struct pair *own = calloc(1, sizeof *own);
    uint8_t data[3000];

    memset(data, 7, sizeof data);
    for (int i = 0; own != NULL && i < CONNECTIONS; i++) {
        own->client.config = shared->client.config;
        own->server.config = shared->server.config;
        own->client.in.length = own->server.in.length = 0;
        pair_start(own);
        if (pair_settle(own) != 0 || end_send(&own->client, &own->server.in, data, sizeof data) != 0 ||
            end_open(&own->server) != 0 || own->server.data_length != sizeof data * (size_t)(i + 1)) {
            free(own);
            return argument;
        }
    }
    free(own);
    return NULL;
}

START_TEST(a_filled_keyring_serves_many_threads_at_once)
{
    pthread_t threads[THREADS];
    void *failed;

    shared = pair_new();
    pair_add_psk(shared);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(0, pthread_create(&threads[i], NULL, connect_again_and_again, shared));
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(0, pthread_join(threads[i], &failed));
        ck_assert_ptr_null(failed);
    }
    pair_free(shared);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("threads");

    tcase_add_test(tc, a_filled_keyring_serves_many_threads_at_once);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "threads");
}
