/*
 * Folders and files. See files.h.
 */
#include "files.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the linker put the ELF header of the test. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

char folder_path[] = "/tmp/pfswrap-unit-XXXXXX";

void folder_enter(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder_path));
    ck_assert_int_eq(chmod(folder_path, 0755), 0);
    ck_assert_int_eq(chdir(folder_path), 0);
}

void folder_leave(void)
{
    char command[128];
    if (geteuid() != getuid())
        ck_assert_int_eq(seteuid(getuid()), 0);
    ck_assert_int_eq(chdir("/"), 0);
    (void)snprintf(command, sizeof command, "/bin/rm -rf %s", folder_path);
    ck_assert_int_eq(system(command), 0);
}

void file_write(const char *name, const void *bytes, size_t size, mode_t mode)
{
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(chmod(name, mode), 0);
}

void file_write_text(const char *name, const char *text)
{
    file_write(name, text, strlen(text), 0755);
}

static size_t put_header(uint8_t *file, size_t index, uint32_t type, size_t at, const void *bytes, size_t size)
{
    ElfW(Phdr) header = {.p_type = type, .p_offset = at, .p_filesz = size};
    memcpy(file + sizeof(ElfW(Ehdr)) + index * sizeof header, &header, sizeof header);
    memcpy(file + at, bytes, size);
    return at + size;
}

void elf_file_write(const char *name, struct elf_file elf, mode_t mode)
{
    static uint8_t file[1 << 20];
    static const uint32_t go_note[] = {4, 4, 4, 0x00006f47 /* "Go" */, 0x64636261};
    ElfW(Ehdr) header = {.e_type = elf.type != 0 ? elf.type : ET_DYN,
                         .e_machine = elf.machine != 0 ? elf.machine : __ehdr_start.e_machine,
                         .e_version = EV_CURRENT,
                         .e_phoff = sizeof header,
                         .e_phentsize = elf.entry_size != 0 ? elf.entry_size : sizeof(ElfW(Phdr))};
    size_t count = elf.padding, at = sizeof header + (elf.padding + 4u) * sizeof(ElfW(Phdr));
    memset(file, 0, sizeof file);
    memcpy(header.e_ident, __ehdr_start.e_ident, EI_NIDENT);
    if (elf.class != 0)
        header.e_ident[EI_CLASS] = elf.class;
    if (elf.interpreter != NULL)
        at = put_header(file, count++, PT_INTERP, at, elf.interpreter,
                        strlen(elf.interpreter) + (elf.is_unterminated ? 0 : 1));
    if (elf.second_interpreter != NULL)
        at = put_header(file, count++, PT_INTERP, at, elf.second_interpreter, strlen(elf.second_interpreter) + 1);
    if (elf.has_go_note)
        at = put_header(file, count++, PT_NOTE, at, go_note, sizeof go_note);
    header.e_phnum = (uint16_t)(count > 0 ? count : 1);
    memcpy(file, &header, sizeof header);
    file_write(name, file, elf.is_cut ? sizeof header + 8 : at, mode);
}
