/*
 * Which files a policy consists of, and whether they have changed: stat(2) and a comparison. A file that is
 * replaced has another inode; one that is written in place another time.
 */
#ifndef PFSWRAP_RELOAD_FILES_H
#define PFSWRAP_RELOAD_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"

enum { FILES_MAX = 4 + 2 * POLICY_LIST_MAX };

/* One file, or that it is not there. */
struct file_identity {
    uint64_t device, inode, size;
    int64_t changed_s, modified_s;
    uint32_t changed_ns, modified_ns;
};

/* The policy file, the peers file, its signature, the key files and the ca-file, in this order; the rest is zero.
 */
struct file_identities {
    struct file_identity files[FILES_MAX];
};

void files_look(const struct policy *policy, struct file_identities *identities);
bool files_are_equal(const struct file_identities *one, const struct file_identities *other);

/* Whether the peers file ends with a whole line, or is empty or not there. A file may be half written. */
bool files_peers_are_whole(const struct policy *policy);

/*
 * Whether this process still has the root directory that it had when files_remember_root() was called. Otherwise
 * the paths of its policy lead to other files.
 */
void files_remember_root(void);
bool files_have_same_root(void);

#endif
