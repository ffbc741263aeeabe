/*
 * One command of ExecStart= and its relatives (systemd.service(5), "COMMAND LINES"): its parts, and its form under
 * `pfswrap run`. The text of the arguments stays as it is, so quotes, specifiers and variables mean the same.
 */
#ifndef PFSWRAP_TOOLS_UNIT_COMMAND_H
#define PFSWRAP_TOOLS_UNIT_COMMAND_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct unit_command {
    char prefix[16];   /* of - : + ! without @ */
    bool has_argv0;    /* @: the first argument is argv[0] */
    const char *whole; /* the command as it was written, prefix included */
    size_t whole_length;
    const char *executable; /* as it was written, with its quotes */
    size_t executable_length;
    const char *argv0; /* with @: as it was written */
    size_t argv0_length;
    const char *arguments; /* the rest; may be empty */
    size_t arguments_length;
    char path[PATH_MAX]; /* the executable without quotes and with specifiers replaced; empty: one is unknown */
};

/*
 * Reads the command at *text, and moves *text behind it. `unit` is the name for specifiers. Returns 1; 0: there is
 * none; -1: it cannot be read, with the reason in *why.
 */
int unit_command_read(struct unit_command *command, const char **text, const char *unit, const char **why);

/*
 * Writes the command under pfswrap to `out`: "PREFIX PFSWRAP run --policy POLICY -- EXECUTABLE ARGUMENTS". `path`
 * is the file that stands for an executable without a slash, or NULL. Returns memory for free(), or NULL: no
 * memory.
 */
char *unit_command_wrap(const struct unit_command *command, const char *pfswrap, const char *policy,
                        const char *path);

#endif
