/*
 * The sandbox options of systemd.exec(5), and what each means for pfswrap. docs/SYSTEMD.md has the reasons, and
 * says how each was tried. See unit_sandbox.h.
 */
#include "unit_sandbox.h"
#include "message.h"
#include "unit_calls.h"

#include <stdio.h>
#include <string.h>

bool unit_has_own_root(const struct unit *unit)
{
    const char *const root = unit_value(unit, "RootDirectory");
    return (root != NULL && strcmp(root, "/") != 0) || unit_value(unit, "RootImage") != NULL;
}

/* Prints a comment: a setting of the unit, and what it means. */
static void note(const char *key, const char *value, const char *meaning)
{
    enum { VALUE_MAX = 60 };
    out("# %s=%.*s%s: %s\n", key, VALUE_MAX, value, strlen(value) > VALUE_MAX ? "..." : "", meaning);
}

/* Options that change nothing for pfswrap. */
static const char *const harmless[] = {
    "PrivateTmp",
    "PrivateDevices",
    "PrivateNetwork",
    "PrivateIPC",
    "ProtectHostname",
    "ProtectClock",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "ProtectControlGroups",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "RestrictNamespaces",
    "RestrictFileSystems",
    "LockPersonality",
    "RemoveIPC",
    "KeyringMode",
    "UMask",
    "IPAddressAllow",
    "IPAddressDeny",
    "SocketBindAllow",
    "SocketBindDeny",
    "DevicePolicy",
    "DeviceAllow",
    "CapabilityBoundingSet",
    "MountFlags",
    "SystemCallErrorNumber",
    "ProtectHome",
    "ProtectSystem",
    "MemoryDenyWriteExecute",
    "StateDirectory",
    "RuntimeDirectory",
    "CacheDirectory",
    "ReadOnlyPaths",
    "SystemCallArchitectures",
};

/* Options that are worth a word, whatever their value is. */
static const struct {
    const char *key, *meaning;
} remarks[] = {
    {"NoNewPrivileges",
     "set-user-ID programs gain nothing, so their exec is no way around pfswrap; io_uring can be closed"},
    {"AmbientCapabilities", "the preload is not affected: the program gains nothing at its exec"},
    {"AppArmorProfile",
     "the profile must allow pfswrap to read and map libpfswrap.so and to read the policy; a change of domain "
     "that scrubs the environment (Px, Cx) removes the preload"},
    {"SELinuxContext",
     "if the exec changes the domain, ld.so ignores the preload; the log's event policy proves that it "
     "did not"},
    {"SmackProcessLabel", "the label must allow pfswrap to read libpfswrap.so and the policy"},
    {"ProtectProc", "pfswrap reads only its own process's files in /proc"},
    {"ProcSubset", "pfswrap reads only its own process's files in /proc"},
    {"LimitAS", "pfswrap run refuses to start, and names the limit, if there is no room for the library"},
    {"LimitDATA", "pfswrap run refuses to start, and names the limit, if there is no room for the library"},
    {"LimitFSIZE", "the log respects the limit: at the limit, events are counted and not written"},
    {"LimitMEMLOCK", "keys are locked in memory if the limit allows it, and may get to the swap area otherwise"},
    {"LimitNOFILE",
     "pfswrap uses a few numbers for itself: two, and one for each closed connection until it has ended"},
    {"TasksMax", "with sealed connections, pfswrap may run a thread and a relay process of its own"},
    {"KillMode",
     "relays end the stream of a program that has ended; killed at once, the peer's log says truncated"},
    {"UnsetEnvironment", "it is applied before pfswrap run sets LD_PRELOAD and PFSWRAP_POLICY"},
    {"DynamicUser",
     "the user exists only while the service runs: keys come by LoadCredential=, the log's folder by "
     "LogsDirectory="},
    {"PrivateUsers", "owners other than root and the service's user are unmapped: give keys by LoadCredential="},
    {"RestrictAddressFamilies",
     "pfswrap itself opens only AF_UNIX sockets, for syslog, the journal and passed connections"},
    {"NoExecPaths", "libpfswrap.so is mapped executable: its file must not be in a noexec mount"},
};

static void print_harmless(const struct unit *unit)
{
    enum { WIDTH = 100 };
    static const char begin[] = "# Without effect on pfswrap:";
    size_t column = 0;
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        if (unit_value(unit, harmless[i]) == NULL)
            continue;
        if (column == 0 || column + strlen(harmless[i]) > WIDTH) {
            out(column == 0 ? "%s" : "\n# ", begin);
            column = sizeof begin;
        }
        out(" %s", harmless[i]);
        column += strlen(harmless[i]) + 1;
    }
    if (column > 0)
        out("\n");
}

static void print_remarks(const struct unit *unit)
{
    for (size_t i = 0; i < sizeof remarks / sizeof remarks[0]; i++) {
        const char *const value = unit_value(unit, remarks[i].key);
        if (value != NULL)
            note(remarks[i].key, value, remarks[i].meaning);
    }
}

