/* The shim's macros for further names of libc functions. The model calls functions by their first names. */
#ifndef PFSWRAP_TESTS_MODEL_ALIASES_H
#define PFSWRAP_TESTS_MODEL_ALIASES_H

#include_next "base/aliases.h"

#undef PFSWRAP_ALIAS
#define PFSWRAP_ALIAS(name, call) _Static_assert(true, "a semicolon follows")

#endif
