/*
 * Descriptor numbers that change hands between threads: the shim's own table, connect, close and dup2 run in every
 * order of their steps that a few preemptions make (model/model.h). The connection itself is a stub: its handshake
 * is one step, and ends as its peer decides.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection/background.h"
#include "base/transport.h"
#include "connection/connection.h"
#include "rules/rules.h"
#include "connection/counting.h"
#include "connection/endpoint.h"
#include "transfer/export.h"
#include "readiness/registration.h"
#include "base/fork_lock.h"
#include "base/lock.h"
#include "base/process.h"
#include "readiness/readiness.h"
#include "reload/watch.h"
#include "connection/receive.h"
#include "transfer/segment.h"
#include "transfer/relay.h"
#include "connection/release.h"
#include "connection/report_counted.h"
#include "connection/unproved.h"
#include "connection/holders.h"
#include "transfer/share.h"
#include "base/signals.h"
#include "connection/stream.h"
#include "connection/wait.h"
#include "config/init.h"
#include "config/keys.h"
#include "config/snapshot.h"
#include "model/model.h"
#include "fd/own.h"
#include "base/raw_syscall.h"
#include "base/libc.h"
#include "fd/list.h"
#include "fd/linger.h"
#include "suite.h"
#include "fd/plane.h"
#include "sealed/operations.h"

/* --- stubs for the rest of the shim --- */

static struct policy policy = {.rule_count = 1, .rules = {{.seal = POLICY_SEAL_REQUIRE}}};

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
    return &policy;
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
void watch_begin(void)
{
}
static struct snapshot snapshot = {.policy = &policy};
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

