/*
 * The ground of the shim in the model: libc, the process, locks, signals, the transport, the shim's own numbers,
 * and one policy whose rule seals. See stubs.h.
 */
#include "model/stubs.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fork_lock.h"
#include "base/libc.h"
#include "base/lock.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/signals.h"
#include "base/transport.h"
#include "config/init.h"
#include "config/keys.h"
#include "config/snapshot.h"
#include "fd/change.h"
#include "fd/linger.h"
#include "fd/list.h"
#include "fd/own.h"
#include "reload/watch.h"
#include "rules/rules.h"

struct policy model_policy = {.rule_count = 1, .rules = {{.seal = POLICY_SEAL_REQUIRE}}};

static int real_dup3(int fd, int fd2, int flags)
{
    (void)flags;
    return model_real_dup2(fd, fd2);
}

static int real_fcntl(int fd, int command, ...)
{
    return (int)model_kernel(SYS_fcntl, fd, command, FD_CLOEXEC, 0, 0);
}

struct real_libc real_libc_table = {.connect = model_real_connect,
                                    .close = model_real_close,
                                    .dup = model_real_dup,
                                    .dup2 = model_real_dup2,
                                    .dup3 = real_dup3,
                                    .fcntl = real_fcntl,
                                    .close_range = model_real_close_range};
atomic_bool real_libc_resolved = true;
void real_libc_resolve(void)
{
}

const struct policy *pfswrap_policy(void)
{
    return &model_policy;
}
bool pfswrap_seals(void)
{
    return true;
}
bool keys_in_use(void)
{
    return true;
}
atomic_bool watch_is_due;
void watch_begin(bool waits)
{
    (void)waits;
}
static struct snapshot snapshot = {.policy = &model_policy};
struct snapshot *snapshot_acquire_for(const struct policy_rule *rule)
{
    (void)rule;
    return &snapshot;
}
void snapshot_release(struct snapshot *released)
{
    (void)released;
}
void snapshot_begin_recount(void)
{
}
void snapshot_recount(struct snapshot *counted)
{
    (void)counted;
}
void snapshot_end_recount(bool is_idle)
{
    (void)is_idle;
}
void pfswrap_die(const char *message)
{
    ck_abort_msg("%s", message);
}

enum rule_answer rule_for_connect(const struct policy *in_force, int fd, const struct sockaddr *address,
                                  socklen_t length, const struct policy_rule **rule)
{
    (void)fd, (void)length;
    const int port = ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    const bool is_sealed = address->sa_family == AF_INET && port - 1000 != PEER_PLAIN;
    *rule = is_sealed ? &in_force->rules[0] : NULL;
    return is_sealed ? RULE_FOUND : RULE_NONE;
}
bool rule_seals_socket(const struct policy_rule *rule)
{
    return rule != NULL;
}
bool rules_require(const struct policy *in_force, enum policy_direction direction)
{
    (void)in_force, (void)direction;
    return true;
}

bool process_sandboxed;
static unsigned generation = 1;
unsigned *process_generation = &generation;
void process_adopt(void)
{
    model_expect(false, "no thread forks here");
}
pid_t process_running_id(void)
{
    return 1;
}
void process_block_forks(void)
{
}
void process_unblock_forks(void)
{
}
bool process_is_vfork_child(void)
{
    return false;
}
void process_keep_answer(void)
{
}
struct process_thread process_thread(void)
{
    return (struct process_thread){.id = (uint32_t)model_self() + 1, .space = 1};
}

/* A long wait never times out here, so a fault shows as a deadlock. A short one may. */
bool fd_wait(int round, int most_ms)
{
    (void)round;
    return most_ms > 1000 ? (model_wait(), true) : model_wait_or_time_out();
}

enum lock_result lock_take(struct lock *lock)
{
    const uint32_t self = (uint32_t)model_self() + 1;
    for (;;) {
        uint32_t expected = 0;
        model_step();
        if (MODEL_COMPARE(&lock->word, &expected, self))
            return LOCK_TAKEN;
        if (expected == self)
            return LOCK_OWN;
        model_wait();
    }
}
bool lock_try(struct lock *lock)
{
    uint32_t expected = 0;
    model_step();
    return MODEL_COMPARE(&lock->word, &expected, (uint32_t)model_self() + 1);
}
bool lock_is_held_here(const struct lock *lock)
{
    return lock->word == (uint32_t)model_self() + 1;
}
void lock_release(struct lock *lock)
{
    MODEL_STORE(&lock->word, 0);
    model_changed();
}

bool lock_has_late_owner(struct lock *lock)
{
    (void)lock;
    return false;
}
void lock_start_again(struct lock *lock)
{
    (void)lock;
}

__thread bool signals_held __attribute__((tls_model("initial-exec")));
void signals_let_go(void)
{
}
void signals_pin(void)
{
}
void signals_unpin(void)
{
}

uint64_t clock_ms(void)
{
    return 0;
}
int model_outstanding[MODEL_NUMBERS];
int transport_unacknowledged(int fd)
{
    return fd >= 0 && fd < MODEL_HIDDEN && model_is_connected(fd) ? model_outstanding[fd] : 0;
}
int transport_queued(int fd)
{
    return transport_unacknowledged(fd);
}
void transport_discard(int fd)
{
    (void)fd;
}

long transport_receive(int fd, void *bytes, size_t size)
{
    (void)fd, (void)bytes, (void)size;
    return -EAGAIN;
}
long transport_shut(int fd, int how)
{
    (void)fd, (void)how;
    return 0;
}
void transport_reset_on_close(int fd)
{
    (void)fd;
}
bool transport_is_quiet(int fd)
{
    (void)fd;
    return true;
}
bool transport_has_ended(int fd)
{
    (void)fd;
    return false;
}
bool transport_has_ended_after(int fd, uint64_t received, bool *is_all)
{
    (void)fd, (void)received;
    return *is_all = false;
}
__thread enum transport_call transport_call __attribute__((tls_model("initial-exec")));

void transport_extend_send_buffer(int fd, unsigned bytes)
{
    (void)fd, (void)bytes;
}
unsigned long process_threads(void)
{
    return 0;
}
bool model_is_full;
int own_duplicate_high(int fd, int at_least)
{
    if (model_is_full)
        return -EMFILE;
    return (int)model_kernel(SYS_fcntl, fd, F_DUPFD_CLOEXEC, at_least, 0, 0);
}
int own_lowest(unsigned first, unsigned last)
{
    (void)first, (void)last;
    return -1;
}
void own_make_way(int fd)
{
    (void)fd;
}
void list_descriptors(void (*visit)(int fd, void *argument), void *argument)
{
    (void)visit, (void)argument;
}
void linger_before_close(int fd)
{
    (void)fd;
}
void linger_before_close_range(unsigned first, unsigned last)
{
    (void)first, (void)last;
}
