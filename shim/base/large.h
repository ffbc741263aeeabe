/*
 * Where variables of a KiB and more are placed: behind all others. Then the variables that every process writes at
 * its start share a few pages, and its kernel makes no page for what lies between them. The linker places sections
 * by their names (--sort-section in the Makefile), and `.bss.large` comes after `.bss`. Without that option, a
 * variable is where it would be anyway.
 */
#ifndef PFSWRAP_BASE_LARGE_H
#define PFSWRAP_BASE_LARGE_H

/* For a variable that is zero at first, and has no other section. */
#define LARGE __attribute__((section(".bss.large")))

#endif