void pfswrap_seal_poison(struct pfswrap_seal *channel)
{
    (void)channel;
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
const struct policy_rule *connection_rule(const struct connection *connection)
{
    return &policy.rules[connection->binding->rule];
}
void connection_init(struct connection *connection, const struct binding *binding, bool initiator, bool nonblocking)
{
    memset((uint8_t *)connection + sizeof connection->lock, 0, sizeof *connection - sizeof connection->lock);
    connection->binding = binding;
    connection->initiator = initiator;
    connection->nonblocking = nonblocking;
    connection->holder_count = 1;
}
void connection_clear(struct connection *connection)
{
    memset((uint8_t *)connection + sizeof connection->lock, 0, sizeof *connection - sizeof connection->lock);
}
/* Who reads the counters is no part of the model. */
void counting_begin(struct connection *connection, const struct endpoint *endpoint)
{
    (void)connection;
    (void)endpoint;
}

void counting_end(struct connection *connection)
{
    (void)connection;
}

void connection_fail(struct connection *connection, int fd, int error, const char *reason)
{
    (void)fd, (void)reason;
    connection->phase = CONNECTION_FAILED;
    connection->error = error;
}
void connection_disconnect(struct connection *connection)
{
    connection->phase = CONNECTION_FAILED;
}
void connection_lose(struct connection *connection)
{
    connection->phase = CONNECTION_FAILED;
}
/* As in connection.c. */
bool connection_is_dialled(const struct connection *connection)
{
    for (int i = 0; i < CONNECTION_DIALLERS; i++)
        if (connection->diallers[i].id != 0 && connection->diallers[i].id != process_thread().id)
            return true;
    return false;
}
void connection_end_dial(struct connection *connection)
{
    for (int i = 0; i < CONNECTION_DIALLERS; i++)
        if (connection->diallers[i].id == process_thread().id)
            connection->diallers[i].id = 0;
}
bool connection_begin_dial(struct connection *connection)
{
    for (int i = 0; i < CONNECTION_DIALLERS; i++)
        if (connection->diallers[i].id == 0) {
            connection->diallers[i] = process_thread();
            return true;
        }
    return false;
}
void connection_trim(struct connection *connection)
{
    (void)connection;
}
void connection_fetch(struct connection *connection, struct connection *slot, const struct binding *binding)
{
    (void)connection, (void)slot, (void)binding;
    model_expect(false, "no connection is shared here");
}
void connection_store(struct connection *connection)
{
    (void)connection;
}
void connection_report_closed(const struct connection *connection, const char *end, const char *reason)
{
    (void)connection, (void)end, (void)reason;
}
void counted_write_all(void)
{
}
void connection_report_lost(const char *reason)
{
    (void)reason;
}

/* As in handshake.c; the exchange with the peer is one step here. */
void handshake_advance(struct connection *connection, int fd)
{
    if (connection->phase != CONNECTION_CONNECTING)
        return;
    struct sockaddr_in6 peer;
    socklen_t length = sizeof peer;
    const long result = raw_syscall(SYS_getpeername, fd, &peer, &length);
    if (result == 0 && model_peer_of(fd) == PEER_KEYED)
        connection->phase = CONNECTION_OPEN;
    else if (result == 0 || result != -ENOTCONN)
        connection_fail(connection, fd, ECONNRESET, "");
    else if (connection->dialled && !connection_is_dialled(connection))
        connection->phase = CONNECTION_NONE;
}

/* Closing takes two calls: at the first one, what was sent is still on its way. */
static int outstanding[MODEL_NUMBERS];
bool send_finish(struct connection *connection, int fd)
{
    (void)fd;
    connection->fin_sent = true;
    return true;
}
int send_flush(struct connection *connection, int fd)
{
    (void)connection, (void)fd;
    return 1;
}
int transport_unacknowledged(int fd)
{
    return fd >= 0 && fd < MODEL_HIDDEN && model_is_connected(fd) ? outstanding[fd] : 0;
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
bool receive_rest(struct connection *connection, int fd)
{
    (void)connection, (void)fd;
    return false;
}
__thread enum transport_call transport_call __attribute__((tls_model("initial-exec")));

/* With has_background, a thread of the scenario does the background thread's work; else background_add() does it.
 */
static bool has_background;
static void finish_all(void)
{
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;) {
        struct connection *connection;
        if (MODEL_LOAD(&endpoint->descriptors) == 0 && endpoint_enter_at(endpoint, &connection))
            (void)release_advance(endpoint, connection);
    }
}
void background_add(struct endpoint *endpoint)
{
    (void)endpoint;
    if (!has_background)
        finish_all();
}
void background_add_closed(struct endpoint *endpoint, bool may_wait)
{
    (void)may_wait;
    background_add(endpoint);
}
atomic_int unproved_threshold = INT_MAX;
void unproved_add(const struct endpoint *endpoint)
{
    (void)endpoint;
}
void unproved_remove(const struct endpoint *endpoint)
{
    (void)endpoint;
}
void unproved_make_room(int fd)
{
    (void)fd;
}
bool unproved_drop(void)
{
    return false;
}
void unproved_report(const struct connection *connection)
{
    (void)connection;
}
void unproved_report_rest(void)
{
}
void transport_extend_send_buffer(int fd, unsigned bytes)
{
    (void)fd, (void)bytes;
}
unsigned long process_threads(void)
{
    return 0;
}
bool background_is_running(void)
{
    return false;
}
void background_settle(void)
{
}
void background_finish(void)
{
}

static bool is_full; /* the limit of descriptors is reached: no number is free for a duplicate */
int own_duplicate_high(int fd, int at_least)
{
    if (is_full)
        return -1;
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
void export_close_on_exec(unsigned first, unsigned last)
{
    (void)first, (void)last;
}
bool export_as_handoff(int fd)
{
    (void)fd;
    return false;
}
void registration_adopt(struct endpoint *endpoint, const struct connection *connection, int fd)
{
    (void)endpoint, (void)connection, (void)fd;
}
const struct endpoint_observer *const endpoint_observers[] = {NULL};
bool relay_is_needed(int number)
{
    return number <= 2;
}
int relay_require(int fd)
{
    (void)fd;
    return 0;
}
bool holders_release(struct connection *connection)
{
    (void)connection;
    return false;
}
bool holders_are_handoffs(struct connection *connection)
{
    (void)connection;
    return false;
}
void holders_wait(struct connection *connection)
{
    (void)connection;
}
bool holders_end_waiting(struct connection *connection)
{
    (void)connection;
    return false;
}
ssize_t stream_available(int fd)
{
    (void)fd;
    return 0;
}
int wait_for(int fd, short events, uint64_t until_ms, int timeout_option, uint64_t began_ms)
{
    (void)fd, (void)events, (void)until_ms, (void)timeout_option, (void)began_ms;
    model_wait();
    return 0;
}
void linger_before_close(int fd)
{
    (void)fd;
}
void linger_before_close_range(unsigned first, unsigned last)
{
    (void)first, (void)last;
}
static ssize_t receive_nothing(int fd, const struct iovec *vectors, long count, int flags, enum transport_call call)
{
    (void)fd, (void)vectors, (void)count, (void)flags, (void)call;
    return 0;
}

/* A plane that has records, and copies them. */
static void copy_record(int fd, int copy, uint64_t word)
{
    (void)fd, (void)copy, (void)word;
}
static const struct plane recording;
static uint64_t share_record(int fd)
{
    return plane_record_word(&recording, fd_word_record(fd_word(fd)));
}
static const struct plane recording = {.operations = {.copied = copy_record, .share = share_record}};

/* Of the seal's plane, what the model has (sealed/plane.c). */
static const struct plane sealing = {
    .operations = {.receive = receive_nothing,
                   .shutdown = release_shutdown,
                   .fcntl = sealed_fcntl,
                   .ioctl = sealed_ioctl,
                   .dup = sealed_dup,
                   .dup_to = sealed_dup_to,
                   .copied = sealed_copied},
    .is_wanted = pfswrap_seals,
    .is_started = keys_in_use,
    .connect = sealed_connect,
    .release = release_number,
    .closed = release_closed,
    .dropped = endpoint_dropped,
    .close_range_on_exec = export_close_on_exec,
};
const struct plane *const planes[] = {&sealing, &recording, NULL};

/* --- the program --- */

static int call_connect(int fd, enum model_peer peer)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(1000 + (int)peer))};
    return connect(fd, (const struct sockaddr *)&address, sizeof address);
}

