// link: -static-pie
/* An inetd-style server, statically linked: by read and write, or by stdio if its name contains "stdio". */
#include "../lib/inetd_lines.h"

#include <string.h>

int main(int argc, char **argv)
{
    return argc > 0 && strstr(argv[0], "stdio") ? inetd_by_stdio() : inetd_by_calls();
}
