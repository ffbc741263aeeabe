/*
 * pfswrap scan [OPTION...] [ADDRESS:PORT...]: offers ports what a policy forbids and allows, and prints what they
 * accept beside what the policy says. Without an address, the ports on which protected processes listen.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scan.h"
#include "resolve.h"
#include "starttls.h"
#include "../arguments.h"
#include "../commands.h"
#include "../listeners.h"
#include "../message.h"
#include "../protected.h"

enum {
    TARGETS_MAX = 256,
    TIMEOUT_MS = 3000,
    TIMEOUT_LEAST_MS = 10,
    TIMEOUT_MOST_MS = 60000,
    STATUS_OUTSIDE = 3, /* something outside the policy is accepted */
};

static const char usage[] = "expected pfswrap scan [--json] [--policy FILE] [--name NAME] [--starttls PROTOCOL] "
                            "[--timeout MS] [--sslscan] [--testssl] [ADDRESS:PORT...]";

struct options {
    const char *policy, *name;
    const struct starttls *starttls;
    int timeout_ms;
    bool is_json, with_sslscan, with_testssl;
};

struct targets {
    struct scan_target *list[TARGETS_MAX];
    size_t count;
    const struct options *options;
    bool is_full;
};

static void *allocate(size_t size)
{
    void *const memory = calloc(1, size);
    if (memory == NULL) {
        message("not enough memory for the scan");
        exit(1);
    }
    return memory;
}

/* The policy of this file; NULL after a message. */
static const struct policy *load(const char *path)
{
    static struct policy_error error;
    struct policy *const policy = allocate(sizeof *policy);
    if (policy_load(policy, path, &error) == 0)
        return policy;
    message("%s", error.text);
    free(policy);
    return NULL;
}

/* The policy that the process has read; NULL: it cannot be read here, or is another one now. */
static const struct policy *load_of(const struct protected_process *process)
{
    const struct counters_about *const about = &process->snapshot.about;
    const struct policy *const policy = load(about->policy);
    return policy != NULL && memcmp(policy->digest, about->policy_digest, sizeof policy->digest) == 0 ? policy
                                                                                                      : NULL;
}

static void write_address(char text[SCAN_ADDRESS], const struct sockaddr_in6 *address)
{
    char host[INET6_ADDRSTRLEN];
    const bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(&address->sin6_addr);
    inet_ntop(is_ipv4 ? AF_INET : AF_INET6,
              is_ipv4 ? (const void *)&address->sin6_addr.s6_addr[12] : &address->sin6_addr, host, sizeof host);
    (void)snprintf(text, SCAN_ADDRESS, is_ipv4 ? "%s:%u" : "[%s]:%u", host, ntohs(address->sin6_port));
}

/* A port that listens on all addresses is reached at the loopback's. */
static void make_reachable(struct sockaddr_in6 *address)
{
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    const bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(&address->sin6_addr);
    if (is_ipv4 && memcmp(&address->sin6_addr.s6_addr[12], "\0\0\0\0", 4) == 0)
        memcpy(&address->sin6_addr.s6_addr[12], loopback, sizeof loopback);
    else if (IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr))
        address->sin6_addr = in6addr_loopback;
}

static struct scan_target *find(const struct targets *targets, const struct sockaddr_in6 *address)
{
    for (size_t i = 0; i < targets->count; i++)
        if (targets->list[i]->address.sin6_port == address->sin6_port &&
            memcmp(&targets->list[i]->address.sin6_addr, &address->sin6_addr, sizeof address->sin6_addr) == 0)
            return targets->list[i];
    return NULL;
}

static struct scan_target *add_target(struct targets *targets, const struct sockaddr_in6 *address)
{
    struct scan_target *target = find(targets, address);
    if (target != NULL)
        return target;
    targets->is_full |= targets->count == TARGETS_MAX;
    if (targets->count == TARGETS_MAX)
        return NULL;
    target = allocate(sizeof *target);
    target->address = *address;
    target->name = targets->options->name;
    target->starttls = targets->options->starttls;
    target->timeout_ms = targets->options->timeout_ms;
    write_address(target->text, address);
    targets->list[targets->count++] = target;
    return target;
}