/* As in write.c and stream.c: SEALED_OR_REAL. Returns 1, or a negated errno. */
static int call_write(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    enum endpoint_result entered = ENDPOINT_NONE;
    if (fd_is_sealed(fd))
        entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered == ENDPOINT_ERROR)
        return -errno;
    if (entered == ENDPOINT_NONE)
        return model_real_write(fd);
    const int result = connection->phase == CONNECTION_OPEN ? 1 : -ECONNRESET;
    model_expect(!model_is_connected(fd) || MODEL_LOAD(&endpoint->fd) == fd || endpoint_of(fd) == endpoint,
                 "a call acts on another connection");
    endpoint_leave(connection);
    return result;
}

static int new_socket(void)
{
    const int fd = model_socket();
    model_expect(fd >= 3, "no descriptor is left");
    outstanding[fd] = 0;
    return fd;
}

static void use_file(void)
{
    const int fd = model_open_file();
    model_expect(fd >= 3, "no descriptor is left");
    model_expect(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0, "F_SETFD on a file fails");
    model_expect(call_write(fd) == 1, "a file cannot be written");
    model_expect(close(fd) == 0, "a file cannot be closed");
}

static void use_connection(enum model_peer peer)
{
    const int fd = new_socket();
    const int result = call_connect(fd, peer);
    model_expect(result != 0 || peer == PEER_KEYED || peer == PEER_RESETS || peer == PEER_PLAIN,
                 "connect() succeeds without a key");
    model_expect(result == 0 || peer != PEER_KEYED, "connect() fails with a key");
    const int written = call_write(fd);
    model_expect(written == 1 || peer != PEER_KEYED, "a write to an open connection fails");
    model_expect(close(fd) == 0, "a connection cannot be closed");
}

static const enum model_peer peers[] = {PEER_KEYLESS, PEER_KEYED, PEER_REFUSES, PEER_RESETS, PEER_PLAIN};
static int one_peer, other_peer, shared;

static void connect_both(int thread)
{
    use_connection(peers[thread == 0 ? one_peer : other_peer]);
}

static void connect_twice(int thread)
{
    use_connection(peers[thread == 0 ? one_peer : other_peer]);
    use_connection(peers[one_peer]);
}

static void connect_beside_files(int thread)
{
    if (thread == 0)
        use_connection(peers[one_peer]);
    else
        for (int i = 0; i < 2; i++)
            use_file();
}

