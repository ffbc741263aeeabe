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

enum { FILE_MAX = 1 << 20 };

/* The file under construction, and how large the headers of its class are. */
struct image {
    uint8_t bytes[FILE_MAX];
    size_t header_size, segment_size;
    bool is_64_bit;
};

static size_t put_header(struct image *image, size_t index, uint32_t type, size_t at, const void *bytes,
                         size_t size)
{
    const Elf64_Phdr wide = {.p_type = type, .p_offset = at, .p_filesz = size};
    const Elf32_Phdr narrow = {.p_type = type, .p_offset = (uint32_t)at, .p_filesz = (uint32_t)size};
    memcpy(image->bytes + image->header_size + index * image->segment_size,
           image->is_64_bit ? (const void *)&wide : &narrow, image->segment_size);
    memcpy(image->bytes + at, bytes, size);
    return at + size;
}

static void put_file_header(struct image *image, struct elf_file elf, size_t count)
{
    const uint16_t type = elf.type != 0 ? elf.type : ET_DYN;
    const uint16_t machine = elf.machine != 0 ? elf.machine : __ehdr_start.e_machine;
    const uint16_t size = elf.entry_size != 0 ? elf.entry_size : (uint16_t)image->segment_size;
    const uint16_t number = (uint16_t)(count > 0 ? count : 1);
    Elf64_Ehdr wide = {.e_type = type,
                       .e_machine = machine,
                       .e_version = EV_CURRENT,
                       .e_phoff = sizeof wide,
                       .e_phentsize = size,
                       .e_phnum = number};
    Elf32_Ehdr narrow = {.e_type = type,
                         .e_machine = machine,
                         .e_version = EV_CURRENT,
                         .e_phoff = sizeof narrow,
                         .e_phentsize = size,
                         .e_phnum = number};
    memcpy(image->bytes, image->is_64_bit ? (const void *)&wide : &narrow, image->header_size);
    memcpy(image->bytes, __ehdr_start.e_ident, EI_NIDENT);
    image->bytes[EI_CLASS] = image->is_64_bit ? ELFCLASS64 : ELFCLASS32;
}

void elf_file_write(const char *name, struct elf_file elf, mode_t mode)
{
    static struct image image;
    static const uint32_t go_note[] = {4, 4, 4, 0x00006f47 /* "Go" */, 0x64636261};
    memset(&image, 0, sizeof image);
    image.is_64_bit = (elf.class != 0 ? elf.class : __ehdr_start.e_ident[EI_CLASS]) == ELFCLASS64;
    image.header_size = image.is_64_bit ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    image.segment_size = image.is_64_bit ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    size_t count = elf.padding, at = image.header_size + (elf.padding + 4u) * image.segment_size;
    if (elf.interpreter != NULL)
        at = put_header(&image, count++, PT_INTERP, at, elf.interpreter,
                        strlen(elf.interpreter) + (elf.is_unterminated ? 0 : 1));
    if (elf.second_interpreter != NULL)
        at = put_header(&image, count++, PT_INTERP, at, elf.second_interpreter, strlen(elf.second_interpreter) + 1);
    if (elf.has_go_note)
        at = put_header(&image, count++, PT_NOTE, at, go_note, sizeof go_note);
    put_file_header(&image, elf, count);
    file_write(name, image.bytes, elf.is_cut ? image.header_size + 8 : at, mode);
}
