/*
 * What one file is and what follows from it: elf(5), execve(2), capabilities(7), ld.so(8). The order and the limits
 * of the checks are those of Linux's loaders for ELF files and scripts (fs/binfmt_elf.c, fs/binfmt_script.c), since
 * a file must be seen here as the kernel will see it. See executable.h; executable_find.c follows names and
 * scripts.
 */
#include "children/executable.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "base/elf_file.h"
#include "base/filter.h"
#include "base/go.h"
#include "base/raw_file.h"
#include "base/workspace.h"

enum { HEADERS_BYTES_MAX = 65536 /* of all program headers together, to Linux */ };

/* PT_INTERP. Returns as elf_file_read(). */
static int read_interpreter(struct elf_window *window, const Elf64_Phdr *header, struct executable *file)
{
    const size_t size = header->p_filesz < PATH_MAX ? (size_t)header->p_filesz : PATH_MAX;
    if (size < 2 || size != header->p_filesz)
        return 0;
    int result = elf_file_read(window, file->interpreter, size, header->p_offset);
    if (result == 1 && file->interpreter[size - 1] != '\0')
        result = 0;
    if (result != 1)
        file->interpreter[0] = '\0';
    return result;
}

static uint64_t whole_pages(uint64_t bytes)
{
    const uint64_t page = getauxval(AT_PAGESZ);
    return (bytes + page - 1) / page * page;
}

/* PT_LOAD and PT_DYNAMIC: what ld.so maps of a shared object. `size`: bytes of the file. */
static void read_segment(const Elf64_Phdr *header, uint64_t size, struct executable *file, bool *has_dynamic)
{
    if (header->p_type == PT_DYNAMIC)
        *has_dynamic = true;
    if (header->p_type != PT_LOAD)
        return;
    const uint64_t bytes = whole_pages(header->p_vaddr % getauxval(AT_PAGESZ) + header->p_memsz);
    file->memory += bytes;
    if ((header->p_flags & PF_W) != 0)
        file->data += bytes;
    if (header->p_offset > size || header->p_filesz > size - header->p_offset)
        file->is_loadable = false;
}

/* Reads all program headers. The first PT_INTERP is the one that counts. Returns as elf_file_read(). */
static int read_program_headers(struct elf_window *window, const Elf64_Ehdr *header, uint64_t size,
                                struct executable *file)
{
    Elf64_Phdr headers[ELF_FILE_AT_ONCE] = {0};
    bool has_dynamic = false, has_interpreter = false;
    const size_t count = header->e_phnum;
    if (!elf_file_has_segments(header) || count == 0 || count * header->e_phentsize > HEADERS_BYTES_MAX)
        return 0;
    file->is_loadable = true;
    for (size_t first = 0; first < count; first += ELF_FILE_AT_ONCE) {
        const size_t some = count - first < ELF_FILE_AT_ONCE ? count - first : ELF_FILE_AT_ONCE;
        int result = elf_file_segments(window, header, first, some, headers);
        for (size_t i = 0; i < some && result == 1; i++) {
            read_segment(&headers[i], size, file, &has_dynamic);
            if (headers[i].p_type == PT_INTERP && !has_interpreter) {
                has_interpreter = true;
                result = read_interpreter(window, &headers[i], file);
            }
        }
        if (result != 1)
            return result;
    }
    file->is_loadable = file->is_loadable && has_dynamic && file->memory > 0;
    return 1;
}

/* `begin`: the first `length` bytes of the file, which has `size` bytes. Returns 0, or a negative errno value. */
static int read_elf(struct elf_window *window, const void *begin, size_t length, uint64_t size,
                    struct executable *file)
{
    const unsigned char *const ident = begin;
    Elf64_Ehdr header;
    if (!elf_file_header(&header, begin, length)) {
        const bool is_whole = length >= sizeof header;
        file->kind = is_whole ? EXECUTABLE_KIND_FOREIGN : EXECUTABLE_KIND_BROKEN; /* another byte order, or cut */
        if (is_whole)
            memcpy(&file->machine, ident + offsetof(Elf64_Ehdr, e_machine), sizeof file->machine);
        return 0;
    }
    file->type = header.e_type;
    file->machine = header.e_machine;
    file->is_64_bit = ident[EI_CLASS] == ELFCLASS64;
    if (!object_has_machine(header.e_machine, file->is_64_bit)) {
        file->kind = EXECUTABLE_KIND_FOREIGN;
        return 0;
    }
    file->kind = EXECUTABLE_KIND_BROKEN;
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return 0;
    const int result = read_program_headers(window, &header, size, file);
    if (result != 1)
        return result;
    file->kind = file->interpreter[0] != '\0' ? EXECUTABLE_KIND_DYNAMIC : EXECUTABLE_KIND_STATIC;
    if (file->kind == EXECUTABLE_KIND_DYNAMIC)
        file->object = object_of_program(file->machine, file->is_64_bit, file->interpreter);
    return 0;
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t';
}

