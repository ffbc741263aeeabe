/*
 * Audit events for settings that the policy overrides.
 */
#ifndef PFSWRAP_CONFIG_OVERRIDE_H
#define PFSWRAP_CONFIG_OVERRIDE_H

/*
 * Reports that the program asked for something weaker than the policy: an "override" event, or "would-override"
 * with mode = audit. Each combination of `setting` and `asked` is reported once in a process; after 64 different
 * ones, each call is reported. Keeps errno.
 */
void override_report(const char *setting, const char *asked, const char *forced);

#endif
