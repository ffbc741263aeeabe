/*
 * The real functions whose offset has 64 bits. i386 has them beside those with 32 bits. Elsewhere the plain names
 * have 64 bits, and a C library may lack the others (musl since 1.2.4).
 */
#ifndef PFSWRAP_SOCKET_WIDE_OFFSET_H
#define PFSWRAP_SOCKET_WIDE_OFFSET_H

#if defined(__i386__)
#define WIDE_PREADV2 preadv64v2
#define WIDE_PWRITEV2 pwritev64v2
#define WIDE_SENDFILE sendfile64
#else
#define WIDE_PREADV2 preadv2
#define WIDE_PWRITEV2 pwritev2
#define WIDE_SENDFILE sendfile
#endif

#endif