/*
 * Takes a #! line apart; `line` has EXECUTABLE_LINE_MAX bytes, and zero bytes after the end of a shorter file.
 * Returns false if the kernel would not find an interpreter in it.
 */
static bool read_script(const char *line, struct executable *file)
{
    const char *const newline = memchr(line, '\n', EXECUTABLE_LINE_MAX);
    const char *end = newline != NULL ? newline : line + EXECUTABLE_LINE_MAX;
    const char *path = line + 2;
    while (end > path && is_blank(end[-1]))
        end--;
    while (path < end && is_blank(*path))
        path++;
    const char *path_end = path;
    while (path_end < end && !is_blank(*path_end) && *path_end != '\0')
        path_end++;
    /* Without a newline, a path that fills the rest of the line may have been cut. */
    if (path_end == path || (newline == NULL && path_end == line + EXECUTABLE_LINE_MAX))
        return false;
    const char *argument = path_end;
    while (argument < end && is_blank(*argument))
        argument++;
    memcpy(file->interpreter, path, (size_t)(path_end - path));
    memcpy(file->argument, argument, strnlen(argument, (size_t)(end - argument)));
    return true;
}

static void read_privileges(int fd, const struct stat *status, struct executable *file)
{
    file->is_set_user_id = (status->st_mode & S_ISUID) != 0;
    /* Without permission to execute for the group, the bit stands for mandatory locking. */
    file->is_set_group_id = (status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    file->owner = status->st_uid;
    file->group = status->st_gid;
    const long size =
        filter_allows(SYS_fgetxattr) ? raw_syscall(SYS_fgetxattr, fd, "security.capability", NULL, 0) : -ENOSYS;
    /* ENODATA: it has none. ENOTSUP, ENOSYS: no file has any here. Every other errno means that it may. */
    file->has_capabilities = size != -ENODATA && size != -ENOTSUP && size != -ENOSYS;
    file->capabilities_unreadable = file->has_capabilities && size < 0;
}

static int read_file(struct elf_window *window, struct executable *file, bool is_library)
{
    union {
        Elf64_Ehdr header; /* for the alignment */
        char line[EXECUTABLE_LINE_MAX];
    } begin;
    struct stat status = {0};
    memset(file, 0, sizeof *file);
    memset(&begin, 0, sizeof begin);
    const long stated = raw_fstat(window->fd, &status);
    if (stated != 0 || !S_ISREG(status.st_mode))
        return (int)stated;
    const long length = elf_file_read_some(window, &begin, sizeof begin, 0);
    if (length < 0)
        return (int)length;
    if (!is_library)
        read_privileges(window->fd, &status, file);
    if (length >= SELFMAG && memcmp(begin.line, ELFMAG, SELFMAG) == 0)
        return read_elf(window, begin.line, (size_t)length, (uint64_t)status.st_size, file);
    if (begin.line[0] == '#' && begin.line[1] == '!')
        file->kind = read_script(begin.line, file) ? EXECUTABLE_KIND_SCRIPT : EXECUTABLE_KIND_UNKNOWN;
    else if (memchr(begin.line, '\0', (size_t)length) == NULL)
        file->kind = EXECUTABLE_KIND_TEXT;
    return 0;
}

static int read_in_workspace(int fd, struct executable *file, bool is_library)
{
    _Static_assert(sizeof(struct elf_window) <= WORKSPACE_BYTES, "a window fits into a workspace");
    struct elf_window *window = workspace_take();
    if (window == NULL)
        return -ENOMEM;
    window->fd = fd;
    window->begin = window->length = 0;
    const int result = read_file(window, file, is_library);
    if (result == 0 && !is_library &&
        (file->kind == EXECUTABLE_KIND_DYNAMIC || file->kind == EXECUTABLE_KIND_STATIC))
        file->is_go = go_is_inside(window);
    workspace_give(window);
    return result;
}

int executable_read(int fd, struct executable *file)
{
    return read_in_workspace(fd, file, false);
}

int executable_read_library(int fd, struct executable *file)
{
    return read_in_workspace(fd, file, true);
}

enum executable_privilege executable_privilege(const struct executable *file,
                                               const struct executable_caller *caller)
{
    if (file->is_set_user_id && (caller == NULL || caller->user != file->owner))
        return EXECUTABLE_PRIVILEGE_USER;
    if (file->is_set_group_id && (caller == NULL || caller->group != file->group))
        return EXECUTABLE_PRIVILEGE_GROUP;
    if (!file->has_capabilities || (caller != NULL && caller->user == 0))
        return EXECUTABLE_PRIVILEGE_NONE;
    return file->capabilities_unreadable ? EXECUTABLE_PRIVILEGE_UNKNOWN : EXECUTABLE_PRIVILEGE_CAPABILITIES;
}

enum executable_reason executable_decide(const struct executable *file, const struct executable_caller *caller)
{
    switch (file->kind) {
    case EXECUTABLE_KIND_SCRIPT:
        return EXECUTABLE_OK;
    case EXECUTABLE_KIND_FOREIGN:
        return EXECUTABLE_OTHER_MACHINE;
    case EXECUTABLE_KIND_STATIC:
        return EXECUTABLE_STATIC;
    case EXECUTABLE_KIND_DYNAMIC:
        if (executable_privilege(file, caller) != EXECUTABLE_PRIVILEGE_NONE)
            return EXECUTABLE_PRIVILEGED;
        if (file->object == OBJECT_NONE)
            return EXECUTABLE_OTHER_LOADER;
        return file->is_go ? EXECUTABLE_GO : EXECUTABLE_OK;
    case EXECUTABLE_KIND_UNKNOWN:
    case EXECUTABLE_KIND_TEXT:
    case EXECUTABLE_KIND_BROKEN:
        break;
    }
    return EXECUTABLE_NOT_EXECUTABLE;
}

/* By object: what EXECUTABLE_NO_OBJECT says. */
#define NO_OBJECT(name) "the program needs " name "/libpfswrap.so, which is not installed beside libpfswrap.so"
static const char *const no_object_texts[OBJECT_KINDS] = {
    [OBJECT_X86_64] = NO_OBJECT("x86_64"),       [OBJECT_I386] = NO_OBJECT("i386"),
    [OBJECT_AARCH64] = NO_OBJECT("aarch64"),     [OBJECT_X86_64_MUSL] = NO_OBJECT("x86_64-musl"),
    [OBJECT_I386_MUSL] = NO_OBJECT("i386-musl"), [OBJECT_AARCH64_MUSL] = NO_OBJECT("aarch64-musl"),
};

const char *executable_reason_text(enum executable_reason reason, enum object_kind object)
{
    switch (reason) {
    case EXECUTABLE_OK:
        break;
    case EXECUTABLE_NOT_EXECUTABLE:
        return "the file is neither an ELF program nor a script";
    case EXECUTABLE_OTHER_MACHINE:
        return "the program is for another machine";
    case EXECUTABLE_STATIC:
        return "the program is statically linked";
    case EXECUTABLE_PRIVILEGED:
        return "the program has privileges of its own (set-user-ID, set-group-ID or capabilities)";
    case EXECUTABLE_OTHER_LOADER:
        return "the program is loaded by another ld.so, for another libc";
    case EXECUTABLE_GO:
        return "the program is a Go program, which makes system calls of its own";
    case EXECUTABLE_NO_OBJECT:
        return no_object_texts[object];
    case EXECUTABLE_LIBRARY_BROKEN:
        return "the program it executes cannot be protected: libpfswrap.so is no shared object that can be mapped";
    case EXECUTABLE_LIBRARY_NO_EXEC:
        return "the program it executes cannot be protected: libpfswrap.so must not be executed here (noexec)";
    case EXECUTABLE_LIMIT_AS:
        return "the program it executes cannot be protected: RLIMIT_AS leaves no room for libpfswrap.so";
    case EXECUTABLE_LIMIT_DATA:
        return "the program it executes cannot be protected: RLIMIT_DATA leaves no room for libpfswrap.so";
    case EXECUTABLE_UNREADABLE:
        return "the program cannot be read to find out whether it can be protected";
    }
    return NULL;
}
