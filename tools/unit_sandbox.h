/*
 * What the settings of a unit mean for pfswrap, as comments, and the lines that it needs in addition.
 */
#ifndef PFSWRAP_TOOLS_UNIT_SANDBOX_H
#define PFSWRAP_TOOLS_UNIT_SANDBOX_H

#include "policy/policy.h"
#include "unit_file.h"

/* Where the files of pfswrap are. */
struct unit_places {
    const char *pfswrap; /* the command */
    const char *objects; /* the folder of libpfswrap.so, and of the objects for other programs below it */
};

/* The folder that stands for $CREDENTIALS_DIRECTORY while the policy is read (systemd.exec(5)). */
#define UNIT_CREDENTIALS "/run/credentials/pfswrap-unit"

/* The program sees another root directory, so its files cannot be found here. */
bool unit_has_own_root(const struct unit *unit);

/* Whether a folder in the list of that key has the path in it. The folders may have + or - in front. */
bool unit_covers(const struct unit *unit, const char *key, const char *path);

/* Print to standard output. */
void unit_print_log(const struct unit *unit, const struct policy *policy);
void unit_print_keys(const struct unit *unit, const struct policy *policy);
void unit_print_sandbox(const struct unit *unit, const struct policy *policy, const struct unit_places *places);

#endif
