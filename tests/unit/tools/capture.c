/*
 * Files in place of standard input and output. See capture.h.
 */
#include "capture.h"
#include "../files.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int former[3]; /* duplicates of the descriptors that are replaced */

void capture_input(const void *bytes, size_t size)
{
    file_write(".input", bytes, size, 0600);
    const int fd = open(".input", O_RDONLY);
    ck_assert_int_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    ck_assert_int_eq(close(fd), 0);
}

static void replace(int number, const char *name)
{
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    former[number] = dup(number);
    ck_assert_int_eq(dup2(fd, number), number);
    ck_assert_int_eq(close(fd), 0);
}

void capture_start(void)
{
    (void)fflush(stdout);
    replace(STDOUT_FILENO, ".out");
    replace(STDERR_FILENO, ".err");
}

static void put_back(int number, const char *name, char *text, size_t size)
{
    ck_assert_int_eq(dup2(former[number], number), number);
    ck_assert_int_eq(close(former[number]), 0);
    const int fd = open(name, O_RDONLY);
    const ssize_t length = read(fd, text, size - 1);
    ck_assert_int_ge(length, 0);
    text[length] = '\0';
    ck_assert_int_eq(close(fd), 0);
}

struct captured capture_stop(void)
{
    struct captured captured;
    (void)fflush(stdout);
    put_back(STDOUT_FILENO, ".out", captured.out, sizeof captured.out);
    put_back(STDERR_FILENO, ".err", captured.err, sizeof captured.err);
    return captured;
}
