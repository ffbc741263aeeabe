/*
 * Prints whether the shim's code is in this process. (That something of it is mapped proves nothing: ld.so leaves a
 * part behind if it fails.) Takes no memory: none may be left.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The next line of the file, cut to `size` - 1 bytes. Returns 0 at the end. */
static int read_line(int fd, char *line, size_t size)
{
    size_t length = 0;
    char byte;
    ssize_t count;
    while ((count = read(fd, &byte, 1)) == 1 && byte != '\n')
        if (length < size - 1)
            line[length++] = byte;
    line[length] = '\0';
    return count == 1;
}

int main(void)
{
    static char line[4096];
    const int maps = open("/proc/self/maps", O_RDONLY);
    const char *found = maps < 0 ? "UNKNOWN" : "UNPROTECTED";
    while (maps >= 0 && read_line(maps, line, sizeof line))
        if (strstr(line, "libpfswrap.so") != NULL && strstr(line, "r-xp") != NULL)
            found = "PROTECTED";
    if (dprintf(STDOUT_FILENO, "%s\n", found) < 0)
        return 1;
    return 0;
}
