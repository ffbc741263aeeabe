/*
 * pfswrap version: the versions of pfswrap and of the libraries in it, for bug reports and audits.
 */
#include "commands.h"
#include "machine.h"
#include "message.h"

#include <gnu/libc-version.h>
#include <sodium.h>

int command_version(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        message("version takes no argument, expected pfswrap version");
        return 2;
    }
    out("pfswrap %s\n", PFSWRAP_VERSION);
    out("planes: tls, seal, wire\n");
    out("machine: %s, %s\n", machine_own_name(), PFSWRAP_INTERPRETER);
    out("glibc %s, inih (static), libsodium %s (static)\n", gnu_get_libc_version(), sodium_version_string());
    return out_finish();
}
