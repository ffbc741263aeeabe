#include "inetd_lines.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int inetd_by_calls(void)
{
    char text[1024];
    size_t have = 0;
    ssize_t n = write(1, "PFSMARK:hello\n", 14);
    while (n > 0 && (n = read(0, text + have, sizeof text - have)) > 0) {
        have += (size_t)n;
        char *end;
        while ((end = memchr(text, '\n', have)) != NULL) {
            char answer[1100] = "got ";
            size_t length = (size_t)(end - text) + 1;
            memcpy(answer + 4, text, length);
            if (write(2, answer, length + 4) != (ssize_t)length + 4)
                return 1;
            have -= length;
            memmove(text, end + 1, have);
        }
    }
    return n == 0 && write(1, "PFSMARK:bye\n", 12) == 12 ? 0 : 1;
}

int inetd_by_stdio(void)
{
    char line[1024];
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (puts("PFSMARK:hello") < 0)
        return 1;
    while (fgets(line, sizeof line, stdin))
        if (printf("got %s", line) < 0)
            return 1;
    return feof(stdin) && puts("PFSMARK:bye") >= 0 ? 0 : 1;
}
