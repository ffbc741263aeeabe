/*
 * Reads and converts ELF headers. The 32-bit structures have other orders of members, so each member is copied by
 * its name. See elf_file.h.
 */
#include "base/elf_file.h"

#include <string.h>

#include "base/raw_file.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { OWN_ORDER = ELFDATA2LSB };
#else
enum { OWN_ORDER = ELFDATA2MSB };
#endif

static bool is_64_bit(const Elf64_Ehdr *header)
{
    return header->e_ident[EI_CLASS] == ELFCLASS64;
}

static void widen_header(Elf64_Ehdr *header, const Elf32_Ehdr *from)
{
    memcpy(header->e_ident, from->e_ident, EI_NIDENT);
    header->e_type = from->e_type;
    header->e_machine = from->e_machine;
    header->e_version = from->e_version;
    header->e_entry = from->e_entry;
    header->e_phoff = from->e_phoff;
    header->e_shoff = from->e_shoff;
    header->e_flags = from->e_flags;
    header->e_ehsize = from->e_ehsize;
    header->e_phentsize = from->e_phentsize;
    header->e_phnum = from->e_phnum;
    header->e_shentsize = from->e_shentsize;
    header->e_shnum = from->e_shnum;
    header->e_shstrndx = from->e_shstrndx;
}

bool elf_file_header(Elf64_Ehdr *header, const void *bytes, size_t size)
{
    const unsigned char *const ident = bytes;
    Elf32_Ehdr narrow;
    memset(header, 0, sizeof *header);
    if (size < EI_NIDENT || memcmp(ident, ELFMAG, SELFMAG) != 0 || ident[EI_DATA] != OWN_ORDER)
        return false;
    if (ident[EI_CLASS] == ELFCLASS64 && size >= sizeof *header) {
        memcpy(header, bytes, sizeof *header);
        return true;
    }
    if (ident[EI_CLASS] != ELFCLASS32 || size < sizeof narrow)
        return false;
    memcpy(&narrow, bytes, sizeof narrow);
    widen_header(header, &narrow);
    return true;
}

bool elf_file_has_segments(const Elf64_Ehdr *header)
{
    return header->e_phentsize == (is_64_bit(header) ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
}

bool elf_file_has_sections(const Elf64_Ehdr *header)
{
    return header->e_shentsize == (is_64_bit(header) ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr));
}

/* The window begins at `offset`, if it does not have the `size` bytes there. Returns 0 or a negative errno value.
 */
static long move_to(struct elf_window *window, uint64_t offset, size_t size)
{
    if (offset >= window->begin && offset - window->begin <= window->length &&
        size <= window->length - (offset - window->begin))
        return 0;
    int interrupted = 0;
    long taken;
    do {
        taken = raw_pread(window->fd, window->bytes, sizeof window->bytes, offset);
    } while (raw_is_interrupted(taken, &interrupted));
    window->begin = offset;
    window->length = taken > 0 ? (size_t)taken : 0;
    return taken < 0 ? taken : 0;
}

long elf_file_read_some(struct elf_window *window, void *bytes, size_t size, uint64_t offset)
{
    if (offset > (uint64_t)INT64_MAX - ELF_FILE_WINDOW)
        return 0;
    const long moved = move_to(window, offset, size);
    if (moved < 0)
        return moved;
    const size_t skip = (size_t)(offset - window->begin), left = window->length - skip;
    const size_t taken = size < left ? size : left;
    memcpy(bytes, window->bytes + skip, taken);
    return (long)taken;
}

int elf_file_read(struct elf_window *window, void *bytes, size_t size, uint64_t offset)
{
    if (offset > (uint64_t)INT64_MAX - size)
        return 0;
    for (size_t done = 0; done < size;) {
        const size_t wanted = size - done < ELF_FILE_WINDOW ? size - done : ELF_FILE_WINDOW;
        const long taken = elf_file_read_some(window, (char *)bytes + done, wanted, offset + done);
        if (taken <= 0)
            return (int)taken;
        done += (size_t)taken;
    }
    return 1;
}

/* The narrow headers lie at the beginning of the memory of the wide ones, and are converted from the last one on.
 */
int elf_file_segments(struct elf_window *window, const Elf64_Ehdr *header, size_t first, size_t count,
                      Elf64_Phdr *segments)
{
    Elf32_Phdr narrow;
    const size_t size = is_64_bit(header) ? sizeof *segments : sizeof narrow;
    const int result = elf_file_read(window, segments, count * size, header->e_phoff + first * size);
    for (size_t i = count; result == 1 && size == sizeof narrow && i-- > 0;) {
        memcpy(&narrow, (const char *)segments + i * sizeof narrow, sizeof narrow);
        segments[i] = (Elf64_Phdr){.p_type = narrow.p_type,
                                   .p_flags = narrow.p_flags,
                                   .p_offset = narrow.p_offset,
                                   .p_vaddr = narrow.p_vaddr,
                                   .p_paddr = narrow.p_paddr,
                                   .p_filesz = narrow.p_filesz,
                                   .p_memsz = narrow.p_memsz,
                                   .p_align = narrow.p_align};
    }
    return result;
}

int elf_file_sections(struct elf_window *window, const Elf64_Ehdr *header, size_t first, size_t count,
                      Elf64_Shdr *sections)
{
    Elf32_Shdr narrow;
    const size_t size = is_64_bit(header) ? sizeof *sections : sizeof narrow;
    const int result = elf_file_read(window, sections, count * size, header->e_shoff + first * size);
    for (size_t i = count; result == 1 && size == sizeof narrow && i-- > 0;) {
        memcpy(&narrow, (const char *)sections + i * sizeof narrow, sizeof narrow);
        sections[i] = (Elf64_Shdr){.sh_name = narrow.sh_name,
                                   .sh_type = narrow.sh_type,
                                   .sh_flags = narrow.sh_flags,
                                   .sh_addr = narrow.sh_addr,
                                   .sh_offset = narrow.sh_offset,
                                   .sh_size = narrow.sh_size,
                                   .sh_link = narrow.sh_link,
                                   .sh_info = narrow.sh_info,
                                   .sh_addralign = narrow.sh_addralign,
                                   .sh_entsize = narrow.sh_entsize};
    }
    return result;
}
