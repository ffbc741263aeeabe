/*
 * Prints whether the shim's code is in this process. (That something of it is mapped proves nothing: ld.so leaves a
 * part behind if it fails.)
 */
#include <stdio.h>
#include <string.h>

int main(void)
{
    char line[4096];
    FILE *const maps = fopen("/proc/self/maps", "r");
    const char *found = "UNPROTECTED";
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "libpfswrap.so") != NULL && strstr(line, "r-xp") != NULL)
            found = "PROTECTED";
    puts(found);
    return 0;
}
