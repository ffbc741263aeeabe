/*
 * pfswrap-tool: calls the command that the first argument names.
 */
#include "commands.h"
#include "message.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*call)(int argc, char **argv);
} commands[] = {
#define X(name) {#name, command_##name},
    PFSWRAP_COMMANDS(X)
#undef X
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const char usage[] =
    "usage: pfswrap COMMAND [ARGUMENT...]\n"
    "\n"
    "  run [--policy FILE] [--] PROGRAM [ARG...]   run PROGRAM protected\n"
    "  check [--no-keys] [--explain] [FILE]        check a policy and print what is in force\n"
    "  explain [--json] PROGRAM                    say what pfswrap can do for PROGRAM\n"
    "  unit [--policy FILE] UNIT                   print a drop-in for a service of systemd\n"
    "  seal connect|listen|probe ADDRESS:PORT      talk to a sealed peer, or look at a server\n"
    "  reload PID|PROGRAM...|--all                 let programs read their policy and keys again\n"
    "  rotate identity|psk POLICY [STEP]           replace a key while its programs run\n"
    "  report [--html FILE] [--json] LOG...        say what audit logs prove\n"
    "  learn [--yes] [--output FILE] LOG...        propose a policy from logs of mode = audit\n"
    "  scan [--json] [ADDRESS:PORT...]             offer ports what is weak, and compare with the policy\n"
    "  genkey, pubkey, genpsk                      make keys for the seal protocol\n"
    "  peers keygen|sign|verify                    sign peers files, and check their signatures\n"
    "  status [--json] [--watch] [PID|PROGRAM]     show what is protected, and what it has counted\n"
    "  status --unprotected                        show what should be protected and is not\n"
    "  connections [--json] [PID|PROGRAM]          show the sealed connections that are open\n"
    "  exporter [--listen ADDRESS:PORT]            serve the counters to Prometheus\n"
    "  agent [--config FILE] [--status|--reload]    hold keys for other programs\n"
    "  install DIR                                 copy this installation to DIR, for a container\n"
    "  version [--json]                            print the versions of pfswrap and of what is in it\n"
    "  help                                        print this text\n"
    "\n"
    "Without --policy or FILE, the policy is $PFSWRAP_POLICY, else /etc/pfswrap/PROGRAM.conf,\n"
    "else /etc/pfswrap/default.conf, else the built-in policy. See pfswrap(1) and pfswrap.conf(5).\n";

static int unknown(const char *name)
{
    char list[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < COMMAND_COUNT && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s, ", commands[i].name);
    message("unknown command %.80s, expected %sor help", name, list);
    return 2;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name == NULL) {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        out("%s", usage);
        return out_finish();
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].call(argc - 1, argv + 1);
    return unknown(name);
}
