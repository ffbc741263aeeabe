/*
 * Whole files in memory of their own, for the files of shim/seal. See keyfile.c for how they are opened and
 * checked.
 */
#ifndef PFSWRAP_SEAL_KEYFILE_H
#define PFSWRAP_SEAL_KEYFILE_H

#include <stddef.h>
#include <sys/stat.h>

#include <pfswrap/keys.h>

#include "seal/file_trust.h"

enum { PEERS_FILE_MAX = 16 * 1024 * 1024 }; /* bytes */

struct keyfile {
    char *text; /* a zero byte follows it */
    size_t length, mapped;
    struct stat status;
};

/* Reads a file of at most `largest` bytes. Returns 0, and keyfile_unmap() follows; or -1 with *error filled. */
int keyfile_map(struct keyfile *file, const char *path, enum file_trust use, off_t largest,
                struct pfswrap_keys_error *error);

/* Wipes and unmaps it. */
void keyfile_unmap(struct keyfile *file);

#endif
