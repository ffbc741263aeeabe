/*
 * Recognises programs that are written in Go. They make their system calls without libc, even if they are linked
 * dynamically (cgo), so preloading has no effect on them.
 */
#ifndef PFSWRAP_BASE_GO_H
#define PFSWRAP_BASE_GO_H

#include <stdbool.h>

#include "base/elf_file.h"

/*
 * Whether the ELF file contains Go's runtime: Go's own note (cmd/internal/buildid), or a section that Go's
 * linker makes (debug/buildinfo, debug/gosym) and strip(1) keeps. The file must have this process's byte order.
 * Makes system calls only, so it may run in signal handlers and in children of vfork().
 */
bool go_is_inside(struct elf_window *window);

#endif
