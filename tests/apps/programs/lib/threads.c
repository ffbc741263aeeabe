/* See threads.h. */
#include "threads.h"

#include "sock.h"

void thread_start(pthread_t *thread, void *(*function)(void *), void *argument)
{
    sock_expect(pthread_create(thread, NULL, function, argument) == 0, "pthread_create");
}

void thread_join(pthread_t thread)
{
    sock_expect(pthread_join(thread, NULL) == 0, "pthread_join");
}
