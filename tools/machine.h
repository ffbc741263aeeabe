/*
 * Names of machines for messages: "x86-64", "arm64".
 */
#ifndef PFSWRAP_TOOLS_MACHINE_H
#define PFSWRAP_TOOLS_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The name of a machine by its number in ELF headers (e_machine, elf(5)) and its word size. A number without a name
 * is "machine N", in a buffer that the next call overwrites.
 */
const char *machine_name(uint16_t machine, bool is_64_bit);

/* The name of the machine that this program and libpfswrap.so were built for. */
const char *machine_own_name(void);

#endif
