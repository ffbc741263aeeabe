/*
 * The machines that Debian runs on, by their numbers in ELF headers. See machine.h.
 */
#include "machine.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>

/* Where the linker put this program's own ELF header. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

const char *machine_name(uint16_t machine, bool is_64_bit)
{
    static char number[32];
    switch (machine) {
    case EM_X86_64:
        return is_64_bit ? "x86-64" : "x32";
    case EM_386:
        return "i386";
    case EM_AARCH64:
        return "arm64";
    case EM_ARM:
        return "arm";
    case EM_RISCV:
        return is_64_bit ? "riscv64" : "riscv32";
    case EM_PPC64:
        return "ppc64";
    case EM_S390:
        return is_64_bit ? "s390x" : "s390";
    default:
        (void)snprintf(number, sizeof number, "machine %u", machine);
        return number;
    }
}

const char *machine_own_name(void)
{
    return machine_name(__ehdr_start.e_machine, __ehdr_start.e_ident[EI_CLASS] == ELFCLASS64);
}
