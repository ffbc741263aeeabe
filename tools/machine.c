/*
 * ELF and program headers, for files of this process's own word size and byte order; of others only the machine.
 * Source: elf(5), and the System V ABI for what PT_INTERP means. Calls pread(2) only.
 */
#include "elf_file.h"
#include "base/go.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Where the linker put this program's own ELF header. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

enum { PROGRAM_HEADERS_MAX = 128 };

/* Reads exactly `size` bytes. 1: done; 0: the file ends before; -1: errno. */
static int read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
    if (offset > INT64_MAX - size)
        return 0;
    for (size_t done = 0; done < size;) {
        ssize_t taken = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken <= 0)
            return (int)taken;
        done += (size_t)taken;
    }
    return 1;
}

static int read_interpreter(int fd, const ElfW(Phdr) * header, struct elf_file *file)
{
    if (header->p_filesz < 2 || header->p_filesz > sizeof file->interpreter)
        return 0;
    int result = read_at(fd, file->interpreter, header->p_filesz, header->p_offset);
    if (result == 1 && file->interpreter[header->p_filesz - 1] != '\0')
        result = 0;
    if (result != 1)
        file->interpreter[0] = '\0';
    return result;
}

/* 1: *file is filled; 0: the headers make no sense; -1: errno. */
static int read_program_headers(int fd, const ElfW(Ehdr) * header, struct elf_file *file)
{
    ElfW(Phdr) headers[PROGRAM_HEADERS_MAX] = {0};
    if (header->e_phentsize != sizeof headers[0] || header->e_phnum == 0 || header->e_phnum > PROGRAM_HEADERS_MAX)
        return 0;
    int result = read_at(fd, headers, header->e_phnum * sizeof headers[0], header->e_phoff);
    for (size_t i = 0; i < header->e_phnum && result == 1; i++)
        if (headers[i].p_type == PT_INTERP)
            result = read_interpreter(fd, &headers[i], file);
    return result;
}

int elf_read(int fd, struct elf_file *file)
{
    ElfW(Ehdr) header;
    memset(file, 0, sizeof *file);
    int result = read_at(fd, &header, sizeof header, 0);
    if (result < 0)
        return -1;
    if (result == 0 || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return 0;
    file->type = header.e_type;
    file->machine = header.e_machine; /* at the same offset in both word sizes */
    file->is_64_bit = header.e_ident[EI_CLASS] == ELFCLASS64;
    if (memcmp(header.e_ident, __ehdr_start.e_ident, EI_VERSION) != 0 ||
        header.e_machine != __ehdr_start.e_machine) {
        file->kind = ELF_FOREIGN;
        return 0;
    }
    file->kind = ELF_BROKEN;
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return 0;
    result = read_program_headers(fd, &header, file);
    file->is_go = go_is_inside(fd);
    if (result == 1)
        file->kind = file->interpreter[0] != '\0' ? ELF_DYNAMIC : ELF_STATIC;
    return result < 0 ? -1 : 0;
}

const char *elf_machine_name(uint16_t machine, bool is_64_bit)
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

const char *elf_own_machine(void)
{
    return elf_machine_name(__ehdr_start.e_machine, __ehdr_start.e_ident[EI_CLASS] == ELFCLASS64);
}
