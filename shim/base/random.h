/*
 * Random bytes from the kernel.
 */
#ifndef PFSWRAP_BASE_RANDOM_H
#define PFSWRAP_BASE_RANDOM_H

#include <stddef.h>

/*
 * As getrandom(2). If that call fails, and not because of its arguments, the bytes come from /dev/urandom. Returns
 * their count, or a negative errno value.
 */
long random_read(void *bytes, size_t size, unsigned flags);

#endif