/* Whether the text is a number of IPv4 or IPv6, which is then the address. */
static bool read_number(struct sockaddr_in6 *address, const char *host, bool is_ipv6)
{
    if (is_ipv6)
        return inet_pton(AF_INET6, host, &address->sin6_addr) == 1;
    address->sin6_addr.s6_addr[10] = address->sin6_addr.s6_addr[11] = 0xff;
    return inet_pton(AF_INET, host, &address->sin6_addr.s6_addr[12]) == 1;
}

/* ADDRESS:PORT, [IPV6]:PORT or NAME:PORT. Returns 0, or -1 after a message. */
static int read_target(struct targets *targets, const char *text)
{
    char host[RESOLVE_NAME_MAX], *end;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    const char *const colon = strrchr(text, ':');
    const unsigned long port =
        colon != NULL && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 0;
    const bool is_bracketed = text[0] == '[' && colon != NULL && colon > text + 1 && colon[-1] == ']';
    const size_t length = colon != NULL ? (size_t)(colon - text) - (is_bracketed ? 2 : 0) : sizeof host;
    if (text[0] == '-') {
        message("%.80s is no ADDRESS:PORT or NAME:PORT, expected options before all addresses", text);
        return -1;
    }
    if (port == 0 || port > UINT16_MAX || *end != '\0' || length >= sizeof host) {
        message("%.80s is wrong, expected ADDRESS:PORT or NAME:PORT, such as 192.0.2.1:443, [2001:db8::1]:443 or "
                "example.org:443",
                text);
        return -1;
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)length, text + (is_bracketed ? 1 : 0));
    address.sin6_port = htons((uint16_t)port);
    const bool is_number = read_number(&address, host, is_bracketed);
    if (!is_number && (is_bracketed || !resolve_name(&address, host))) {
        message("%.80s has no address here, expected a number, or a name that getent(1) finds", host);
        return -1;
    }
    make_reachable(&address);
    struct scan_target *const target = add_target(targets, &address);
    if (target != NULL && !is_number && target->name == NULL)
        target->name = strdup(host);
    return target != NULL ? 0 : -1;
}

/* What is known of the process that listens on a port. */
struct listening {
    struct targets *targets;
    const struct protected_process *process;
    bool adds; /* all ports of protected processes are scanned */
};

