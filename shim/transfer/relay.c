/*
 * Makes a relay, in the process that has the sealed descriptor. The relay is made by two raw clones, and the first
 * of them ends at once. So the relay is not a child of the program, the program's wait(2) does not see it, and no
 * handler of pthread_atfork(3) runs.
 */
#include "transfer/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/fork_lock.h"
#include "base/process.h"
#include "base/filter.h"
#include "base/raw_syscall.h"
#include "base/signals.h"
#include "connection/holders.h"
#include "transfer/relay_name.h"
#include "transfer/share.h"

enum {
    STANDARD_LAST = 2,
    SIGNAL_SET_BYTES = 8, /* the size of the kernel's signal set */
    /*
     * poll(2) reports POLLOUT while less than a quarter is used. The byte that the relay leaves unread counts as
     * the whole message that it came in, up to 48 KiB.
     */
    SEND_BUFFER = 256 * 1024,
};

bool relay_is_needed_at(int number)
{
    return number <= STANDARD_LAST;
}

bool relay_is_needed(int number)
{
    return relay_is_needed_at(number) || process_is_vfork_child();
}

/* Copies a timeout that the program has set. */
static void copy_option(int from, int to, int option)
{
    struct timeval value;
    socklen_t length = sizeof value;
    if (raw_syscall(SYS_getsockopt, from, SOL_SOCKET, option, &value, &length) == 0)
        (void)raw_syscall(SYS_setsockopt, to, SOL_SOCKET, option, &value, length);
}

/*
 * ends[0] is the program's. One byte is sent from the start, and the relay always leaves one unread: when it closes
 * its end after an error, the kernel reports ECONNRESET to the program.
 */
static int make_pair(const struct connection *connection, int fd, int ends[2])
{
    const int nonblocking = atomic_load(&connection->nonblocking) ? SOCK_NONBLOCK : 0;
    const int size = SEND_BUFFER;
    long result = raw_syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | nonblocking, 0, ends);
    if (result < 0)
        return (int)result;
    (void)raw_syscall(SYS_setsockopt, ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    (void)raw_syscall(SYS_setsockopt, ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    copy_option(fd, ends[0], SO_RCVTIMEO);
    copy_option(fd, ends[0], SO_SNDTIMEO);
    result = relay_name_bind(ends[1], connection);
    if (result == 0)
        result = raw_syscall(SYS_sendto, ends[0], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    if (result == 1)
        return 0;
    (void)raw_syscall(SYS_close, ends[0]);
    (void)raw_syscall(SYS_close, ends[1]);
    return -ENOMEM;
}

/* Makes the process that serves `end`. Returns 0 or a negative errno value. */
static int make_process(struct endpoint *endpoint, int fd, int end)
{
    uint64_t all = UINT64_MAX, before;
    int status = 0;
    const pid_t self = process_running_id();
    (void)raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, SIGNAL_SET_BYTES);
    long child = raw_syscall(SYS_clone, 0, 0, NULL, NULL, 0);
    if (child == 0) {
        if (!relay_prepare(endpoint, fd, end, self))
            raw_exit(1);
        long grandchild = raw_syscall(SYS_clone, 0, 0, NULL, NULL, 0);
        if (grandchild == 0)
            relay_run();
        raw_exit(grandchild < 0);
    }
    int interrupted = 0;
    if (child > 0)
        while (raw_is_interrupted(raw_syscall(SYS_wait4, child, &status, __WALL, NULL), &interrupted))
            continue;
    (void)raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, SIGNAL_SET_BYTES);
    return child < 0 ? (int)child : status != 0 ? -EAGAIN : 0;
}

/* The kernel has not replaced the number. It must not be used as a plain socket: the kernel resets the connection.
 */
static void cut(int number)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    if (raw_syscall(SYS_connect, number, &none, sizeof none) != 0)
        (void)raw_syscall(SYS_shutdown, number, SHUT_RDWR);
}

/*
 * `number` becomes the pair's end, and the connection's epoll registrations become registrations of that end.
 * False: the kernel refuses it, and the connection is cut.
 */
