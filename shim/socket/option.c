/*
 * getsockopt and setsockopt, where the kernel's result would be wrong for the program: a plane answers, or refuses
 * options that would make the kernel send bytes past it, hide bytes from it, or return its own ones.
 * option_list.h has the decision for every option. Also options of relayed descriptors.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address_check.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/raw_syscall.h"
#include "base/socket_kind.h"
#include "socket/address.h"
#include "socket/data_call.h"
#include "socket/option_list.h"
#include "socket/unconnected.h"

/* What is done about an option (option_list.h). */
enum decision { PASS, HONOUR, REFUSE_ON, REFUSE_ONE, REFUSE_OFFSET, REFUSE_ANY, REFUSE_GET, CONTROL };
struct rule {
    enum decision decision;
    int error; /* if it is refused */
};

static struct rule rule_of(int level, int option)
{
#define X(name, number, decision, error)                                                                           \
    case number:                                                                                                   \
        return (struct rule){decision, error};
    /* Many options have the same decision. NOLINTBEGIN(bugprone-branch-clone) */
    switch (level) {
    case SOL_SOCKET:
        switch (option) {
            OPTIONS_SOCKET(X)
        }
        break;
    case IPPROTO_TCP:
        switch (option) {
            OPTIONS_TCP(X)
        }
        break;
    case IPPROTO_IP:
        switch (option) {
            OPTIONS_IP(X)
        }
        break;
    case IPPROTO_IPV6:
        switch (option) {
            OPTIONS_IPV6(X)
        }
        break;
    }
/* NOLINTEND(bugprone-branch-clone) */
#undef X
    return (struct rule){PASS, 0};
}

/* Whether getting the option takes bytes. */
static bool moves_bytes(int level, int option)
{
    return level == IPPROTO_TCP && rule_of(level, option).decision == REFUSE_GET;
}

PFSWRAP_EXPORT int getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    if (__builtin_expect(fd_word(fd) != 0, false) && moves_bytes(level, option) && fd_refuses_unseen(fd)) {
        errno = rule_of(level, option).error;
        return -1;
    }
    const struct fd_operations *operations = fd_operations_if_known(fd);
    if (operations != NULL && operations->get_option != NULL) {
        const int answer = operations->get_option(fd, level, option, value, length);
        if (answer != FD_FOREIGN)
            return answer;
    }
    const int saved = errno;
    int result = real_libc()->getsockopt(fd, level, option, value, length);
    if (result != 0 && errno == EOPNOTSUPP && !moves_bytes(level, option) &&
        address_option_refused(fd, level, option, value, length)) {
        errno = saved;
        return 0;
    }
    if (result == 0 && level == SOL_SOCKET && (option == SO_DOMAIN || option == SO_PROTOCOL))
        address_option_answered(fd, option, value, *length);
    return result;
}

/* Whether this is a TCP socket without a connection, which a plane may take over. */
static bool is_undecided(int fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    return socket_may_be_tcp(fd) && raw_syscall(SYS_getpeername, fd, &peer, &length) != 0;
}

/* Whether the option would apply to a connection that a plane has taken over, or may take over. */
static bool concerns(int fd, enum decision decision)
{
    if (fd_has_own_stream(fd))
        return true;
    if (decision == REFUSE_ANY) /* only a connection can have it */
        return false;
    if (decision != REFUSE_OFFSET && address_is_relayed(fd)) /* Unix sockets have peek offsets, too */
        return true;
    return is_undecided(fd);
}

/*
 * The error of setting an option that is refused, 0 if it is not. `value` is readable. Switching an option off is
 * not refused. A value that is too short is left to the kernel, which refuses it.
 */
static int refusal(int fd, const struct rule *rule, const void *value, socklen_t length)
{
    int number = 0;
    if (rule->decision != REFUSE_ANY) {
        if (length < sizeof number)
            return 0;
        memcpy(&number, value, sizeof number);
    }
    const bool is_wanted = rule->decision == REFUSE_ANY || (rule->decision == REFUSE_ON && number != 0) ||
                           (rule->decision == REFUSE_ONE && number == 1) ||
                           (rule->decision == REFUSE_OFFSET && number >= 0);
    return is_wanted && concerns(fd, rule->decision) ? rule->error : 0;
}

/* Options that are not the kernel's alone. Returns whether the call is done, and succeeds. */
static bool honour(int fd, int level, int option, const void *value, socklen_t length)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    if (operations != NULL && operations->set_option != NULL &&
        operations->set_option(fd, level, option, value, length) == 0)
        return true;
    if (level == SOL_SOCKET && (option == SO_SNDBUF || option == SO_SNDBUFFORCE))
        return address_is_relayed(fd); /* a relay needs the size that it has set (transfer/relay.c) */
    if (level == IPPROTO_TCP && option == TCP_FASTOPEN_CONNECT)
        return is_undecided(fd); /* the connection would begin with the program's bytes, not with the handshake */
    return false;
}

/* 1: the call has succeeded. 0: make the real call. -1: it fails, with errno. */
static int decide(int fd, int level, int option, const void *value, socklen_t length)
{
    const struct rule rule = rule_of(level, option);
    if (rule.decision == PASS || address_is_bad(value))
        return 0; /* the kernel refuses a bad address */
    if (rule.decision == HONOUR)
        return honour(fd, level, option, value, length) ? 1 : 0;
    const int error = refusal(fd, &rule, value, length);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

PFSWRAP_EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    const int decided = planes_take_over() ? decide(fd, level, option, value, length) : 0;
    if (decided != 0)
        return decided > 0 ? 0 : -1;
    const int saved = errno;
    int result = real_libc()->setsockopt(fd, level, option, value, length);
    if (result != 0 && errno == EOPNOTSUPP && address_option_refused(fd, level, option, NULL, NULL)) {
        errno = saved;
        return 0;
    }
    return result;
}
