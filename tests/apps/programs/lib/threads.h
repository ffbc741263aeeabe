/*
 * Threads that must start and end. For the sock_*.c programs that link with -pthread.
 */
#ifndef PFSWRAP_TESTS_THREADS_H
#define PFSWRAP_TESTS_THREADS_H

#include <pthread.h>

void thread_start(pthread_t *thread, void *(*function)(void *), void *argument);
void thread_join(pthread_t thread);

#endif
