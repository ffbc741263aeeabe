/* See read_file.h. */
#include "read_file.h"

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

struct executable read_file(const char *name)
{
    static struct executable file;
    const int fd = open(name, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(executable_read(fd, &file), 0);
    ck_assert_int_eq(close(fd), 0);
    return file;
}
