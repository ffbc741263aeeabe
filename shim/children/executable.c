/*
 * The outside of an executable, as execve(2) and ld.so(8) look at it: its privileges, for which machine it is, and
 * whether it has a program interpreter. What env(1) or a shell execute later passes here again, from there.
 */
#include "children/executable.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/go.h"
#include "base/raw_syscall.h"

/* Where the linker put this object's own ELF header: of the machine that it was built for. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

#if defined(__x86_64__)
#define PFSWRAP_LOADER "/ld-linux-x86-64.so.2"
#else
#define PFSWRAP_LOADER "/ld-linux-aarch64.so.1"
#endif

enum { LINE_MAX_BYTES = 256, HEADERS_MAX = 64, SCRIPTS_MAX = 4 };

/* With other ids than the process's own, or capabilities, the new program starts in secure-execution mode. */
static bool gives_privileges(int fd, const struct stat *status)
{
    if ((status->st_mode & S_ISUID) != 0 && status->st_uid != (uid_t)raw_syscall(SYS_getuid))
        return true;
    if ((status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
        status->st_gid != (gid_t)raw_syscall(SYS_getgid))
        return true;
    return raw_syscall(SYS_getuid) != 0 && raw_syscall(SYS_fgetxattr, fd, "security.capability", NULL, 0) > 0;
}

/* A library for glibc is no library for another libc: `interpreter` is the PT_INTERP of a program. */
static bool is_other_loader(int fd, const ElfW(Phdr) * interpreter)
{
    static const char ours[] = PFSWRAP_LOADER;
    char path[PATH_MAX];
    const size_t size = interpreter->p_filesz;
    return size >= sizeof ours && size <= sizeof path &&
           raw_syscall(SYS_pread64, fd, path, size, interpreter->p_offset) == (long)size &&
           memcmp(path + size - sizeof ours, ours, sizeof ours) != 0;
}

static const char *elf_obstacle(int fd, const ElfW(Ehdr) * header)
{
    ElfW(Phdr) headers[HEADERS_MAX] = {{0}};
    if (memcmp(header->e_ident, __ehdr_start.e_ident, EI_VERSION) != 0 ||
        header->e_machine != __ehdr_start.e_machine)
        return "the program is for another machine";
    if (header->e_phentsize != sizeof headers[0] || header->e_phnum == 0 || header->e_phnum > HEADERS_MAX)
        return NULL;
    const long size = (long)(header->e_phnum * sizeof headers[0]);
    if (raw_syscall(SYS_pread64, fd, headers, size, header->e_phoff) != size)
        return NULL;
    for (size_t i = 0; i < header->e_phnum; i++)
        if (headers[i].p_type == PT_INTERP) {
            if (is_other_loader(fd, &headers[i]))
                return "the program is loaded by another ld.so, for another libc";
            return go_is_inside(fd) ? "the program is a Go program, which makes system calls of its own" : NULL;
        }
    return "the program is statically linked";
}

/* Copies the interpreter of a #! line. False: there is none. */
static bool interpreter_read(char *interpreter, const char *line, size_t length)
{
    size_t at = 2, end;
    if (length < 2 || line[0] != '#' || line[1] != '!')
        return false;
    while (at < length && (line[at] == ' ' || line[at] == '\t'))
        at++;
    for (end = at; end < length && line[end] != ' ' && line[end] != '\t' && line[end] != '\n'; end++)
        ;
    memcpy(interpreter, line + at, end - at);
    interpreter[end - at] = '\0';
    return end > at;
}

static const char *file_obstacle(int fd, int scripts);

static const char *path_obstacle(const char *path, int scripts)
{
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0)
        return NULL; /* it is not there, or may be executed and not be read */
    const char *obstacle = file_obstacle((int)fd, scripts);
    (void)raw_syscall(SYS_close, fd);
    return obstacle;
}

static const char *file_obstacle(int fd, int scripts)
{
    union {
        ElfW(Ehdr) header;
        char line[LINE_MAX_BYTES];
    } begin;
    char interpreter[LINE_MAX_BYTES];
    struct stat status = {0};
    memset(&begin, 0, sizeof begin);
    if (raw_syscall(SYS_fstat, fd, &status) != 0 || !S_ISREG(status.st_mode))
        return NULL;
    const long length = raw_syscall(SYS_pread64, fd, &begin, sizeof begin, 0);
    if (length < 2)
        return NULL;
    if (interpreter_read(interpreter, begin.line, (size_t)length))
        return scripts < SCRIPTS_MAX ? path_obstacle(interpreter, scripts + 1) : NULL;
    if ((size_t)length < sizeof begin.header || memcmp(begin.line, ELFMAG, SELFMAG) != 0)
        return NULL;
    if (gives_privileges(fd, &status))
        return "the program has privileges of its own (set-user-ID, set-group-ID or capabilities)";
    return elf_obstacle(fd, &begin.header);
}

const char *executable_obstacle_of(int fd)
{
    return file_obstacle(fd, 0);
}

/* Writes "DIRECTORY/NAME". False: it does not fit. */
static bool path_join(char path[PATH_MAX], const char *directory, size_t length, const char *name)
{
    const size_t size = strlen(name) + 1;
    if (length + 1 + size > PATH_MAX)
        return false;
    memcpy(path, directory, length);
    path[length] = '/';
    memcpy(path + length + 1, name, size);
    return true;
}

const char *executable_obstacle(const char *program)
{
    char path[PATH_MAX];
    if (program == NULL || strchr(program, '/') != NULL)
        return program != NULL ? path_obstacle(program, 0) : NULL;
    const char *directory = getenv("PATH");
    for (; directory != NULL; directory = strchr(directory, ':') != NULL ? strchr(directory, ':') + 1 : NULL) {
        const size_t length = strcspn(directory, ":");
        if (path_join(path, length > 0 ? directory : ".", length > 0 ? length : 1, program) &&
            raw_syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
            return path_obstacle(path, 0);
    }
    return NULL;
}
