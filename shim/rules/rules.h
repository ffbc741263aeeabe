/*
 * Which rule of the policy applies to a socket. [connect] rules are compared with the address that a connection
 * goes to, [listen] rules with the local address of a connection that was accepted. The first rule in file order
 * counts. Rules apply only to TCP and multipath TCP over IPv4 and IPv6.
 *
 * A system call that returns an address may fail, for example under a system call filter (seccomp(2)). The answer
 * is RULE_UNKNOWN then. If rules_require() is true, a connection with that answer must be refused, because it may
 * be one that must be sealed.
 *
 * Every function here makes system calls by number and calls nothing but policy_match(): it may run in a signal
 * handler and in a child of vfork(), and keeps errno.
 */
#ifndef PFSWRAP_RULES_RULES_H
#define PFSWRAP_RULES_RULES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "policy/policy.h"

enum rule_answer {
    RULE_NONE,    /* no rule applies */
    RULE_FOUND,   /* *rule applies */
    RULE_UNKNOWN, /* a rule may apply: the addresses of the socket cannot be found out */
};

/*
 * For the socket `fd`, which is about to be connected to `address` (`length` bytes), or has just been. An
 * unspecified address means what it means to connect(2): 0.0.0.0 is the address that the socket is bound to, else
 * 127.0.0.1, and
 * [::] is [::1], or 127.0.0.1 for a socket that is bound to an IPv4 address. *rule is NULL unless the answer is
 * RULE_FOUND.
 */
enum rule_answer rule_for_connect(const struct policy *policy, int fd, const struct sockaddr *address,
                                  socklen_t length, const struct policy_rule **rule);

/* The rule for a TCP socket that is not there yet, and will be connected to `address`. NULL: no rule applies. */
const struct policy_rule *rule_for_new_socket(const struct policy *policy, const struct sockaddr_in *address);

/*
 * For the socket `fd`, which accept(2) has just returned for the socket `listener` (-1: not known). If the
 * connection was diverted (TPROXY, BPF), its local address is the one that the client asked for, and not the
 * listener's. Then the rule for the listener's address applies; if there is none, the rule for the local address.
 * Makes no system call if the policy has no [listen] rule. *rule is NULL unless the answer is RULE_FOUND;
 * then *self (if not NULL) is the local address.
 */
enum rule_answer rule_for_accept(const struct policy *policy, int fd, int listener, const struct policy_rule **rule,
                                 struct sockaddr_in6 *self);

/*
 * The rule that seals the connection behind `fd`, whichever end of it this process is: for descriptors that the
 * process was started with, or received. A [listen] rule comes before a [connect] rule; rules that do not seal are
 * passed over. RULE_NONE for a descriptor that is not connected, or is no socket. *rule is NULL unless the answer
 * is RULE_FOUND.
 */
enum rule_answer rule_for_open(const struct policy *policy, int fd, const struct policy_rule **rule);

/* Whether `rule` seals the socket itself: seal = require or prefer, and layer = socket. `rule` may be NULL. */
bool rule_seals_socket(const struct policy_rule *rule);

/* Whether a rule of that direction has seal = require and layer = socket. */
bool rules_require(const struct policy *policy, enum policy_direction direction);

#endif
