/*
 * Go's programs, which make system calls of their own: also where they are linked dynamically (cgo), no call of
 * theirs passes libc, so that preloading reaches nothing.
 */
#ifndef PFSWRAP_BASE_GO_H
#define PFSWRAP_BASE_GO_H

#include <stdbool.h>

/*
 * Whether the ELF file `fd`, of this process's own word size and byte order, has Go's runtime in it: Go's own note
 * (cmd/internal/buildid) or one of the sections that its linker makes (debug/buildinfo, debug/gosym), which
 * strip(1) leaves. No libc: for signal handlers and children of vfork() too.
 */
bool go_is_inside(int fd);

#endif
