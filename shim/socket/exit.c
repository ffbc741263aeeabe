/*
 * The end of the process: sealed connections end as the kernel would end them, in order and complete, and the
 * process waits until their bytes are on their way, at most the policy's `linger`.
 */
#include "connection/release.h"

__attribute__((destructor)) static void end_connections(void)
{
    release_all();
}
