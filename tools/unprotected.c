/*
 * Compares the processes with the policies: a policy FOLDER/PROGRAM.conf names the program, and a [listen] rule
 * that seals names a port. See unprotected.h.
 */
#include "unprotected.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "listeners.h"
#include "message.h"
#include "policy/policy.h"
#include "safe_text.h"
#include "status.h"

enum { SUFFIX = sizeof ".conf" - 1, ADDRESS_MAX = INET6_ADDRSTRLEN + 10 };

struct named_policy {
    char program[NAME_MAX];
    struct policy policy;
    struct named_policy *next;
};

struct search {
    struct named_policy *policies;
    void (*call)(void *argument, const struct unprotected *found);
    void *argument;
    const struct process *process;
    int unknown;
};

static void load(struct search *search, const char *folder, const char *name)
{
    static struct policy_error error;
    char path[PATH_MAX];
    const size_t length = strlen(name);
    if (length <= SUFFIX || strcmp(name + length - SUFFIX, ".conf") != 0)
        return;
    struct named_policy *named = calloc(1, sizeof *named);
    if (named == NULL || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        free(named);
        return;
    }
    if (policy_load(&named->policy, path, &error) != 0) {
        message("warning: %s", error.text);
        free(named);
        return;
    }
    memcpy(named->program, name, length - SUFFIX);
    named->next = search->policies;
    search->policies = named;
}

/* Returns 0, or -1 after a message. */
static int load_all(struct search *search, const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        message("%s cannot be read: %s, expected a folder with policies", path, strerror(errno));
        return -1;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        load(search, path, entry->d_name);
    (void)closedir(folder);
    return 0;
}

/* Whether two addresses agree in their first `bits` bits. */
static bool is_in(const uint8_t *address, const uint8_t *net, unsigned bits)
{
    const unsigned whole = bits / 8, rest = bits % 8;
    return memcmp(address, net, whole) == 0 && (rest == 0 || ((address[whole] ^ net[whole]) >> (8 - rest)) == 0);
}

/* Whether a connection to this listening address can be one that the rule seals. */
static bool covers(const struct policy *policy, const struct policy_rule *rule, const struct sockaddr_in6 *address)
{
    static const struct in6_addr any_ipv4 = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    const uint8_t *bytes = address->sin6_addr.s6_addr;
    const bool is_any =
        IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr) || memcmp(bytes, &any_ipv4, sizeof any_ipv4) == 0;
    const unsigned port = ntohs(address->sin6_port);
    for (size_t i = 0; i < rule->address_count; i++) {
        const struct policy_address *range = &policy->addresses[rule->address_first + i];
        if (port >= range->port_first && port <= range->port_last &&
            (is_any || is_in(bytes, range->address, range->prefix)))
            return true;
    }
    return false;
}

static void format_address(char text[ADDRESS_MAX], const struct sockaddr_in6 *address)
{
    char bytes[INET6_ADDRSTRLEN] = "";
    const bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(&address->sin6_addr);
    (void)inet_ntop(is_ipv4 ? AF_INET : AF_INET6,
                    is_ipv4 ? &address->sin6_addr.s6_addr[12] : address->sin6_addr.s6_addr, bytes, sizeof bytes);
    (void)snprintf(text, ADDRESS_MAX, is_ipv4 ? "%s:%u" : "[%s]:%u", bytes, (unsigned)ntohs(address->sin6_port));
}

static void look_at_port(void *argument, const struct sockaddr_in6 *address)
{
    const struct search *search = argument;
    char text[ADDRESS_MAX];
    format_address(text, address);
    for (const struct named_policy *named = search->policies; named != NULL; named = named->next)
        for (size_t i = 0; i < named->policy.rule_count; i++) {
            const struct policy_rule *rule = &named->policy.rules[i];
            if (rule->direction != POLICY_LISTEN || rule->seal == POLICY_SEAL_OFF ||
                !covers(&named->policy, rule, address))
                continue;
            const struct unprotected found = {search->process, named->policy.path, rule->name, text};
            search->call(search->argument, &found);
        }
}