/* The second thread ends the first one's call by putting a file at its descriptor, as Java does. */
static void shared_socket(void)
{
    shared = new_socket();
}
static void replace_under_connect(int thread)
{
    static int done[2];
    if (thread == 0) {
        (void)call_connect(shared, peers[one_peer]);
        (void)call_write(shared);
    } else {
        const int file = model_open_file();
        model_expect(dup2(file, shared) == shared, "dup2() fails");
        model_expect(close(file) == 0, "a file cannot be closed");
    }
    done[thread] = 1;
    if (done[0] + done[1] < 2)
        return;
    done[0] = done[1] = 0;
    (void)call_write(shared);
    model_expect(close(shared) == 0, "the number cannot be closed");
}

/* It only closes it, and files get the number. */
static void close_under_connect(int thread)
{
    if (thread == 0) {
        (void)call_connect(shared, peers[one_peer]);
    } else {
        model_expect(close(shared) == 0, "the number cannot be closed");
        for (int i = 0; i < 2; i++)
            use_file();
    }
}

/* Both threads connect the same socket. */
static void connect_one_socket(int thread)
{
    static int done;
    (void)call_connect(shared, peers[thread == 0 ? one_peer : other_peer]);
    if (++done < 2)
        return;
    done = 0;
    (void)call_write(shared);
    model_expect(close(shared) == 0, "the number cannot be closed");
}

/* One thread makes a copy while the other connects; both are used afterwards. */
static int copy;
static void copy_under_connect(int thread)
{
    static int done;
    if (thread == 0)
        (void)call_connect(shared, peers[one_peer]);
    else
        copy = dup(shared);
    if (++done < 2)
        return;
    done = 0;
    model_expect(copy >= 3, "dup() fails");
    (void)call_write(copy);
    (void)call_write(shared);
    model_expect(close(shared) == 0 && close(copy) == 0, "the numbers cannot be closed");
}

/* The same by dup2() onto a file, which the other thread goes on to use. */
static void shared_socket_and_file(void)
{
    shared = new_socket();
    copy = model_open_file();
}
static void copy_onto_file_under_connect(int thread)
{
    static int done;
    if (thread == 0)
        (void)call_connect(shared, peers[one_peer]);
    else
        model_expect(dup2(shared, copy) == copy, "dup2() fails");
    if (++done < 2)
        return;
    done = 0;
    (void)call_write(copy);
    model_expect(close(shared) == 0, "the socket cannot be closed");
    (void)call_write(copy);
    model_expect(close(copy) == 0, "the copy cannot be closed");
}

/* A copy is closed, and its number is used again, while the other thread connects. */
static void shared_socket_and_copy(void)
{
    shared = new_socket();
    copy = dup(shared);
}
static void close_copy_under_connect(int thread)
{
    static int done;
    if (thread == 0)
        (void)call_connect(shared, peers[one_peer]);
    else {
        model_expect(close(copy) == 0, "the copy cannot be closed");
        use_file();
    }
    if (++done < 2)
        return;
    done = 0;
    (void)call_write(shared);
    model_expect(close(shared) == 0, "the socket cannot be closed");
}

/* Log rotation: another file replaces a file at its descriptor while a thread writes to it. */
static void shared_file(void)
{
    shared = model_open_file();
}
static void replace_file(int thread)
{
    static int done;
    if (thread == 0) {
        model_expect(call_write(shared) == 1 && call_write(shared) == 1, "a file cannot be written");
    } else {
        const int file = model_open_file();
        model_expect(dup2(file, shared) == shared, "dup2() fails");
        model_expect(close(file) == 0, "a file cannot be closed");
    }
    if (++done < 2)
        return;
    done = 0;
    model_expect(close(shared) == 0, "the number cannot be closed");
}

/* An inspected connection comes to a number, or goes from it: no other call passes while the number has no record.
 */
static bool inspects_new;
static void shared_file_and_inspected(void)
{
    shared = model_open_file();
    copy = model_open_file();
    model_expect(plane_add_record(&recording, inspects_new ? copy : shared, 1), "a file's number takes no record");
}
static void replace_inspected(int thread)
{
    static int done;
    if (thread == 1) {
        model_expect(dup2(copy, shared) == shared, "dup2() fails");
    } else {
        const uint64_t word = atomic_load(&fd_table[shared]);
        model_expect((word & FD_WORD_FOREIGN) == 0 || (word & FD_WORD_CLAIMED) == 0, "other calls pass unseen");
    }
    if (++done < 2)
        return;
    done = 0;
    model_expect(close(shared) == 0 && close(copy) == 0, "the numbers cannot be closed");
}