static void look_at_port(void *argument, const struct sockaddr_in6 *listener)
{
    const struct listening *const listening = argument;
    struct sockaddr_in6 address = *listener;
    make_reachable(&address);
    if (listening->adds)
        (void)add_target(listening->targets, &address);
    for (size_t i = 0; i < listening->targets->count; i++) {
        struct scan_target *const target = listening->targets->list[i];
        const bool is_any = IN6_IS_ADDR_UNSPECIFIED(&listener->sin6_addr) ||
                            memcmp(&listener->sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0", 16) == 0;
        const bool is_here = memcmp(&target->address.sin6_addr, &address.sin6_addr, sizeof address.sin6_addr) == 0;
        const bool is_local = target->address.sin6_addr.s6_addr[12] == 127 || is_here;
        if (target->address.sin6_port != address.sin6_port || !(is_here || (is_any && is_local)) ||
            target->policy != NULL)
            continue;
        const struct protected_process *const process = listening->process;
        (void)snprintf(target->program, sizeof target->program, "%s", protected_name(process));
        if (listening->targets->options->policy == NULL && process->result == SNAPSHOT_READ)
            target->policy = load_of(process);
        target->lacks_policy = listening->targets->options->policy == NULL && target->policy == NULL;
    }
}

/* Ports of another network namespace, as of a container, cannot be reached from here. */
static bool is_in_our_network(pid_t pid)
{
    char path[64];
    struct stat ours, theirs;
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    return stat("/proc/self/ns/net", &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino;
}

static void look_at_process(void *argument, const struct protected_process *process)
{
    struct listening *const listening = argument;
    if (!is_in_our_network(process->process.pid))
        return;
    listening->process = process;
    listeners_each(process->process.pid, look_at_port, listening);
}

/* The policy of each target: that of --policy, of the process that listens, else the one in force by default. */
static int choose_policies(struct targets *targets)
{
    static char path[PATH_MAX];
    const struct policy *common = NULL;
    for (size_t i = 0; i < targets->count; i++) {
        struct scan_target *const target = targets->list[i];
        if (target->lacks_policy) {
            message(
                "the policy of %s, which listens on %s, cannot be read as it is in force, expected --policy FILE",
                target->program, target->text);
            return -1;
        }
        if (target->policy == NULL && common == NULL) {
            const char *file = targets->options->policy;
            if (file == NULL)
                file = policy_locate(path, sizeof path, "") == 0 ? path : "builtin";
            common = load(file);
            if (common == NULL)
                return -1;
        }
        if (target->policy == NULL)
            target->policy = common;
        target->rule = policy_match(target->policy, POLICY_LISTEN, (const struct sockaddr *)&target->address,
                                    sizeof target->address);
    }
    return 0;
}

static void scan(struct scan_target *target, const struct options *options)
{
    scan_offers(target);
    scan_plain(target);
    if (!target->is_reached)
        return;
    scan_sessions(target);
    scan_seal(target);
    if (options->with_sslscan)
        scan_with_sslscan(target);
    if (options->with_testssl)
        scan_with_testssl(target);
}

/* As struct arguments says. */
static int set_option(void *closure, const char *option, const char *value)
{
    struct options *const options = closure;
    if (strcmp(option, "--policy") == 0) {
        options->policy = value;
    } else if (strcmp(option, "--name") == 0) {
        options->name = value;
    } else if (strcmp(option, "--starttls") == 0) {
        options->starttls = starttls_find(value);
        if (options->starttls == NULL) {
            message("--starttls %.80s is wrong, expected " STARTTLS_NAMES, value);
            return -1;
        }
    } else if (strcmp(option, "--timeout") == 0) {
        char *end;
        const long number = strtol(value, &end, 10);
        if (*end != '\0' || number < TIMEOUT_LEAST_MS || number > TIMEOUT_MOST_MS) {
            message("--timeout %.80s is wrong, expected milliseconds from 10 to 60000", value);
            return -1;
        }
        options->timeout_ms = (int)number;
    } else {
        return 1;
    }
    return 0;
}

/* Returns the index of the first address in argv, or -1 after a message. */
static int parse_options(int argc, char **argv, struct options *options)
{
    const struct arguments_flag flags[] = {{"--json", &options->is_json},
                                           {"--sslscan", &options->with_sslscan},
                                           {"--testssl", &options->with_testssl},
                                           {NULL, NULL}};
    const struct arguments arguments = {"scan", usage, flags, options, set_option};
    return arguments_read(argc, argv, &arguments);
}

/* Scans and writes. Returns an exit status. */
static int scan_all(struct targets *targets)
{
    bool is_outside = false, is_missing = targets->is_full;
    for (size_t i = 0; i < targets->count; i++) {
        struct scan_target *const target = targets->list[i];
        scan(target, targets->options);
        if (!target->is_reached)
            message("%s cannot be reached: %s", target->text, target->rows[0].detail);
        else if (!targets->options->is_json)
            scan_write_text(target);
        is_missing |= !target->is_reached;
        for (size_t j = 0; j < target->count; j++) {
            is_outside |= scan_is_outside(&target->rows[j]);
            is_missing |= target->rows[j].result == SCAN_UNCLEAR && target->rows[j].policy == SCAN_FORBIDS;
        }
    }
    if (targets->options->is_json)
        scan_write_json(targets->list, targets->count);
    if (targets->is_full)
        message("more than %d ports, the others were not scanned", TARGETS_MAX);
    if (out_finish() != 0)
        return 1;
    return is_outside ? STATUS_OUTSIDE : is_missing ? 1 : 0;
}

int command_scan(int argc, char **argv)
{
    struct options options = {.timeout_ms = TIMEOUT_MS};
    struct targets targets = {.options = &options};
    const struct protected_choice all = {0};
    const int first = parse_options(argc, argv, &options);
    if (first < 0)
        return 2;
    for (int i = first; i < argc; i++)
        if (read_target(&targets, argv[i]) < 0)
            return 2;
    struct listening listening = {.targets = &targets, .adds = first == argc};
    if (protected_each(&all, look_at_process, &listening) < 0)
        return 1;
    if (targets.count == 0) {
        message("no protected process listens on a port, %s", usage);
        return 1;
    }
    if (choose_policies(&targets) < 0)
        return 1;
    return scan_all(&targets);
}
