/* What the tests of executables share. */
#ifndef PFSWRAP_TESTS_CHILDREN_READ_FILE_H
#define PFSWRAP_TESTS_CHILDREN_READ_FILE_H

#include "children/executable.h"

/* A caller without privileges. */
static const struct executable_caller nobody = {.user = 65534, .group = 65534};

/* What executable_read() says of a file; the case fails if it cannot be read. */
struct executable read_file(const char *name);

#endif
