/*
 * The table of objects, and their entries in LD_PRELOAD. The entry is written for each executed program. $LIB and
 * $PLATFORM would do that in glibc's ld.so, but not in musl's, which takes the words as they are. And an entry for
 * each object at once makes every ld.so complain about the others (ld.so(8)). See object.h.
 */
#include "children/object.h"

#include <elf.h>
#include <string.h>

#include "base/raw_file.h"

/* The one in DIR if this one is in DIR/NAME; the Makefile says what it is where this object was built. */
#ifndef PFSWRAP_NATIVE_OBJECT
#define PFSWRAP_NATIVE_OBJECT OBJECT_OWN
#endif

static const char file_name[] = "/libpfswrap.so";

static const struct {
    char name[16], interpreter[32];
    uint16_t machine;
    bool is_64_bit;
} objects[OBJECT_KINDS] = {
    [OBJECT_NONE] = {"none", "", EM_NONE, false},
    [OBJECT_X86_64] = {"x86_64", "/lib64/ld-linux-x86-64.so.2", EM_X86_64, true},
    [OBJECT_I386] = {"i386", "/lib/ld-linux.so.2", EM_386, false},
    [OBJECT_AARCH64] = {"aarch64", "/lib/ld-linux-aarch64.so.1", EM_AARCH64, true},
    [OBJECT_X86_64_MUSL] = {"x86_64-musl", "/lib/ld-musl-x86_64.so.1", EM_X86_64, true},
    [OBJECT_I386_MUSL] = {"i386-musl", "/lib/ld-musl-i386.so.1", EM_386, false},
    [OBJECT_AARCH64_MUSL] = {"aarch64-musl", "/lib/ld-musl-aarch64.so.1", EM_AARCH64, true},
};

/* The path of that ld.so. The compiler says where the own one is. */
static const char *interpreter_of(enum object_kind kind)
{
    return kind == OBJECT_OWN ? PFSWRAP_INTERPRETER : objects[kind].interpreter;
}

static bool is_for(enum object_kind kind, uint16_t machine, bool is_64_bit)
{
    return kind != OBJECT_NONE && objects[kind].machine == machine && objects[kind].is_64_bit == is_64_bit;
}

const char *object_name(enum object_kind kind)
{
    return objects[kind].name;
}

bool object_is_alike(enum object_kind kind)
{
    return is_for(kind, objects[OBJECT_OWN].machine, objects[OBJECT_OWN].is_64_bit);
}

bool object_has_machine(uint16_t machine, bool is_64_bit)
{
    for (enum object_kind kind = OBJECT_NONE; kind < OBJECT_KINDS; kind++)
        if (is_for(kind, machine, is_64_bit))
            return true;
    return false;
}

static bool is_same_file(const char *path, const struct stat *wanted)
{
    struct stat status = {0};
    return raw_stat(path, &status) == 0 && status.st_dev == wanted->st_dev && status.st_ino == wanted->st_ino;
}

enum object_kind object_of_program(uint16_t machine, bool is_64_bit, const char *interpreter)
{
    struct stat status = {0};
    for (enum object_kind kind = OBJECT_NONE; kind < OBJECT_KINDS; kind++)
        if (is_for(kind, machine, is_64_bit) && strcmp(interpreter, interpreter_of(kind)) == 0)
            return kind;
    if (raw_stat(interpreter, &status) != 0)
        return OBJECT_NONE;
    for (enum object_kind kind = OBJECT_NONE; kind < OBJECT_KINDS; kind++)
        if (is_for(kind, machine, is_64_bit) && is_same_file(interpreter_of(kind), &status))
            return kind;
    return OBJECT_NONE;
}

