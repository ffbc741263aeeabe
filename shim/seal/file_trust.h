/*
 * Whether an open file may be used for a secret or for settings: who else can read or write it. Root and the user
 * of this process may do both. Nobody else may read a secret, except the members of a group that this process is
 * in, too: this is how Kubernetes (fsGroup) and OpenShift give a service its key. Nobody else may write settings,
 * except in a file system that is mounted read-only, where nobody can. Access control lists (acl(5)) count as well:
 * systemd's LoadCredential= gives a service its key by one.
 *
 * Asks the kernel about the descriptor and this process, and nothing else. The policy file is checked here, too.
 */
#ifndef PFSWRAP_SEAL_FILE_TRUST_H
#define PFSWRAP_SEAL_FILE_TRUST_H

#include <stddef.h>
#include <sys/stat.h>

enum file_trust {
    FILE_SECRET,   /* it must not be read or written by others */
    FILE_SETTINGS, /* it must not be written by others */
};

/*
 * `status` is the file's (fstat(2)). Returns 0; or -1, with the reason in `reason`, a text of `size` bytes such as
 * "mode 0644, expected 0400: ...". A question without an answer of the kernel counts against the file.
 */
int file_trust_check(int fd, const struct stat *status, enum file_trust use, char *reason, size_t size);

#endif
