/*
 * Where an inspection begins: decides which connections of the program are inspected, and how.
 */
#include "base/large.h"
#include "inspect/inspect.h"

#include <netinet/in.h>
#include <string.h>

#include "audit/audit.h"
#include "base/filter.h"
#include "base/fork_lock.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/socket_cookie.h"
#include "base/socket_kind.h"
#include "config/init.h"
#include "inspect/record.h"
#include "rules/rules.h"

/*
 * For each policy that was in force: the reader's settings. TLS must begin with the first byte; or plaintext may
 * come before it, as with STARTTLS.
 */
struct settings {
    const struct policy *policy;
    struct wire_config at_once, after_plaintext;
};
static struct settings first_settings; /* of the policy at the start */
LARGE static struct settings later_settings[SNAPSHOT_POLICIES_MAX - 1];
static size_t settings_count;
static _Atomic(const struct settings *) in_force; /* NULL: no connection has to be inspected */

enum { STARTTLS_BYTES = 4096 };

bool inspect_is_wanted(void)
{
    return atomic_load_explicit(&in_force, memory_order_relaxed) != NULL;
}

bool inspect_enforces(void)
{
    const struct settings *now = atomic_load(&in_force);
    return now != NULL && now->policy->mode == POLICY_ENFORCE &&
           (policy_planes(now->policy) & POLICY_PLANE_REFUSES) != 0;
}

void inspect_cut(int fd, const char *reason)
{
    const struct audit_field fields[] = {AUDIT_S("reason", reason), AUDIT_S("rule", "wire")};
    audit_event("refused", fields, sizeof fields / sizeof fields[0]);
    (void)raw_syscall(SYS_shutdown, fd, SHUT_RDWR);
}

bool inspect_is_current(int fd)
{
    const uint32_t entry = plane_record(&inspect_plane, fd_word(fd));
    if (entry == 0)
        return false;
    if (process_sandboxed || record_at(entry)->cookie == socket_cookie(fd, SO_COOKIE))
        return true;
    inspect_end(fd);
    return false;
}

/* A connection that cannot be inspected is cut if the policy may refuse connections. */
static bool begin_failed(int fd, const char *reason)
{
    if (inspect_enforces())
        inspect_cut(fd, reason);
    return !inspect_enforces();
}

/*
 * Behind a filter that forbids the questions, nothing is known about a new socket, not even whether it is a TCP
 * socket. A policy that refuses plaintext refuses it. Otherwise it passes without inspection.
 */
static bool begin_unknown(int fd, const struct policy *policy)
{
    bool refuses = policy_plaintext_refuses(policy->wire.plaintext);
    for (size_t i = 0; i < policy->rule_count && !refuses; i++)
        refuses = policy_plaintext_refuses(policy->rules[i].plaintext);
    return !refuses || begin_failed(fd, "a system call filter forbids to find out which rule applies");
}

static bool can_ask(void)
{
    return filter_allows(SYS_getsockopt) && filter_allows(SYS_getsockname) && filter_allows(SYS_getpeername);
}

/* How an inspection is done, by the rule that applies. */
struct manner {
    const struct settings *settings;
    const struct policy_rule *rule; /* NULL: none applies */
    enum policy_plaintext plaintext;
    bool is_server;
};

/* Gives the foreign number a record, if it has none. Returns whether there is nothing left to do. */
static bool add_record(int fd, const struct manner *manner)
{
    const uint64_t cookie = socket_cookie(fd, SO_COOKIE);
    if (inspect_is_current(fd))
        return true; /* a program may call connect(2) again, for the result of a connection that takes long */
    struct record *record = record_new(fd, cookie);
    if (record == NULL)
        return fd_is_sealed(fd) || fd_has_record(fd); /* another thread was faster */
    record->is_server = manner->is_server;
    const struct settings *now = manner->settings;
    record->policy = now->policy;
    record->rule = manner->rule != NULL ? (int)(manner->rule - now->policy->rules) : RECORD_NO_RULE;
    record->plaintext = manner->plaintext;
    /* If TLS is not checked, the first byte decides. */
    record->config = manner->plaintext == POLICY_PLAINTEXT_REFUSE || now->policy->wire.tls == POLICY_WIRE_OFF
                         ? &now->at_once
                         : &now->after_plaintext;
    record_unlock(record);
    return true;
}

/* Whether an address of connect(2) may be a TCP socket's. */
static bool may_be_internet(const struct sockaddr *address, socklen_t length)
{
    return address == NULL || length < sizeof address->sa_family || address->sa_family == AF_INET ||
           address->sa_family == AF_INET6 || address->sa_family == AF_UNSPEC;
}