static bool move_registrations(struct endpoint *endpoint, int number, int end)
{
    struct registration *registrations = endpoint->registrations;
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++)
        if (registrations[i].epoll != 0 && registrations[i].fd == number)
            (void)raw_syscall(SYS_epoll_ctl, registrations[i].epoll - 1, EPOLL_CTL_DEL, number, NULL);
    const bool replaced = raw_syscall(SYS_dup3, end, number, fd_cloexec(number) ? O_CLOEXEC : 0) == number;
    if (!replaced)
        cut(number);
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++)
        if (registrations[i].epoll != 0 && registrations[i].fd == number) {
            (void)raw_syscall(SYS_epoll_ctl, registrations[i].epoll - 1, EPOLL_CTL_ADD, number,
                              &registrations[i].event);
            registrations[i] = (struct registration){0};
        }
    return replaced;
}

/* Every number of the endpoint becomes the pair's end. Called locked; the endpoint is freed. False: one is cut. */
static bool replace_numbers(struct endpoint *endpoint, struct connection *connection, int end)
{
    const uint32_t generation = fd_next_generation();
    bool replaced = true;
    signals_pin(); /* a number is closing meanwhile, and the connection is locked */
    for (int number = endpoint_number(endpoint, 0); number >= 0; number = endpoint_number(endpoint, number + 1)) {
        replaced = move_registrations(endpoint, number, end) && replaced;
        (void)endpoint_remove(endpoint, number, generation);
        fd_vacate(number, generation);
    }
    (void)holders_release(connection);
    endpoint_free(endpoint, connection);
    signals_unpin();
    return replaced;
}

/* The same in a child of vfork(), which has its own descriptors, but shares its parent's table. */
static void replace_in_vfork_child(struct endpoint *endpoint, struct connection *connection, int end)
{
    for (int number = endpoint_number(endpoint, 0); number >= 0; number = endpoint_number(endpoint, number + 1))
        (void)raw_syscall(SYS_dup3, end, number, fd_cloexec(number) ? O_CLOEXEC : 0);
    endpoint_leave(connection);
}

/* Whether the number is the pair's end already. In a child of vfork() the table still says that it is sealed. */
static bool is_replaced(int fd)
{
    int domain = 0;
    socklen_t length = sizeof domain;
    return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

/* Whether a relay can work: it inherits this process's filters. */
static bool is_possible(void)
{
    static const short calls[] = {SYS_clone,       SYS_wait4,       SYS_socketpair, SYS_epoll_create1,
                                  SYS_epoll_ctl,   SYS_bind,        SYS_sendto,     SYS_recvfrom,
                                  SYS_epoll_pwait, SYS_close_range, SYS_shutdown};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (!filter_allows(calls[i]))
            return false;
    return true;
}

int relay_make(struct endpoint *endpoint, struct connection *connection, int socket)
{
    int ends[2] = {-1, -1};
    if (!is_possible())
        return -EACCES;
    int error = make_pair(connection, socket, ends);
    if (error != 0)
        return error == -ENFILE ? -EMFILE : error;
    error = share_connection(endpoint, connection) ? 0 : -ENOMEM;
    if (error == 0) {
        error = make_process(endpoint, socket, ends[1]);
        if (error != 0)
            connection->holder_count--;
    }
    (void)raw_syscall(SYS_close, ends[1]);
    if (error == 0)
        return ends[0];
    (void)raw_syscall(SYS_close, ends[0]);
    return error;
}

static int start(int fd, bool vfork_child)
{
    struct endpoint *endpoint;
    struct connection *connection;
    const int entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return entered == ENDPOINT_NONE ? 0 : entered;
    bool replaced = true;
    const int end = relay_make(endpoint, connection, fd);
    if (end < 0)
        endpoint_leave(connection);
    else if (vfork_child)
        replace_in_vfork_child(endpoint, connection, end);
    else
        replaced = replace_numbers(endpoint, connection, end);
    if (end < 0)
        return end;
    (void)raw_syscall(SYS_close, end);
    return replaced ? 0 : -EIO;
}

int relay_start(int fd)
{
    const bool vfork_child = process_is_vfork_child();
    if (vfork_child && is_replaced(fd))
        return 0;
    process_block_forks();
    const int error = start(fd, vfork_child);
    process_unblock_forks();
    return error;
}

int relay_require(int fd)
{
    const int error = relay_start(fd);
    if (error != 0)
        connection_report_lost("the process that would serve the connection for this program cannot be made");
    return error;
}
