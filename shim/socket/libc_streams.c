/*
 * Functions of libc that open TCP connections by themselves, or that read and write a descriptor past every
 * interposed call: rcmd(3), rexec(3) and SunRPC (rpc(3)). Their bytes pass no plane. Where
 * the policy would not let such bytes pass, the call fails as if the peer had refused the connection. Otherwise it
 * is logged.
 *
 * libc has SunRPC for old binaries only: the names exist in one old version, and libtirpc has the same names in
 * another one. So the wrappers carry libc's version (exports.map.in), and references to libtirpc's functions do not
 * bind to them. libtirpc calls the interposed functions of libc, and needs no wrappers.
 *
 * tests/apps/project/libc_streams.txt lists every function of libc that reaches connect(2), accept(2), or a write
 * to a socket, with the reason for those that have no wrapper here.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "audit/address.h"
#include "audit/audit.h"
#include "base/elf.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "config/init.h"
#include "fd/plane.h"
#include "rules/rules.h"
#include "socket/data_call.h"

enum { PORTMAPPER = 111, TIME_SERVER = 37, RPC_SYSTEM_ERROR = 12 };

/* What rpc(3) reports the error of a client with: struct rpc_createerr. */
struct create_error {
    int status;
    struct {
        int status;
        union {
            int number; /* an errno */
            unsigned long versions[2];
        } of;
    } error;
};

/* Opaque to the shim. */
struct rpc_client;
struct rpc_transport;
struct rpc_time;
struct port_list;

/* libc's function or variable `name`, in whichever version; NULL: it has none. */
struct search {
    const char *name;
    void *found;
};

static bool find_in_libc(const struct elf_object *object, void *argument)
{
    struct search *search = argument;
    if (!elf_is_libc(object))
        return false;
    search->found = elf_symbol_any_version(object, search->name);
    return true;
}

static void *libc_function(const char *name)
{
    struct search search = {.name = name};
    (void)elf_each(find_in_libc, &search);
    return search.found;
}

/* What the policy demands of a connection. */
struct demand {
    bool is_strict;                  /* a rule requires more than to see the bytes */
    enum policy_plaintext strictest; /* of [wire] or the rule */
    const char *rule;                /* whose name the event has */
};

static void demand_add(struct demand *demand, const struct policy_rule *rule)
{
    if (rule->seal == POLICY_SEAL_REQUIRE && rule->layer == POLICY_LAYER_SOCKET) {
        demand->rule = demand->is_strict ? demand->rule : rule->name;
        demand->is_strict = true;
    } else if (rule->plaintext != POLICY_PLAINTEXT_UNSET) {
        if (!demand->is_strict && policy_plaintext_refuses(rule->plaintext) &&
            !policy_plaintext_refuses(demand->strictest))
            demand->rule = rule->name;
        if (policy_plaintext_refuses(rule->plaintext) || demand->strictest == POLICY_PLAINTEXT_ALLOW)
            demand->strictest = rule->plaintext;
    }
}

/* `address`: where the connection goes to; NULL: not known, and then every rule of that direction may apply. */
static struct demand policy_demand(enum policy_direction direction, const struct sockaddr_in *address)
{
    const struct policy *policy = pfswrap_policy();
    struct demand demand = {.strictest = policy->wire.plaintext, .rule = "wire"};
    if (address != NULL) {
        const struct policy_rule *rule = rule_for_new_socket(policy, address);
        if (rule != NULL && rule->plaintext != POLICY_PLAINTEXT_UNSET)
            demand.strictest = rule->plaintext;
        if (rule != NULL)
            demand_add(&demand, rule);
        return demand;
    }
    for (size_t i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].direction == direction)
            demand_add(&demand, &policy->rules[i]);
    return demand;
}

/*
 * Before `name` opens a connection. Returns 0, or -ECONNREFUSED after an event: the call must fail.
 */