/* A connection continues at a hidden number while other threads use and free numbers there. */
static void close_with_rest(int thread)
{
    if (thread == 0) {
        const int fd = new_socket();
        model_expect(call_connect(fd, PEER_KEYED) == 0, "connect() fails with a key");
        outstanding[fd] = 1;
        model_expect(close(fd) == 0, "a connection cannot be closed");
    } else if (thread == 1) {
        const int file = model_open_file();
        model_expect(dup2(file, MODEL_HIDDEN) == MODEL_HIDDEN, "dup2() onto a hidden number fails");
        model_expect(call_write(MODEL_HIDDEN) == 1, "what stands there cannot be written");
        model_expect(close(MODEL_HIDDEN) == 0 && close(file) == 0, "the files cannot be closed");
    } else {
        finish_all();
    }
}
static void close_range_beside_rest(int thread)
{
    if (thread == 0)
        close_with_rest(0);
    else if (thread == 1)
        model_expect(close_range(MODEL_HIDDEN, MODEL_NUMBERS - 1, 0) == 0, "close_range() fails");
    else
        finish_all();
}

/* No number is free for a duplicate: the closed number itself is hidden, until the peer has acknowledged the rest.
 */
static void acknowledge_all(void)
{
    for (int fd = 0; fd < MODEL_NUMBERS; fd++)
        outstanding[fd] = 0;
    finish_all();
}
static void close_without_a_free_number(int thread)
{
    if (thread == 0)
        close_with_rest(0);
    else if (thread == 1)
        connect_both(1);
    else
        acknowledge_all();
}
static void replace_without_a_free_number(int thread)
{
    if (thread == 0) {
        const int fd = new_socket(), file = model_open_file();
        model_expect(call_connect(fd, PEER_KEYED) == 0, "connect() fails with a key");
        outstanding[fd] = 1;
        model_expect(dup2(file, fd) == fd && call_write(fd) == 1, "a file does not replace the connection");
        model_expect(close(fd) == 0 && close(file) == 0, "the files cannot be closed");
    } else if (thread == 1) {
        connect_both(1);
    } else {
        acknowledge_all();
    }
}

/* --- the tests --- */

static void (*begin_scenario)(void);

/* The pools have the same order before each execution, since finish_all() goes through the endpoints in theirs. */
static void begin_execution(void)
{
    endpoint_after_fork(true);
    if (begin_scenario != NULL)
        begin_scenario();
}

static void explore(const char *name, int threads, int bound, void (*run)(int thread), void (*begin)(void))
{
    const char *more = getenv("PFSWRAP_MODEL_MORE");
    const struct model_scenario scenario = {.name = name,
                                            .threads = threads,
                                            .bound = bound + (more != NULL ? atoi(more) : 0),
                                            .run = run,
                                            .begin = begin_execution};
    begin_scenario = begin;
    const long executions = model_explore(&scenario);
    ck_assert_int_gt(executions, threads);
    if (getenv("PFSWRAP_MODEL_VERBOSE") != NULL)
        (void)fprintf(stderr, "%s, peers %d and %d: %ld executions\n", name, one_peer, other_peer, executions);
}

enum { PEERS = sizeof peers / sizeof peers[0] };

START_TEST(two_threads_that_connect_and_close)
{
    one_peer = _i / PEERS;
    other_peer = _i % PEERS;
    explore("two threads that connect and close", 2, 2, connect_both, NULL);
}
END_TEST

START_TEST(three_threads_that_connect_and_close)
{
    one_peer = _i;
    other_peer = PEER_KEYLESS;
    explore("three threads that connect and close", 3, 1, connect_both, NULL);
}
END_TEST

START_TEST(two_threads_that_connect_again_and_again)
{
    one_peer = _i;
    other_peer = PEER_KEYLESS;
    explore("two threads that connect again and again", 2, 1, connect_twice, NULL);
}
END_TEST

START_TEST(files_beside_connections)
{
    one_peer = _i;
    explore("files beside connections", 2, 2, connect_beside_files, NULL);
}
END_TEST

START_TEST(a_file_put_at_a_socket_that_connects)
{
    one_peer = _i;
    explore("a file put at a socket that connects", 2, 2, replace_under_connect, shared_socket);
}
END_TEST