struct object_place object_place_of(const char *own)
{
    const size_t length = strlen(own), name = strlen(objects[OBJECT_OWN].name);
    const size_t folder = length > sizeof file_name - 1 ? length - (sizeof file_name - 1) : 0;
    struct object_place place = {.own = own, .folder = folder, .native = OBJECT_OWN};
    if (folder <= name || own[folder - name - 1] != '/' ||
        memcmp(own + folder - name, objects[OBJECT_OWN].name, name) != 0)
        return place;
    place.folder = folder - name - 1;
    place.native = PFSWRAP_NATIVE_OBJECT;
    return place;
}

char *object_path(char *path, const struct object_place *place, enum object_kind kind)
{
    if (kind == OBJECT_NONE || kind == OBJECT_OWN)
        return stpcpy(path, place->own);
    memcpy(path, place->own, place->folder);
    path += place->folder;
    if (kind != place->native) {
        *path++ = '/';
        path = stpcpy(path, objects[kind].name);
    }
    return stpcpy(path, file_name);
}

/* Whether the `size` bytes at `word` are the path of that object. */
static bool is_path(const char *word, size_t size, const struct object_place *place, enum object_kind kind)
{
    if (kind == OBJECT_OWN)
        return size == strlen(place->own) && memcmp(word, place->own, size) == 0;
    const char *const name = objects[kind].name;
    const size_t folder = place->folder, name_size = kind == place->native ? 0 : strlen(name) + 1;
    if (size != folder + name_size + sizeof file_name - 1 || memcmp(word, place->own, folder) != 0 ||
        memcmp(word + folder + name_size, file_name, sizeof file_name - 1) != 0)
        return false;
    return name_size == 0 || (word[folder] == '/' && memcmp(word + folder + 1, name, name_size - 1) == 0);
}

/* The object of pfswrap that the `size` bytes at `word` name, or OBJECT_NONE. */
static enum object_kind object_at(const char *word, size_t size, const struct object_place *place)
{
    for (enum object_kind kind = OBJECT_NONE + 1; kind < OBJECT_KINDS; kind++)
        if (is_path(word, size, place, kind))
            return kind;
    return OBJECT_NONE;
}

/* The size of the word at `text`: words end at colons and blanks (ld.so(8)). */
static size_t word_size(const char *text)
{
    return strcspn(text, ": ");
}

static enum object_kind wanted(enum object_kind kind)
{
    return kind == OBJECT_NONE ? OBJECT_OWN : kind;
}

bool object_is_preloaded(const char *preload, const struct object_place *place, enum object_kind kind, bool first)
{
    bool is_there = false;
    while (preload != NULL && *preload != '\0') {
        const size_t size = word_size(preload);
        const enum object_kind found = object_at(preload, size, place);
        if (found != OBJECT_NONE && found != wanted(kind))
            return false;
        if (found == OBJECT_NONE && size > 0 && first && !is_there)
            return false;
        is_there = is_there || found != OBJECT_NONE;
        preload += size + (preload[size] != '\0');
    }
    return is_there;
}

/* Whether `preload` has an entry of pfswrap. */
static bool has_any(const char *preload, const struct object_place *place)
{
    while (*preload != '\0') {
        const size_t size = word_size(preload);
        if (object_at(preload, size, place) != OBJECT_NONE)
            return true;
        preload += size + (preload[size] != '\0');
    }
    return false;
}

char *object_preload(char *room, const char *preload, const struct object_place *place, enum object_kind kind,
                     bool first)
{
    char *at = room, separator = ':';
    if (preload == NULL)
        preload = "";
    bool is_put = first || !has_any(preload, place);
    if (is_put)
        at = object_path(at, place, kind);
    while (*preload != '\0') {
        const size_t size = word_size(preload);
        const bool is_ours = object_at(preload, size, place) != OBJECT_NONE;
        if (size > 0 && !(is_ours && is_put)) {
            if (at != room)
                *at++ = separator;
            if (is_ours)
                at = object_path(at, place, kind);
            else
                at = (char *)memcpy(at, preload, size) + size;
            is_put = is_put || is_ours;
        }
        if (preload[size] != '\0')
            separator = preload[size];
        preload += size + (preload[size] != '\0');
    }
    *at = '\0';
    return at;
}