static int before(const char *name, enum policy_direction direction, const struct sockaddr_in *address)
{
    if (!planes_want())
        return 0;
    const struct demand demand = policy_demand(direction, address);
    const bool refuses = demand.is_strict || (policy_plaintext_refuses(demand.strictest) && pfswrap_enforces());
    if (!refuses && demand.strictest == POLICY_PLAINTEXT_ALLOW)
        return 0;
    char peer[AUDIT_ADDRESS_TEXT] = "";
    if (address != NULL)
        audit_address_format(peer, (const struct sockaddr *)address);
    const struct audit_field fields[] = {
        AUDIT_S("role", direction == POLICY_LISTEN ? "server" : "client"),
        AUDIT_S("peer", peer[0] != '\0' ? peer : NULL),
        AUDIT_S("reason",
                "libc moves the bytes of this connection by itself, so it can be neither sealed nor inspected"),
        AUDIT_S("detail", name),
        AUDIT_S("rule", demand.rule),
    };
    audit_event(refuses                                      ? "refused"
                : policy_plaintext_refuses(demand.strictest) ? "would-refuse"
                                                             : "unprotected",
                fields, sizeof fields / sizeof fields[0]);
    return refuses ? -ECONNREFUSED : 0;
}

/* Sets errno and the error that clnt_pcreateerror(3) prints. `error`: a negative errno value. */
static void fail(int error)
{
    struct create_error *(*const place)(void) = libc_function("__rpc_thread_createerr");
    if (place != NULL)
        *place() = (struct create_error){.status = RPC_SYSTEM_ERROR, .error.of.number = -error};
    errno = -error;
}

/* Whether `name` must not open a connection to this address; with errno. */
static bool refuses_connection(const char *name, const struct sockaddr_in *address)
{
    const int error = before(name, POLICY_CONNECT, address);
    if (error != 0)
        fail(error);
    return error != 0;
}

/* The address with another port. */
static struct sockaddr_in at_port(const struct sockaddr_in *address, in_port_t port)
{
    struct sockaddr_in other = *address;
    other.sin_port = htons(port);
    return other;
}

/*
 * Old binaries call these in the version of libc's first release. The local names are removed from the symbol
 * table, since a version script cannot hide names of a version.
 */
