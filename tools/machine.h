/*
 * The outside of an ELF file: for which machine it is and which program interpreter loads it. Enough to decide in a
 * few system calls whether a library can be preloaded into it. What is inside is image.h's.
 */
#ifndef PFSWRAP_TOOLS_ELF_FILE_H
#define PFSWRAP_TOOLS_ELF_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum elf_kind {
    ELF_NOT,     /* no ELF file */
    ELF_BROKEN,  /* begins as one and contradicts itself */
    ELF_FOREIGN, /* for another machine, word size or byte order than this tool */
    ELF_STATIC,  /* an executable without a program interpreter: ld.so never sees it */
    ELF_DYNAMIC, /* an executable or shared object of this machine; interpreter is empty for a shared object */
};

struct elf_file {
    enum elf_kind kind;
    uint16_t type;    /* ET_EXEC, ET_DYN, ... */
    uint16_t machine; /* EM_X86_64, ... */
    bool is_64_bit;
    char interpreter[PATH_MAX]; /* PT_INTERP, empty if there is none */
    bool is_go;                 /* it has Go's runtime in it (base/go.h) */
};

/* Reads the headers of the open file `fd`. Returns 0 with *file filled, or -1 with errno of pread(2). */
int elf_read(int fd, struct elf_file *file);

/* The ld.so that libpfswrap.so was built for. The tool itself is linked statically, which halves its start. */
#define ELF_OWN_INTERPRETER PFSWRAP_INTERPRETER

/* "x86-64", "i386", ... for messages. The text is overwritten by the next call for an unknown machine. */
const char *elf_machine_name(uint16_t machine, bool is_64_bit);

/* The machine of this process, as elf_machine_name() spells it. */
const char *elf_own_machine(void);

#endif
