/*
 * pfswrap version: what this is and what is linked into it, for bug reports and auditors.
 */
#include "commands.h"
#include "elf_file.h"
#include "message.h"
#include "policy/planes.h"

#include <gnu/libc-version.h>
#include <stddef.h>

/* Of libsodium, where a command that needs it is in this build. */
extern const char *sodium_version_string(void) __attribute__((weak));

int command_version(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        message("version takes no argument, expected pfswrap version");
        return 2;
    }
    out("pfswrap %s\n", PFSWRAP_VERSION);
    out("planes: tls%s%s\n", POLICY_HAS_SEAL_PLANE ? ", seal" : "", POLICY_HAS_WIRE_PLANE ? ", wire" : "");
    out("machine: %s, %s\n", elf_own_machine(), elf_own_interpreter());
    out("glibc %s, inih (static)\n", gnu_get_libc_version());
    if (sodium_version_string != NULL)
        out("libsodium %s (static)\n", sodium_version_string());
    return out_finish();
}
