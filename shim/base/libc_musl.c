/*
 * Functions of glibc that Debian's libsodium.a and libinih.a call, and musl lacks (mk/target/x86_64-musl.mk). They
 * are hidden, as all of these archives.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void __explicit_bzero_chk(void *at, size_t size, size_t room);

/* The compiler has checked `room` where it could. */
void __explicit_bzero_chk(void *at, size_t size, size_t room)
{
    if (size > room)
        __builtin_trap();
    memset(at, 0, size);
    __asm__ volatile("" : : "r"(at) : "memory");
}

/* musl's offsets have 64 bits. Since 1.2.4 its archives and headers have no such name. */
#undef fopen64
FILE *fopen64(const char *restrict path, const char *restrict mode);
FILE *fopen64(const char *restrict path, const char *restrict mode)
{
    return fopen(path, mode);
}
