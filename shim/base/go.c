/*
 * Reads an executable's headers with a few calls of pread(2). The file may be hostile: sizes and offsets are
 * checked, and a part that does not fit counts as missing.
 */
#include "base/go.h"

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/elf_file.h"
#include "base/raw_file.h"

enum { NOTES_BYTES = 512, NOTE_GO_BUILD_ID = 4, NAME_BYTES = 16 };

static size_t aligned(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static bool notes_have_go(struct elf_window *window, const Elf64_Phdr *header)
{
    union {
        Elf64_Nhdr first;
        char bytes[NOTES_BYTES];
    } notes;
    const size_t wanted = header->p_filesz < sizeof notes ? (size_t)header->p_filesz : sizeof notes;
    const long length = elf_file_read_some(window, &notes, wanted, header->p_offset);
    if (length < 0)
        return false;
    for (size_t at = 0; at + sizeof notes.first + sizeof "Go" <= (size_t)length;) {
        Elf64_Nhdr note;
        memcpy(&note, notes.bytes + at, sizeof note);
        at += sizeof note;
        if (note.n_type == NOTE_GO_BUILD_ID && note.n_namesz >= sizeof "Go" &&
            memcmp(notes.bytes + at, "Go", sizeof "Go") == 0)
            return true;
        if (note.n_namesz > sizeof notes || note.n_descsz > sizeof notes)
            return false;
        at += aligned(note.n_namesz) + aligned(note.n_descsz);
    }
    return false;
}

static bool segments_have_go(struct elf_window *window, const Elf64_Ehdr *file)
{
    Elf64_Phdr headers[ELF_FILE_AT_ONCE] = {0};
    for (size_t first = 0; first < file->e_phnum; first += ELF_FILE_AT_ONCE) {
        const size_t count = file->e_phnum - first < ELF_FILE_AT_ONCE ? file->e_phnum - first : ELF_FILE_AT_ONCE;
        if (elf_file_segments(window, file, first, count, headers) != 1)
            return false;
        for (size_t i = 0; i < count; i++)
            if (headers[i].p_type == PT_NOTE && notes_have_go(window, &headers[i]))
                return true;
    }
    return false;
}

/* Names of sections, as many as one read returns. A linker puts them next to each other. */
struct names {
    uint64_t offset; /* of the whole table in the file */
    uint64_t begin;  /* window->names has `length` bytes of the table from here on */
    size_t length;
};

static bool is_go_section(struct elf_window *window, struct names *names, uint64_t at)
{
    static const char *const marks[] = {".go.buildinfo", ".gopclntab"};
    if (at < names->begin || at + NAME_BYTES > names->begin + names->length) {
        const long length = raw_pread(window->fd, window->names, sizeof window->names, names->offset + at);
        names->begin = at;
        names->length = length > 0 ? (size_t)length : 0;
    }
    const size_t skip = (size_t)(at - names->begin);
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const size_t size = strlen(marks[i]) + 1;
        if (size <= names->length - skip && memcmp(window->names + skip, marks[i], size) == 0)
            return true;
    }
    return false;
}

static bool sections_have_go(struct elf_window *window, const Elf64_Ehdr *file)
{
    Elf64_Shdr headers[ELF_FILE_AT_ONCE] = {0}, table = {0};
    struct names names;
    /* First of all the first one, so that the window has as many as fit. */
    if (elf_file_sections(window, file, 0, 1, &table) != 1 ||
        elf_file_sections(window, file, file->e_shstrndx, 1, &table) != 1)
        return false;
    names.offset = table.sh_offset;
    names.begin = names.length = 0;
    for (size_t first = 0; first < file->e_shnum; first += ELF_FILE_AT_ONCE) {
        const size_t count = file->e_shnum - first < ELF_FILE_AT_ONCE ? file->e_shnum - first : ELF_FILE_AT_ONCE;
        if (elf_file_sections(window, file, first, count, headers) != 1)
            return false;
        for (size_t i = 0; i < count; i++)
            if (is_go_section(window, &names, headers[i].sh_name))
                return true;
    }
    return false;
}

bool go_is_inside(struct elf_window *window)
{
    Elf64_Ehdr begin = {0}, file;
    const long length = elf_file_read_some(window, &begin, sizeof begin, 0);
    if (length < 0 || !elf_file_header(&file, &begin, (size_t)length))
        return false;
    return (elf_file_has_segments(&file) && segments_have_go(window, &file)) ||
           (elf_file_has_sections(&file) && file.e_shstrndx < file.e_shnum && sections_have_go(window, &file));
}