#define COMPAT(type, name, ...) COMPAT_IN(PFSWRAP_COMPAT_VERSION, type, name, __VA_ARGS__)
#define COMPAT_IN(version, type, name, ...)                                                                        \
    __asm__(".symver libc_" #name "," #name "@" version ",remove");                                                \
    PFSWRAP_EXPORT type libc_##name(__VA_ARGS__);                                                                  \
    PFSWRAP_EXPORT type libc_##name(__VA_ARGS__)

/* Returns libc's function, or makes the wrapper return what it returns for an error. */
#define REAL(type, name, error, ...)                                                                               \
    __extension__({                                                                                                \
        type (*const real_)(__VA_ARGS__) = libc_function(#name);                                                   \
        if (real_ == NULL) {                                                                                       \
            errno = ENOSYS;                                                                                        \
            return (error);                                                                                        \
        }                                                                                                          \
        real_;                                                                                                     \
    })

/* With a port of 0 it asks the port mapper, over TCP, too, and the port is not known. */
COMPAT(struct rpc_client *, clnttcp_create, struct sockaddr_in *address, unsigned long program,
       unsigned long version, int *fd, unsigned send_size, unsigned receive_size)
{
    if (*fd >= 0 && fd_before_stream(*fd, CALLER) != 0)
        return NULL;
    if (*fd < 0 && refuses_connection("clnttcp_create", address->sin_port != 0 ? address : NULL))
        return NULL;
    return REAL(struct rpc_client *, clnttcp_create, NULL, struct sockaddr_in *, unsigned long, unsigned long,
                int *, unsigned, unsigned)(address, program, version, fd, send_size, receive_size);
}

COMPAT(struct rpc_client *, clnt_create, const char *host, unsigned long program, unsigned long version,
       const char *protocol)
{
    if (strcmp(protocol, "tcp") == 0 && refuses_connection("clnt_create", NULL))
        return NULL;
    return REAL(struct rpc_client *, clnt_create, NULL, const char *, unsigned long, unsigned long,
                const char *)(host, program, version, protocol);
}

COMPAT(struct port_list *, pmap_getmaps, struct sockaddr_in *address)
{
    const struct sockaddr_in mapper = at_port(address, PORTMAPPER);
    if (refuses_connection("pmap_getmaps", &mapper))
        return NULL;
    return REAL(struct port_list *, pmap_getmaps, NULL, struct sockaddr_in *)(address);
}

COMPAT(unsigned short, pmap_getport, struct sockaddr_in *address, unsigned long program, unsigned long version,
       unsigned protocol)
{
    const struct sockaddr_in mapper = at_port(address, PORTMAPPER);
    if (protocol == IPPROTO_TCP && refuses_connection("pmap_getport", &mapper))
        return 0;
    return REAL(unsigned short, pmap_getport, 0, struct sockaddr_in *, unsigned long, unsigned long,
                unsigned)(address, program, version, protocol);
}

COMPAT(int, getrpcport, const char *host, unsigned long program, unsigned long version, unsigned protocol)
{
    if (protocol == IPPROTO_TCP && refuses_connection("getrpcport", NULL))
        return 0;
    return REAL(int, getrpcport, 0, const char *, unsigned long, unsigned long, unsigned)(host, program, version,
                                                                                          protocol);
}

/* Without a timeout it asks over TCP, else over UDP. */
COMPAT_IN(PFSWRAP_COMPAT_VERSION_RTIME, int, rtime, struct sockaddr_in *address, struct rpc_time *time,
          struct rpc_time *timeout)
{
    const struct sockaddr_in server = at_port(address, TIME_SERVER);
    if (timeout == NULL && refuses_connection("rtime", &server))
        return -1;
    return REAL(int, rtime, -1, struct sockaddr_in *, struct rpc_time *, struct rpc_time *)(address, time, timeout);
}

/* libc accepts the connections inside svc_run(3). */
COMPAT(struct rpc_transport *, svctcp_create, int fd, unsigned send_size, unsigned receive_size)
{
    const int error = before("svctcp_create", POLICY_LISTEN, NULL);
    if (error != 0) {
        errno = -error;
        return NULL;
    }
    return REAL(struct rpc_transport *, svctcp_create, NULL, int, unsigned, unsigned)(fd, send_size, receive_size);
}

/* The connection is the program's own: it is relayed, or cut, as for a stream of stdio. */
COMPAT(struct rpc_transport *, svcfd_create, int fd, unsigned send_size, unsigned receive_size)
{
    if (fd_before_stream(fd, CALLER) != 0)
        return NULL;
    return REAL(struct rpc_transport *, svcfd_create, NULL, int, unsigned, unsigned)(fd, send_size, receive_size);
}

PFSWRAP_EXPORT int rcmd_af(char **host, unsigned short port, const char *local_user, const char *remote_user,
                           const char *command, int *error_fd, sa_family_t family)
{
    if (refuses_connection("rcmd", NULL))
        return -1;
    return real_libc()->rcmd_af(host, port, local_user, remote_user, command, error_fd, family);
}

PFSWRAP_EXPORT int rcmd(char **host, unsigned short port, const char *local_user, const char *remote_user,
                        const char *command, int *error_fd)
{
    if (refuses_connection("rcmd", NULL))
        return -1;
    return real_libc()->rcmd(host, port, local_user, remote_user, command, error_fd);
}

PFSWRAP_EXPORT int rexec_af(char **host, int port, const char *user, const char *password, const char *command,
                            int *error_fd, sa_family_t family)
{
    if (refuses_connection("rexec", NULL))
        return -1;
    return real_libc()->rexec_af(host, port, user, password, command, error_fd, family);
}

PFSWRAP_EXPORT int rexec(char **host, int port, const char *user, const char *password, const char *command,
                         int *error_fd)
{
    if (refuses_connection("rexec", NULL))
        return -1;
    return real_libc()->rexec(host, port, user, password, command, error_fd);
}
