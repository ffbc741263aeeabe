/*
 * Messages are written with one call, so that the lines of several processes do not mix. Failures of standard
 * output are reported at the end. See message.h.
 */
#include "message.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void message(const char *format, ...)
{
    static const char prefix[] = "pfswrap: ";
    char line[2 * PATH_MAX + 512];
    size_t used = sizeof prefix - 1;
    va_list arguments;
    memcpy(line, prefix, used);
    va_start(arguments, format);
    int length = vsnprintf(line + used, sizeof line - used - 1, format, arguments);
    va_end(arguments);
    if (length > 0)
        used += (size_t)length < sizeof line - used - 1 ? (size_t)length : sizeof line - used - 2;
    /* A file's name may contain a newline or an escape sequence for terminals. */
    for (size_t i = 0; i < used; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[used++] = '\n';
    for (size_t done = 0; done < used;) {
        ssize_t taken = write(STDERR_FILENO, line + done, used - done);
        if (taken < 0 && errno != EINTR)
            return;
        if (taken > 0)
            done += (size_t)taken;
    }
}

void out(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vprintf(format, arguments); /* out_finish() reports errors */
    va_end(arguments);
}

int out_finish(void)
{
    bool has_failed = ferror(stdout) != 0;
    if (fflush(stdout) == 0 && !has_failed)
        return 0;
    message("cannot write the output: %s", strerror(errno));
    return 1;
}
