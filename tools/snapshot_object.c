/*
 * The headers and notes of an object in another process's memory (elf(5)). Only little-endian objects, as on all
 * machines of pfswrap. See snapshot_object.h.
 */
#include "snapshot_object.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

enum { HEADERS_MAX = 64, NOTES_MAX = 4096 };

enum snapshot_result snapshot_result_of(int error)
{
    switch (error) {
    case 0:
        return SNAPSHOT_READ;
    case -EPERM:
    case -EACCES:
    case -ENOSYS:
        return SNAPSHOT_DENIED;
    case -ESRCH:
        return SNAPSHOT_GONE;
    default:
        return SNAPSHOT_BROKEN;
    }
}

static int read_part(const struct memory_source *source, uint64_t address, void *to, size_t size)
{
    const struct memory_part part = {address, to, size};
    return source->read(source->argument, &part, 1);
}

/* A note of the object, within its bytes. */
struct note {
    uint32_t type;
    const char *owner;
    uint32_t owner_size, size;
    const uint8_t *content;
    size_t at; /* of the content, in the segment */
};

static size_t padded(uint32_t size)
{
    return ((size_t)size + 3) & ~(size_t)3;
}

/* The note at *at, which moves behind it. False: there is no further one. */
static bool next_note(const uint8_t *bytes, size_t size, size_t *at, struct note *note)
{
    Elf32_Nhdr header; /* the same for 64 bits */
    if (size - *at < sizeof header)
        return false;
    memcpy(&header, bytes + *at, sizeof header);
    const size_t rest = size - *at - sizeof header;
    if (header.n_namesz > NOTES_MAX || header.n_descsz > NOTES_MAX ||
        padded(header.n_namesz) + padded(header.n_descsz) > rest)
        return false;
    const size_t owner = *at + sizeof header, content = owner + padded(header.n_namesz);
    *note = (struct note){
        header.n_type, (const char *)bytes + owner, header.n_namesz, header.n_descsz, bytes + content, content};
    *at = content + padded(header.n_descsz);
    return true;
}

static bool is_owned(const struct note *note, const char *owner)
{
    return note->owner_size == strlen(owner) + 1 && memcmp(note->owner, owner, note->owner_size) == 0;
}

/* Looks through a segment of notes at `address`. Returns whether the block was found. */
static bool look_through(struct snapshot *snapshot, const uint8_t *bytes, size_t size, uint64_t address,
                         uint64_t *block)
{
    struct note note;
    bool found = false;
    for (size_t at = 0; next_note(bytes, size, &at, &note);) {
        int32_t distance;
        if (is_owned(&note, "GNU") && note.type == NT_GNU_BUILD_ID && note.size <= SNAPSHOT_BUILD_ID_MAX) {
            memcpy(snapshot->build_id, note.content, note.size);
            snapshot->build_id_length = note.size;
        } else if (is_owned(&note, "pfswrap") && note.type == COUNTERS_NOTE_TYPE && note.size == sizeof distance) {
            memcpy(&distance, note.content, sizeof distance);
            *block = address + note.at + (uint64_t)(int64_t)distance;
            found = true;
        }
    }
    return found;
}

/* What both kinds of headers have. */
struct segment {
    uint32_t type;
    uint64_t address, size;
};

static struct segment segment_of(const uint8_t *headers, size_t index, bool is_64_bit)
{
    if (is_64_bit) {
        Elf64_Phdr header;
        memcpy(&header, headers + index * sizeof header, sizeof header);
        return (struct segment){header.p_type, header.p_vaddr, header.p_filesz};
    }
    Elf32_Phdr header;
    memcpy(&header, headers + index * sizeof header, sizeof header);
    return (struct segment){header.p_type, header.p_vaddr, header.p_filesz};
}

/* Where the program headers are, and how many. False: these bytes are not the header of an object. */
static bool header_check(const uint8_t *bytes, bool *is_64_bit, uint64_t *headers, size_t *count)
{
    if (memcmp(bytes, ELFMAG, SELFMAG) != 0 || bytes[EI_DATA] != ELFDATA2LSB)
        return false;
    if (bytes[EI_CLASS] == ELFCLASS64) {
        Elf64_Ehdr header;
        memcpy(&header, bytes, sizeof header);
        *is_64_bit = true;
        *headers = header.e_phoff;
        *count = header.e_phnum;
        return header.e_phentsize == sizeof(Elf64_Phdr) && *count <= HEADERS_MAX;
    }
    Elf32_Ehdr header;
    memcpy(&header, bytes, sizeof header);
    *is_64_bit = false;
    *headers = header.e_phoff;
    *count = header.e_phnum;
    return bytes[EI_CLASS] == ELFCLASS32 && header.e_phentsize == sizeof(Elf32_Phdr) && *count <= HEADERS_MAX;
}

enum snapshot_result snapshot_find(struct snapshot *snapshot, const struct memory_source *source, uint64_t base,
                                   uint64_t *block)
{
    uint8_t header[sizeof(Elf64_Ehdr)], headers[HEADERS_MAX * sizeof(Elf64_Phdr)], notes[NOTES_MAX];
    bool is_64_bit = false;
    uint64_t headers_at = 0;
    size_t count = 0;
    int error = read_part(source, base, header, sizeof header);
    if (error == 0 && !header_check(header, &is_64_bit, &headers_at, &count))
        return SNAPSHOT_BROKEN;
    if (error == 0)
        error = read_part(source, base + headers_at, headers,
                          count * (is_64_bit ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)));
    for (size_t i = 0; error == 0 && i < count; i++) {
        const struct segment segment = segment_of(headers, i, is_64_bit);
        if (segment.type != PT_NOTE || segment.size > sizeof notes)
            continue;
        error = read_part(source, base + segment.address, notes, (size_t)segment.size);
        if (error == 0 && look_through(snapshot, notes, (size_t)segment.size, base + segment.address, block))
            return SNAPSHOT_READ;
    }
    return error != 0 ? snapshot_result_of(error)
                      : SNAPSHOT_LAYOUT; /* an object without counters is an older one */
}
