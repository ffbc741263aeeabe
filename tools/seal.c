/*
 * pfswrap seal connect|listen|probe: executes pfswrap-seal, which lies beside this program.
 */
#include "commands.h"
#include "message.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

int command_seal(int argc, char **argv)
{
    static const char name[] = "pfswrap-seal";
    char path[PATH_MAX + sizeof name];
    (void)argc;
    const ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    char *const slash = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;
    if (slash == NULL) {
        message("seal: /proc/self/exe cannot be read, expected /proc to be mounted");
        return 1;
    }
    memcpy(slash + 1, name, sizeof name);
    (void)execv(path, argv);
    message("seal: %s cannot be executed: %s", path, strerror(errno));
    return 1;
}
