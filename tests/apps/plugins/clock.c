/*
 * A preload that sets the clock of a program under test: time(2) returns the kernel's Unix time plus the seconds in
 * the file that $TEST_CLOCK names, eight bytes that the test changes at any time. Nothing else changes.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const int64_t *ahead;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("TEST_CLOCK");
    const int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *memory = fd >= 0 ? mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (memory == MAP_FAILED)
        abort();
    ahead = memory;
    (void)close(fd);
}

__attribute__((visibility("default"))) time_t time(time_t *result)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += ahead != NULL ? *(volatile const int64_t *)ahead : 0;
    if (result != NULL)
        *result = now.tv_sec;
    return now.tv_sec;
}
