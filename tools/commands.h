/*
 * The subcommands of pfswrap, one file each: NAME lives in tools/NAME.c as command_NAME.
 * A command gets argv with its own name at argv[0] and returns the exit status of the process.
 */
#ifndef PFSWRAP_TOOLS_COMMANDS_H
#define PFSWRAP_TOOLS_COMMANDS_H

#define PFSWRAP_COMMANDS(X)                                                                                        \
    X(run)                                                                                                         \
    X(check)                                                                                                       \
    X(explain)                                                                                                     \
    X(genkey)                                                                                                      \
    X(pubkey)                                                                                                      \
    X(genpsk)                                                                                                      \
    X(version)

#define X(name) int command_##name(int argc, char **argv);
PFSWRAP_COMMANDS(X)
#undef X

#endif