static void print_type(const struct unit *unit)
{
    const char *const type = unit_value(unit, "Type");
    if (type == NULL)
        return;
    if (strcmp(type, "notify") == 0 || strcmp(type, "notify-reload") == 0)
        note("Type", type,
             "pfswrap run keeps the process ID, and the notification socket (AF_UNIX) is never sealed");
    else if (strcmp(type, "forking") == 0)
        note("Type", type, "daemons stay protected after their forks; PIDFile= is the program's own");
    else if (strcmp(type, "exec") == 0)
        note("Type", type, "what pfswrap refuses ends with status 125 after the start, not with a failed start");
    else if (strcmp(type, "dbus") == 0)
        note("Type", type, "the bus is an AF_UNIX socket, which is never sealed");
}

/* Families that the filter forbids: pfswrap needs AF_UNIX for these logs, and to pass sealed connections on. */
static void print_families(const struct unit *unit, const struct policy *policy)
{
    const struct unit_setting *setting;
    bool is_first = true, allows = true;
    for (size_t at = 0; (setting = unit_next(unit, "RestrictAddressFamilies", &at)) != NULL; is_first = false) {
        const bool is_inverted = setting->value[0] == '~';
        if (is_first)
            allows = is_inverted;
        for (const char *s = setting->value + (is_inverted ? 1 : 0); *s != '\0'; s += strcspn(s, " \t")) {
            s += strspn(s, " \t");
            if (strncmp(s, "AF_UNIX", 7) == 0 || strncmp(s, "AF_LOCAL", 8) == 0)
                allows = !is_inverted;
        }
    }
    const bool has_socket = policy->log == POLICY_LOG_SYSLOG || policy->log == POLICY_LOG_JOURNALD;
    if (allows || (!has_socket && !policy_seals(policy)))
        return;
    out("# %s\n", has_socket ? "The log is a socket:" : "Sealed connections that pass to another program need it:");
    out("RestrictAddressFamilies=AF_UNIX\n");
}

static void print_calls(const struct unit *unit, const struct policy *policy)
{
    char missing[UNIT_CALLS_TEXT];
    size_t at = 0;
    const struct unit_setting *const filter = unit_next(unit, "SystemCallFilter", &at);
    if (filter == NULL)
        return;
    unit_calls_missing(unit, policy, missing);
    if (missing[0] == '\0') {
        note("SystemCallFilter", filter->value, "it allows all calls that pfswrap needs");
        return;
    }
    note("SystemCallFilter", filter->value, "pfswrap needs these calls as well");
    out("SystemCallFilter=%s\n", missing);
}

/* Paths that the program must see in its own root directory. */
static void print_root(const struct unit *unit, const struct policy *policy, const struct unit_places *places)
{
    if (!unit_has_own_root(unit))
        return;
    out("# The program has a root directory of its own, in which it needs these files. libpfswrap.so needs a glibc "
        "there.\n");
    out("BindReadOnlyPaths=%s %s\n", places->pfswrap, places->objects);
    if (strcmp(policy->path, "builtin") != 0)
        out("BindReadOnlyPaths=%s\n", policy->path);
    if (policy->log == POLICY_LOG_JOURNALD)
        out("BindReadOnlyPaths=%s\n", policy->log_path);
    else if (policy->log == POLICY_LOG_SYSLOG)
        out("BindReadOnlyPaths=/dev/log\n");
}

static bool is_below(const char *path, const char *folder)
{
    const size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Files of pfswrap in folders that the unit hides. */
static void print_hidden(const struct unit *unit, const struct policy *policy, const struct unit_places *places)
{
    static const char *const homes[] = {"/home", "/root", "/run/user"}, *const temporary[] = {"/tmp", "/var/tmp"};
    const char *const home = unit_value(unit, "ProtectHome");
    const bool hides_homes = home != NULL && (unit_is_true(unit, "ProtectHome") || strcmp(home, "tmpfs") == 0);
    const char *const files[] = {places->pfswrap, places->objects, policy->path};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        bool is_hidden = false;
        for (size_t j = 0; hides_homes && j < sizeof homes / sizeof homes[0]; j++)
            is_hidden |= is_below(files[i], homes[j]);
        for (size_t j = 0; unit_is_true(unit, "PrivateTmp") && j < sizeof temporary / sizeof temporary[0]; j++)
            is_hidden |= is_below(files[i], temporary[j]);
        if (is_hidden)
            out("# ProtectHome= or PrivateTmp= hides this file:\nBindReadOnlyPaths=%s\n", files[i]);
    }
    size_t at = 0;
    if (unit_next(unit, "NoExecPaths", &at) != NULL &&
        (!unit_covers(unit, "ExecPaths", places->objects) || !unit_covers(unit, "ExecPaths", places->pfswrap)))
        out("ExecPaths=%s %s\n", places->pfswrap, places->objects);
}

void unit_print_sandbox(const struct unit *unit, const struct policy *policy, const struct unit_places *places)
{
    out("\n");
    print_type(unit);
    print_remarks(unit);
    print_families(unit, policy);
    print_calls(unit, policy);
    print_root(unit, policy, places);
    print_hidden(unit, policy, places);
    print_harmless(unit);
}
