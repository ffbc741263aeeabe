/* See numbers.h. */
#include "numbers.h"

#include <netinet/in.h>
#include <sys/socket.h>

int dropped_fd, dropped_count;
uint64_t dropped_word;

static void remember_dropped(int fd, uint64_t word)
{
    dropped_fd = fd;
    dropped_word = word;
    dropped_count++;
}

/* Another thread closes the number right after the question whether its record is current. */
static bool close_behind(int fd)
{
    fd_forget(fd);
    return true;
}

const struct plane takes_over = {.dropped = remember_dropped}, records = {.dropped = remember_dropped},
                   records_too = {.operations = {.is_current = close_behind}};

uint64_t sealed(uint32_t generation)
{
    return (uint64_t)generation << FD_WORD_ID_SHIFT | 1;
}

uint64_t recorded(uint32_t record)
{
    return plane_record_word(&records, record);
}

int open_null(void)
{
    const int fd = open("/dev/null", O_WRONLY);
    ck_assert_int_ge(fd, 0);
    return fd;
}

int open_socket(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

void start_process(void)
{
    ck_assert_int_eq(process_start(), 0);
}
