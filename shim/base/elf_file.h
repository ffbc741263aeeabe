/*
 * The headers of an ELF file on disk (elf(5)), of either word size and in this machine's byte order. They are
 * converted to the 64-bit structures. The file may be hostile: sizes and offsets are not checked here beyond what
 * is said below.
 *
 * Every function makes system calls only, so it may run in signal handlers and in children of vfork().
 */
#ifndef PFSWRAP_BASE_ELF_FILE_H
#define PFSWRAP_BASE_ELF_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ELF_FILE_AT_ONCE = 8,      /* the most headers that one call reads */
    ELF_FILE_WINDOW = 4096,    /* bytes of a window */
    ELF_FILE_NAMES_MAX = 2048, /* bytes of names that go_is_inside() reads at once */
};

/*
 * An open file, and the part of it that was read last, so that headers that lie side by side take one pread(2). It
 * is too large for a small stack. Begins with `fd`, and zeros in `begin` and `length`.
 */
struct elf_window {
    int fd;
    uint64_t begin;
    size_t length;
    char bytes[ELF_FILE_WINDOW];
    char names[ELF_FILE_NAMES_MAX];
};

/*
 * Converts the `size` bytes at the beginning of a file. Returns false, with *header zero, if they are no ELF header
 * of this byte order, or not all of one.
 */
bool elf_file_header(Elf64_Ehdr *header, const void *bytes, size_t size);

/* Whether e_phentsize or e_shentsize is what the word size of the file needs. */
bool elf_file_has_segments(const Elf64_Ehdr *header);
bool elf_file_has_sections(const Elf64_Ehdr *header);

/*
 * Read program or section headers number `first` and following; there is room for `count`, at most
 * ELF_FILE_AT_ONCE. Return 1, 0 if the file ends before that, or a negative errno value.
 */
int elf_file_segments(struct elf_window *window, const Elf64_Ehdr *header, size_t first, size_t count,
                      Elf64_Phdr *segments);
int elf_file_sections(struct elf_window *window, const Elf64_Ehdr *header, size_t first, size_t count,
                      Elf64_Shdr *sections);

/* Reads all `size` bytes at `offset`. Returns as above. */
int elf_file_read(struct elf_window *window, void *bytes, size_t size, uint64_t offset);

/* Reads what one pread(2) returns of `size` bytes, at most ELF_FILE_WINDOW. Returns how many, or a negative errno
 * value.
 */
long elf_file_read_some(struct elf_window *window, void *bytes, size_t size, uint64_t offset);

#endif
