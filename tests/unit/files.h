/*
 * Files for unit tests: a folder of its own for each case, and ELF files with headers as a test wants them.
 */
#ifndef PFSWRAP_TESTS_FILES_H
#define PFSWRAP_TESTS_FILES_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* A fixture: makes a folder in which every user may look, and enters it; goes back and removes it. */
void folder_enter(void);
void folder_leave(void);
extern char folder_path[]; /* absolute */

/* Writes `size` bytes to a file. */
void file_write(const char *name, const void *bytes, size_t size, mode_t mode);

/* Writes a text to a file with mode 0755. */
void file_write_text(const char *name, const char *text);

/* An ELF file for this machine. Its defaults are those of an executable without an interpreter. */
struct elf_file {
    const char *interpreter, *second_interpreter; /* PT_INTERP; NULL: none */
    uint16_t machine;                             /* e_machine; 0: this machine's */
    uint8_t class;                                /* EI_CLASS; 0: this machine's */
    uint16_t type;                                /* e_type; 0: ET_DYN */
    uint16_t padding;                             /* program headers of another type in front of the others */
    uint16_t entry_size;                          /* e_phentsize; 0: the right one */
    bool is_unterminated;                         /* the interpreter has no terminator */
    bool has_go_note;                             /* a note of Go's linker */
    bool is_cut;                                  /* the file ends in the first program header */
};
void elf_file_write(const char *name, struct elf_file elf, mode_t mode);

#endif
