/*
 * Real and effective ids around an exec. Where they differ, the kernel starts the new program in secure-execution
 * mode, in which ld.so ignores our library (AT_SECURE: getauxval(3), ld.so(8)): it would run unprotected. So they
 * are made equal for the exec, and the new program takes them back before its main().
 */
#ifndef PFSWRAP_SOCKET_CREDENTIALS_H
#define PFSWRAP_SOCKET_CREDENTIALS_H

#include <stdbool.h>
#include <sys/types.h>

enum { CREDENTIALS_TEXT = 64 }; /* bytes of the variable, with its name and terminator */

struct credentials {
    uid_t real_user, effective_user, saved_user;
    gid_t real_group, effective_group, saved_group;
    bool levelled;               /* the ids were made equal, and have to be put back if the exec fails */
    char text[CREDENTIALS_TEXT]; /* then: the variable for the child's environment */
};

/*
 * Makes the ids of the calling thread equal if they differ and *credentials tells the child what they were. Returns
 * false if that cannot be done: neither user is root, so the child could not take them back.
 */
bool credentials_level(struct credentials *credentials);

/* After an exec that failed, or in the parent of the child. Keeps errno. */
void credentials_restore(const struct credentials *credentials);

/* In the new program: takes back what the variable says, and removes it. Ends the process if that fails. */
void credentials_take(void);

#endif