START_TEST(a_socket_closed_while_it_connects)
{
    one_peer = _i;
    explore("a socket closed while it connects", 2, 2, close_under_connect, shared_socket);
}
END_TEST

START_TEST(two_threads_connect_one_socket)
{
    one_peer = _i / PEERS;
    other_peer = _i % PEERS;
    if (peers[one_peer] == PEER_PLAIN || peers[other_peer] == PEER_PLAIN)
        return; /* which peer the socket gets is not known, so a plain write may be right */
    explore("two threads connect one socket", 2, 2, connect_one_socket, shared_socket);
}
END_TEST

START_TEST(a_copy_made_while_its_socket_connects)
{
    one_peer = _i;
    explore("a copy made while its socket connects", 2, 2, copy_under_connect, shared_socket);
}
END_TEST

START_TEST(a_copy_onto_a_file_while_its_socket_connects)
{
    one_peer = _i;
    explore("a copy onto a file while its socket connects", 2, 2, copy_onto_file_under_connect,
            shared_socket_and_file);
}
END_TEST

START_TEST(a_copy_closed_while_its_socket_connects)
{
    one_peer = _i;
    explore("a copy closed while its socket connects", 2, 2, close_copy_under_connect, shared_socket_and_copy);
}
END_TEST

START_TEST(a_file_replaced_while_it_is_written)
{
    explore("a file replaced while it is written", 2, 3, replace_file, shared_file);
}
END_TEST

START_TEST(an_inspected_connection_that_dup2_puts_or_replaces)
{
    inspects_new = _i == 0;
    explore("an inspected connection that dup2() puts or replaces", 2, 2, replace_inspected,
            shared_file_and_inspected);
}
END_TEST

START_TEST(a_hidden_number_that_the_program_wants)
{
    has_background = true;
    explore("a hidden number that the program wants", 3, 2, close_with_rest, NULL);
}
END_TEST

START_TEST(a_range_closed_beside_a_hidden_number)
{
    has_background = true;
    explore("a range closed beside a hidden number", 3, 2, close_range_beside_rest, NULL);
}
END_TEST

START_TEST(a_closed_number_that_stays_hidden)
{
    has_background = true;
    is_full = true;
    policy.seal.linger_ms = 1;
    one_peer = other_peer = 0;
    explore("a closed number that stays hidden", 3, 2, close_without_a_free_number, NULL);
}
END_TEST

START_TEST(a_number_replaced_where_no_other_is_free)
{
    has_background = true;
    is_full = true;
    policy.seal.linger_ms = 1;
    one_peer = other_peer = 0;
    explore("a number replaced where no other is free", 3, 2, replace_without_a_free_number, NULL);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("numbers");
    tcase_add_loop_test(cases, two_threads_that_connect_and_close, 0, PEERS * PEERS);
    tcase_add_loop_test(cases, three_threads_that_connect_and_close, 0, PEERS);
    tcase_add_loop_test(cases, two_threads_that_connect_again_and_again, 0, PEERS);
    tcase_add_loop_test(cases, files_beside_connections, 0, PEERS);
    tcase_add_loop_test(cases, a_file_put_at_a_socket_that_connects, 0, PEERS);
    tcase_add_loop_test(cases, a_socket_closed_while_it_connects, 0, PEERS);
    tcase_add_loop_test(cases, two_threads_connect_one_socket, 0, PEERS * PEERS);
    tcase_add_loop_test(cases, a_copy_made_while_its_socket_connects, 0, PEERS);
    tcase_add_loop_test(cases, a_copy_onto_a_file_while_its_socket_connects, 0, PEERS);
    tcase_add_loop_test(cases, a_copy_closed_while_its_socket_connects, 0, PEERS);
    tcase_add_test(cases, a_file_replaced_while_it_is_written);
    tcase_add_loop_test(cases, an_inspected_connection_that_dup2_puts_or_replaces, 0, 2);
    tcase_add_test(cases, a_hidden_number_that_the_program_wants);
    tcase_add_test(cases, a_range_closed_beside_a_hidden_number);
    tcase_add_test(cases, a_closed_number_that_stays_hidden);
    tcase_add_test(cases, a_number_replaced_where_no_other_is_free);
    return run_suite(cases, "numbers");
}
