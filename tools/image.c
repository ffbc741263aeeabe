/*
 * Maps an ELF file and reads its section headers (elf(5)). The file may be malicious: every offset is compared with
 * the size of the file.
 */
#include "image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* A pointer to `count` objects of `size` bytes at `offset`, or NULL unless all of them are in the file. */
static const void *part(const struct image *image, uint64_t offset, uint64_t count, uint64_t size)
{
    if (offset > image->size || count > (image->size - offset) / size)
        return NULL;
    return image->bytes + offset;
}

/* The text at `offset` of a string table, or NULL unless it ends within the table. */
static const char *text_at(const struct image *image, const ElfW(Shdr) * table, uint64_t offset)
{
    const char *text = part(image, table->sh_offset, table->sh_size, 1);
    if (text == NULL || offset >= table->sh_size ||
        memchr(text + offset, '\0', (size_t)(table->sh_size - offset)) == NULL)
        return NULL;
    return text + offset;
}

int image_open(struct image *image, const char *path)
{
    struct stat status;
    memset(image, 0, sizeof *image);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int result = fstat(fd, &status) == 0 ? 0 : -errno;
    if (result == 0 && status.st_size > 0) {
        image->bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        image->size = (size_t)status.st_size;
        if (image->bytes == MAP_FAILED) {
            *image = (struct image){0};
            result = -errno;
        }
    }
    close(fd);
    image->is_native =
        image->size >= sizeof __ehdr_start && memcmp(image->bytes, __ehdr_start.e_ident, EI_VERSION) == 0;
    return result;
}

void image_close(struct image *image)
{
    if (image->bytes != NULL)
        munmap(image->bytes, image->size);
    memset(image, 0, sizeof *image);
}

/* Copies section header number `index`, because it may not be aligned. Returns false if there is none. */
static bool section_at(const struct image *image, size_t index, ElfW(Shdr) * section)
{
    ElfW(Ehdr) header;
    if (!image->is_native)
        return false;
    memcpy(&header, image->bytes, sizeof header);
    if (index >= header.e_shnum || header.e_shentsize != sizeof *section)
        return false;
    const uint8_t *headers = part(image, header.e_shoff, header.e_shnum, sizeof *section);
    if (headers == NULL)
        return false;
    memcpy(section, headers + index * sizeof *section, sizeof *section);
    return true;
}

/* Finds the first section of that type and its string table. Returns false if there is none. */
static bool section_of_type(const struct image *image, uint32_t type, ElfW(Shdr) * section, ElfW(Shdr) * strings)
{
    for (size_t i = 0; section_at(image, i, section); i++)
        if (section->sh_type == type)
            return section_at(image, section->sh_link, strings) && strings->sh_type == SHT_STRTAB;
    return false;
}

const char *image_needed(const struct image *image, size_t index)
{
    ElfW(Shdr) section, strings;
    if (!section_of_type(image, SHT_DYNAMIC, &section, &strings))
        return NULL;
    size_t count = section.sh_size / sizeof(ElfW(Dyn));
    const uint8_t *entries = part(image, section.sh_offset, count, sizeof(ElfW(Dyn)));
    for (size_t i = 0; entries != NULL && i < count; i++) {
        ElfW(Dyn) entry;
        memcpy(&entry, entries + i * sizeof entry, sizeof entry);
        if (entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_NEEDED && index-- == 0)
            return text_at(image, &strings, entry.d_un.d_val);
    }
    return NULL;
}

enum image_symbol image_symbol(const struct image *image, const char *name)
{
    ElfW(Shdr) section, strings;
    if (!section_of_type(image, SHT_DYNSYM, &section, &strings))
        return IMAGE_SYMBOL_ABSENT;
    size_t count = section.sh_size / sizeof(ElfW(Sym));
    const uint8_t *symbols = part(image, section.sh_offset, count, sizeof(ElfW(Sym)));
    for (size_t i = 0; symbols != NULL && i < count; i++) {
        ElfW(Sym) symbol;
        memcpy(&symbol, symbols + i * sizeof symbol, sizeof symbol);
        const char *text = text_at(image, &strings, symbol.st_name);
        if (text != NULL && strcmp(text, name) == 0)
            return symbol.st_shndx == SHN_UNDEF ? IMAGE_SYMBOL_IMPORTED : IMAGE_SYMBOL_DEFINED;
    }
    return IMAGE_SYMBOL_ABSENT;
}

bool image_contains(const struct image *image, const char *text)
{
    return image->size > 0 && memmem(image->bytes, image->size, text, strlen(text)) != NULL;
}