/* `address`: the peer's; NULL for a connection that was accepted, from `listener`. */
static bool inspect_begin(int fd, enum policy_direction direction, int listener, const struct sockaddr *address,
                          socklen_t length)
{
    const struct settings *now = atomic_load(&in_force);
    if (fd_is_sealed(fd) || !may_be_internet(address, length))
        return true;
    const struct policy *policy = now->policy;
    if (!can_ask())
        return begin_unknown(fd, policy);
    if (!socket_may_be_tcp(fd))
        return true;
    if (direction == POLICY_CONNECT && length >= sizeof address->sa_family && address->sa_family == AF_UNSPEC) {
        inspect_end(fd); /* the socket is disconnected (connect(2)), and may be connected again */
        return true;
    }
    const struct policy_rule *rule;
    const enum rule_answer answer = direction == POLICY_CONNECT
                                        ? rule_for_connect(policy, fd, address, length, &rule)
                                        : rule_for_accept(policy, fd, listener, &rule, NULL);
    if (answer == RULE_UNKNOWN)
        return begin_failed(fd, "its addresses cannot be found out, and a rule may apply to it");
    enum policy_plaintext plaintext =
        rule != NULL && rule->plaintext != POLICY_PLAINTEXT_UNSET ? rule->plaintext : policy->wire.plaintext;
    if (policy->wire.tls == POLICY_WIRE_OFF && plaintext == POLICY_PLAINTEXT_ALLOW)
        return true;
    if ((unsigned)fd >= FD_TABLE_SIZE)
        return begin_failed(fd, "the descriptor's number is too high for an inspection");
    const struct manner manner = {now, rule, plaintext, direction == POLICY_LISTEN};
    process_block_forks(); /* a child has both the descriptor and its record, or neither */
    const bool is_done = add_record(fd, &manner);
    process_unblock_forks();
    return is_done || begin_failed(fd, "no memory for an inspection of the connection");
}

bool inspect_connected(int fd, const struct sockaddr *address, socklen_t length)
{
    return !inspect_is_wanted() || inspect_begin(fd, POLICY_CONNECT, -1, address, length);
}

bool inspect_accepted(int fd, int listener)
{
    return !inspect_is_wanted() || inspect_begin(fd, POLICY_LISTEN, listener, NULL, 0);
}

static void config_fill(struct wire_config *config, const struct policy_tls *tls, uint16_t plaintext_max)
{
    _Static_assert((int)WIRE_LIST_MAX >= (int)POLICY_LIST_MAX, "a policy's lists fit");
    config->min_version = tls->min_version;
    config->group_count = tls->group_count;
    config->ciphersuite_count = tls->ciphersuite_count;
    memcpy(config->groups, tls->groups, sizeof tls->groups);
    memcpy(config->ciphersuites, tls->ciphersuites, sizeof tls->ciphersuites);
    config->refuse_resumption = tls->session_tickets == POLICY_TICKETS_REFUSE;
    config->plaintext_max = plaintext_max;
}

static struct settings *settings_at(size_t i)
{
    return i == 0 ? &first_settings : &later_settings[i - 1];
}

/* New connections are inspected by this policy. There are never more different ones than places. */
static bool put_in_force(const struct policy *policy)
{
    size_t i = 0;
    while (i < settings_count && settings_at(i)->policy != policy)
        i++;
    if (i == SNAPSHOT_POLICIES_MAX)
        return false;
    struct settings *const settings = settings_at(i);
    if (i == settings_count) {
        settings->policy = policy;
        config_fill(&settings->at_once, &policy->tls, 0);
        config_fill(&settings->after_plaintext, &policy->tls, STARTTLS_BYTES);
        settings_count++;
    }
    atomic_store(&in_force, settings);
    return true;
}

/* Ends the process. In audit mode, which changes nothing, it only says that no connection is inspected. */
static bool goes_on_without(const struct policy *policy)
{
    static const char reason[] =
        "cannot prepare to inspect connections: the kernel refused memory that a fork wipes (Linux 4.14)";
    const struct audit_field fields[] = {AUDIT_S("reason", reason), AUDIT_S("rule", "wire")};
    if (policy->mode == POLICY_ENFORCE)
        pfswrap_die(reason);
    audit_event("unprotected", fields, sizeof fields / sizeof fields[0]);
    return false;
}

void inspect_start(const struct policy *policy)
{
    if ((policy_planes(policy) & POLICY_PLANE_WIRE) == 0)
        return;
    if (!record_start() && !goes_on_without(policy))
        return;
    (void)put_in_force(policy);
}

/* Without an inspection at the start, none begins later (policy_check_live()). */
static bool prepare(const struct policy *policy)
{
    return !inspect_is_wanted() || put_in_force(policy);
}

const struct snapshot_observer inspect_snapshot_observer = {.prepare = prepare};
