/*
 * Which of pfswrap's system calls a unit's SystemCallFilter= forbids (systemd.exec(5)). docs/SANDBOXES.md has the
 * table that says what each call is for.
 */
#ifndef PFSWRAP_TOOLS_UNIT_CALLS_H
#define PFSWRAP_TOOLS_UNIT_CALLS_H

#include "policy/policy.h"
#include "unit_file.h"

enum { UNIT_CALLS_TEXT = 1024 };

/*
 * Writes the names of the calls that pfswrap needs under this policy and that the unit does not allow to `text`,
 * with a blank between them: empty if there are none, or if the unit has no filter. Calls that are rare, and that
 * pfswrap does without, are not among them.
 */
void unit_calls_missing(const struct unit *unit, const struct policy *policy, char text[static UNIT_CALLS_TEXT]);

#endif