/* The name of the executed file, and of argv[0], without folders. False: it is a thread of the kernel, or gone. */
static bool names_of(pid_t pid, char executable[PATH_MAX], char argument[PATH_MAX])
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    const ssize_t length = readlink(path, executable, PATH_MAX - 1);
    if (length <= 0)
        return false;
    executable[length] = '\0';
    if (process_read_file(pid, "cmdline", argument, PATH_MAX) < 0)
        argument[0] = '\0';
    return true;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void look_at_process(void *context, pid_t pid)
{
    static char executable[PATH_MAX], argument[PATH_MAX];
    struct search *search = context;
    struct process process;
    uint64_t bases[PROCESS_OBJECTS_MAX];
    const int count = process_objects(pid, bases);
    if (count == -EACCES || count == -EPERM)
        search->unknown++;
    if (count != 0 || !names_of(pid, executable, argument) || !process_describe(&process, pid))
        return;
    search->process = &process;
    for (const struct named_policy *named = search->policies; named != NULL; named = named->next)
        if (strcmp(named->program, last_part(executable)) == 0 ||
            strcmp(named->program, last_part(argument)) == 0) {
            const struct unprotected found = {&process, named->policy.path, NULL, NULL};
            search->call(search->argument, &found);
        }
    listeners_each(pid, look_at_port, search);
}

int unprotected_each(const char *folder, void (*call)(void *argument, const struct unprotected *found),
                     void *argument)
{
    struct search search = {.call = call, .argument = argument};
    int error = load_all(&search, folder);
    if (error == 0 && (error = process_each(look_at_process, &search)) != 0) {
        message("/proc cannot be read: %s", strerror(-error));
        error = -1;
    }
    while (search.policies != NULL) {
        struct named_policy *next = search.policies->next;
        free(search.policies);
        search.policies = next;
    }
    return error != 0 ? -1 : search.unknown;
}

/* --- pfswrap status --unprotected --- */

static const struct table_column columns[] = {
    {"PID", 0, TABLE_RIGHT, false}, {"PROGRAM", 8, TABLE_LEFT, false}, {"LISTENS ON", 0, TABLE_LEFT, false},
    {"RULE", 6, TABLE_LEFT, false}, {"POLICY", 12, TABLE_LEFT, true},
};

struct output {
    bool json;
    int count;
    struct table table;
};

static void write_json(const struct unprotected *found)
{
    out("{\"pid\": %d, ", (int)found->process->pid);
    json_write_member("program", found->process->name);
    out(", \"user\": %u, ", (unsigned)found->process->user);
    json_write_member("policy", found->policy);
    out(", ");
    json_write_member("rule", found->rule);
    out(", ");
    json_write_member("address", found->address);
    out("}\n");
}

static void show(void *argument, const struct unprotected *found)
{
    struct output *output = argument;
    output->count++;
    if (output->json) {
        write_json(found);
    } else if (table_add_row(&output->table)) {
        table_cell(&output->table, 0, "%d", (int)found->process->pid);
        table_cell(&output->table, 1, "%s", found->process->name);
        table_cell(&output->table, 2, "%s", found->address != NULL ? found->address : "-");
        table_cell(&output->table, 3, "%s", found->rule != NULL ? found->rule : "-");
        table_cell(&output->table, 4, "%s", found->policy);
    }
}

int status_unprotected(bool json, const char *folder)
{
    struct output output = {.json = json,
                            .table = {.columns = columns, .column_count = sizeof columns / sizeof columns[0]}};
    const int unknown = unprotected_each(folder, show, &output);
    if (unknown < 0)
        return STATUS_REFUSED;
    if (output.count > 0 && !json)
        table_write(&output.table, table_width());
    else if (!json)
        out("every process that the policies in %s name is protected\n", folder);
    table_free(&output.table);
    if (unknown > 0)
        message("%d process%s may not be examined by this user, run as root to see all", unknown,
                unknown == 1 ? "" : "es");
    const int status = out_finish();
    return output.count > 0 ? 1 : status;
}
