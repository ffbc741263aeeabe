/*
 * The commands of pfswrap. command_NAME() gets the arguments of the command line from its own name on, and returns
 * the exit status of the process.
 */
#ifndef PFSWRAP_TOOLS_COMMANDS_H
#define PFSWRAP_TOOLS_COMMANDS_H

#define PFSWRAP_COMMANDS(X)                                                                                        \
    X(run)                                                                                                         \
    X(check)                                                                                                       \
    X(explain)                                                                                                     \
    X(unit)                                                                                                        \
    X(seal)                                                                                                        \
    X(reload)                                                                                                      \
    X(rotate)                                                                                                      \
    X(report)                                                                                                      \
    X(learn)                                                                                                       \
    X(scan)                                                                                                        \
    X(genkey)                                                                                                      \
    X(pubkey)                                                                                                      \
    X(genpsk)                                                                                                      \
    X(peers)                                                                                                       \
    X(install)                                                                                                     \
    X(status)                                                                                                      \
    X(connections)                                                                                                 \
    X(agent)                                                                                                       \
    X(exporter)                                                                                                    \
    X(version)

#define X(name) int command_##name(int argc, char **argv);
PFSWRAP_COMMANDS(X)
#undef X

#endif
