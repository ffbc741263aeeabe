/*
 * Inspections over real connections: where they begin and end, which numbers have the record, and that refused
 * bytes do not leave.
 */
#include "../suite.h"
#include "../connection/link.h"
#include "../wire/conversation.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/wait.h>

#include "base/fork_lock.h"
#include "base/process.h"
#include "inspect/inspect.h"
#include "inspect/record.h"

static char directory[] = "/tmp/pfswrap-inspect-XXXXXX";

/* A TCP connection whose client is inspected. */
struct pair {
    int client, server;
};

static struct pair inspected(void)
{
    struct pair pair;
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    link_pair(&pair.client, &pair.server);
    inspect_connected(pair.client, (const struct sockaddr *)&address, sizeof address);
    ck_assert(fd_has_record(pair.client));
    return pair;
}

static uint32_t entry_of(int fd)
{
    return fd_word_record(fd_word(fd));
}

static struct record *record_of(int fd)
{
    return record_at(entry_of(fd));
}

/* A send as the interposed calls make it, of which the kernel takes at most `most` bytes. Returns what they return.
 */
static ssize_t send_some_of(int fd, const void *bytes, size_t size, size_t most)
{
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    uint32_t ticket;
    if (inspect_plane.operations.before_send(fd, &vector, 1, NULL, &ticket) != 0)
        return -1;
    const ssize_t sent = send(fd, bytes, size < most ? size : most, MSG_NOSIGNAL);
    inspect_plane.operations.sent(fd, &vector, 1, sent, ticket);
    return sent;
}

static ssize_t send_all(int fd, const void *bytes, size_t size)
{
    return send_some_of(fd, bytes, size, size);
}

/* A receive as the interposed calls make it. */
static ssize_t receive(int fd, void *bytes, size_t size, int flags)
{
    const struct iovec vector = {.iov_base = bytes, .iov_len = size};
    link_await(fd);
    return inspect_plane.operations.received(fd, &vector, 1, recv(fd, bytes, size, flags), flags, NULL);
}

/* The call before this one has failed, as on a connection that is cut. */
static void expect_cut(ssize_t result)
{
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(result, -1);
}

static struct bytes client_hello(void)
{
    static const uint16_t versions[] = {0x0304, 0};
    struct bytes message = {.length = 0}, records = {.length = 0};
    put_client_hello(&message, (struct client_hello){.versions = versions});
    put_records(&records, 22, &message, 16384);
    return records;
}

static struct bytes server_hello(void)
{
    struct bytes message = {.length = 0}, records = {.length = 0};
    put_server_hello(&message, (struct server_hello){.version = 0x0304, .suite = 0x1302, .group = 29});
    put_records(&records, 22, &message, 16384);
    return records;
}

static bool log_has(const char *word)
{
    char *text = link_read_log(directory);
    const bool found = strstr(text, word) != NULL;
    free(text);
    return found;
}

/* --- where an inspection begins --- */

START_TEST(connections_that_are_made_or_accepted_are_inspected)
{
    const struct pair pair = inspected();
    inspect_accepted(pair.server, -1);
    ck_assert(fd_has_record(pair.server));
    ck_assert_uint_ne(entry_of(pair.client), entry_of(pair.server));
    ck_assert(!record_of(pair.client)->is_server && record_of(pair.server)->is_server);
    ck_assert_ptr_eq(fd_operations_of(pair.client), &inspect_plane.operations);
}
END_TEST

START_TEST(only_tcp_connections_are_inspected)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int udp = socket(AF_INET, SOCK_DGRAM, 0), file = open("/dev/null", O_WRONLY);
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    inspect_connected(udp, (const struct sockaddr *)&address, sizeof address);
    inspect_connected(file, (const struct sockaddr *)&address, sizeof address);
    inspect_accepted(ends[0], -1);
    ck_assert(!fd_has_record(udp) && !fd_has_record(file) && !fd_has_record(ends[0]));
}
END_TEST

START_TEST(a_second_connect_call_keeps_the_record)
{
    const struct pair pair = inspected();
    const uint32_t entry = entry_of(pair.client);
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    record_of(pair.client)->fed[WIRE_OUT] = 5;
    inspect_connected(pair.client, (const struct sockaddr *)&address, sizeof address);
    ck_assert_uint_eq(entry_of(pair.client), entry);
    ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_OUT], 5);
}
END_TEST

START_TEST(another_socket_at_the_number_gets_another_record)
{
    const struct pair old = inspected(), new = inspected();
    record_of(old.client)->fed[WIRE_OUT] = 5;
    inspect_end(new.client);
    ck_assert_int_eq(dup2(new.client, old.client), old.client); /* no interposed call has seen it */
    inspect_accepted(old.client, -1);
    ck_assert(fd_has_record(old.client));
    ck_assert_uint_eq(record_of(old.client)->cookie, fd_socket_identity(new.client));
    ck_assert_uint_eq(record_of(old.client)->fed[WIRE_OUT], 0);
}
END_TEST

START_TEST(a_disconnected_socket_is_not_inspected)
{
    const struct pair pair = inspected();
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    inspect_connected(pair.client, &none, sizeof none);
    ck_assert(!fd_has_record(pair.client));
}
END_TEST

START_TEST(an_inherited_connection_is_inspected_if_no_byte_has_passed)
{
    struct pair fresh, used;
    link_pair(&fresh.client, &fresh.server);
    link_pair(&used.client, &used.server);
    char byte;
    ck_assert_int_eq(send(used.client, "x", 1, 0), 1);
    link_await(used.server);
    ck_assert_int_eq(recv(used.server, &byte, 1, 0), 1);
    inspect_received_descriptor(fresh.client);
    inspect_received_descriptor(fresh.server);
    inspect_received_descriptor(used.client);
    inspect_received_descriptor(used.server);
    ck_assert(fd_has_record(fresh.client) && fd_has_record(fresh.server));
    ck_assert(!record_of(fresh.client)->is_server && record_of(fresh.server)->is_server);
    ck_assert(!fd_has_record(used.client) && !fd_has_record(used.server));
}
END_TEST

START_TEST(an_inherited_connection_with_unread_bytes_or_a_fin_is_inspected)
{
    struct pair unread, ended;
    link_pair(&unread.client, &unread.server);
    link_pair(&ended.client, &ended.server);
    ck_assert_int_eq(send(unread.client, "x", 1, 0), 1);
    ck_assert_int_eq(shutdown(ended.client, SHUT_WR), 0);
    link_await(unread.server);
    link_await(ended.server);
    inspect_received_descriptor(unread.server);
    inspect_received_descriptor(ended.server);
    ck_assert(fd_has_record(unread.server) && fd_has_record(ended.server));
}
END_TEST

START_TEST(a_received_duplicate_has_the_record_of_its_socket)
{
    const struct pair pair = inspected();
    const int copy = dup(pair.client);
    inspect_received_descriptor(copy);
    ck_assert_uint_eq(entry_of(copy), entry_of(pair.client));
    ck_assert_int_eq(record_of(copy)->descriptors, 2);
}
END_TEST

/* --- the numbers of a record --- */

START_TEST(duplicates_share_a_record_until_the_last_one_ends)
{
    const struct pair pair = inspected();
    const uint32_t entry = entry_of(pair.client);
    const int copy = dup(pair.client);
    inspect_copied(pair.client, copy);
    ck_assert_uint_eq(entry_of(copy), entry);
    inspect_end(pair.client);
    ck_assert(!fd_has_record(pair.client) && fd_has_record(copy));
    ck_assert_int_eq(record_at(entry)->descriptors, 1);
    inspect_end(copy);
    ck_assert(!fd_has_record(copy));
    ck_assert_uint_eq(entry_of(inspected().client), entry); /* it was free again */
}
END_TEST

START_TEST(a_forgotten_record_is_taken_from_all_its_numbers)
{
    uint32_t entry;
    const struct pair pair = inspected();
    const int copy = dup(pair.client);
    inspect_copied(pair.client, copy);
    struct record *record = record_enter(copy, &entry);
    ck_assert_ptr_nonnull(record);
    record_forget(record, entry);
    ck_assert_uint_eq(fd_word(pair.client) | fd_word(copy), 0);
    ck_assert_uint_eq(entry_of(inspected().client), entry);
}
END_TEST

START_TEST(a_closed_number_drops_its_record)
{
    const struct pair pair = inspected();
    const uint32_t entry = entry_of(pair.client);
    fd_forget(pair.client);
    ck_assert(!fd_has_record(pair.client));
    ck_assert_int_eq(record_at(entry)->descriptors, 0);
}
END_TEST

START_TEST(a_number_that_becomes_sealed_drops_its_record)
{
    const struct pair pair = inspected();
    const uint32_t entry = entry_of(pair.client);
    const int copy = dup(pair.client);
    inspect_copied(pair.client, copy);
    link_seal(pair.client, LINK_CONNECT, true, true);
    ck_assert(fd_is_sealed(pair.client) && !fd_has_record(pair.client));
    ck_assert_int_eq(record_at(entry)->descriptors, 1);
    inspect_accepted(pair.client, -1);
    ck_assert(fd_is_sealed(pair.client) && !fd_has_record(pair.client));
}
END_TEST

START_TEST(a_number_that_dup2_replaces_gets_the_record_with_its_new_word)
{
    enum { GENERATION = 5 };
    const struct pair pair = inspected();
    const int target = dup(pair.server);
    uint64_t before;
    ck_assert(fd_claim(target, GENERATION, true, &before));
    ck_assert_int_eq(dup2(pair.client, target), target);
    ck_assert(fd_vacate_as(target, GENERATION, inspect_share(pair.client)));
    ck_assert_uint_eq(entry_of(target), entry_of(pair.client));
    ck_assert_int_eq(record_of(target)->descriptors, 2);
    fd_dropped(target, inspect_share(pair.client)); /* a word that was not stored */
    ck_assert_int_eq(record_of(target)->descriptors, 2);
    ck_assert_uint_eq(inspect_share(pair.server), 0);
}
END_TEST

/* --- locks --- */

START_TEST(a_signal_handler_does_not_enter_the_record_that_it_has_interrupted)
{
    uint32_t entry;
    const struct pair pair = inspected();
    struct record *record = record_enter(pair.client, &entry);
    ck_assert_ptr_nonnull(record);
    ck_assert_ptr_null(record_enter(pair.client, &entry));
    fd_forget(pair.client);
    ck_assert_int_eq(record->descriptors, 1); /* the interrupted call still uses it */
    record_unlock(record);
}
END_TEST

static pthread_barrier_t barrier;

static void *hold(void *fd)
{
    uint32_t entry;
    struct record *record = record_enter(*(const int *)fd, &entry);
    (void)pthread_barrier_wait(&barrier); /* it is locked */
    (void)pthread_barrier_wait(&barrier); /* the child has ended */
    if (record != NULL)
        record_unlock(record);
    return record;
}

START_TEST(a_child_of_a_fork_enters_a_record_that_another_thread_had_locked)
{
    enum { ENTERED = 7 };
    struct pair pair = inspected();
    pthread_t thread;
    void *record;
    int status = 0;
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold, &pair.client), 0);
    (void)pthread_barrier_wait(&barrier);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(atomic_load(&record_of(pair.client)->owner) == NULL ? ENTERED : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == ENTERED);
    ck_assert_ptr_nonnull(atomic_load(&record_of(pair.client)->owner));
    (void)pthread_barrier_wait(&barrier);
    ck_assert_int_eq(pthread_join(thread, &record), 0);
    ck_assert_ptr_eq(record, record_of(pair.client));
}
END_TEST

static void expect_success(pid_t child)
{
    int status = 0;
    ck_assert_int_ge(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

/* A thread that comes late has locked a record that was given back meanwhile. */
START_TEST(a_child_of_a_fork_unlocks_a_free_record_too)
{
    const struct pair pair = inspected();
    struct record *record = record_of(pair.client);
    inspect_end(pair.client);
    ck_assert_int_eq(record->descriptors, 0);
    atomic_store(&record->owner, &barrier);
    const pid_t child = fork();
    if (child == 0)
        _exit(atomic_load(&record->owner) == NULL ? 0 : 1);
    expect_success(child);
    ck_assert_ptr_eq(atomic_load(&record->owner), &barrier);
}
END_TEST

/* A thread has taken a record, or is about to give it back, and no number has it. */
START_TEST(in_a_child_of_a_fork_a_record_without_a_number_is_free)
{
    const struct pair pair = inspected(), other = inspected();
    const uint32_t entry = entry_of(pair.client), kept = entry_of(other.client);
    struct record *record = record_of(pair.client);
    atomic_store(&record->owner, &barrier);
    ck_assert(plane_remove_record(&inspect_plane, pair.client, entry));
    const pid_t child = fork();
    if (child == 0) {
        const struct pair next = inspected();
        const bool is_right = entry_of(next.client) == entry && record_of(next.client)->descriptors == 1;
        _exit(is_right && entry_of(other.client) == kept && record_of(other.client)->descriptors == 1 ? 0 : 1);
    }
    expect_success(child);
    ck_assert_int_eq(record->descriptors, 1);
}
END_TEST

static void *end_inspection(void *fd)
{
    process_block_forks();
    (void)pthread_barrier_wait(&barrier);
    inspect_end(*(const int *)fd); /* waits for the record */
    process_unblock_forks();
    return fd;
}

/* As in a signal handler: it has a record locked for which another thread waits in a section. */
START_TEST(a_fork_inside_a_call_does_not_wait_for_those_that_wait_for_its_record)
{
    struct pair pair = inspected();
    pthread_t thread;
    uint32_t entry;
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    struct record *record = record_enter(pair.client, &entry);
    ck_assert_ptr_nonnull(record);
    const void *owner = atomic_load(&record->owner);
    ck_assert_int_eq(pthread_create(&thread, NULL, end_inspection, &pair.client), 0);
    (void)pthread_barrier_wait(&barrier);
    const pid_t child = fork();
    if (child == 0)
        _exit(atomic_load(&record->owner) == owner && record->descriptors == 1 ? 0 : 1);
    ck_assert_ptr_eq(atomic_load(&record->owner), owner); /* the other thread has not given up */
    expect_success(child);
    record_unlock(record);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(!fd_has_record(pair.client));
}
END_TEST

/* --- bytes --- */

START_TEST(refused_plaintext_does_not_leave_and_the_connection_is_cut)
{
    char byte;
    const struct pair pair = inspected();
    expect_cut(send_all(pair.client, "GET / HTTP/1.0\r\n", 16));
    link_await(pair.server);
    ck_assert_int_eq(recv(pair.server, &byte, 1, 0), 0); /* not a byte, and then the end */
    ck_assert(fd_has_record(pair.client));
    errno = 0;
    expect_cut(send_all(pair.client, "x", 1));
    errno = 0;
    expect_cut(inspect_plane.operations.received(pair.client, NULL, 0, 0, 0, NULL));
    ck_assert(log_has("\"refused\"") && log_has("plaintext is refused by the policy"));
}
END_TEST

START_TEST(refused_plaintext_that_was_received_does_not_reach_the_program)
{
    char bytes[16];
    const struct pair pair = inspected();
    ck_assert_int_eq(send(pair.server, "220 hello\r\n", 11, 0), 11);
    expect_cut(receive(pair.client, bytes, sizeof bytes, 0));
}
END_TEST

START_TEST(a_handshake_that_the_policy_allows_ends_the_inspection)
{
    char bytes[4096];
    const struct pair pair = inspected();
    const struct bytes hello = client_hello(), answer = server_hello();
    ck_assert_int_eq(send_all(pair.client, hello.at, hello.length), (ssize_t)hello.length);
    ck_assert(fd_has_record(pair.client));
    link_await(pair.server);
    ck_assert_int_eq(recv(pair.server, bytes, sizeof bytes, 0), (ssize_t)hello.length);
    ck_assert_int_eq(send(pair.server, answer.at, answer.length, 0), (ssize_t)answer.length);
    ck_assert_int_eq(receive(pair.client, bytes, sizeof bytes, 0), (ssize_t)answer.length);
    ck_assert(!fd_has_record(pair.client));
    ck_assert(log_has("\"observed\""));
}
END_TEST

/* The verdict of a conversation whose client sends in pieces, of which the kernel takes only a part each time. */
START_TEST(after_short_writes_the_reader_has_what_was_sent)
{
    enum { PIECE = 40, TAKEN = 7 };
    char bytes[4096];
    const struct pair pair = inspected();
    const struct bytes hello = client_hello(), answer = server_hello();
    for (size_t done = 0; done < hello.length;) {
        const size_t left = hello.length - done;
        const ssize_t sent = send_some_of(pair.client, hello.at + done, left < PIECE ? left : PIECE, TAKEN);
        ck_assert_int_gt(sent, 0);
        done += (size_t)sent;
        ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_OUT], done);
    }
    ck_assert_int_eq(send(pair.server, answer.at, answer.length, 0), (ssize_t)answer.length);
    ck_assert_int_eq(receive(pair.client, bytes, sizeof bytes, 0), (ssize_t)answer.length);
    ck_assert(!fd_has_record(pair.client));
    ck_assert(log_has("\"observed\"") && !log_has("\"refused\""));
}
END_TEST

START_TEST(a_send_that_failed_is_as_if_it_had_not_been_made)
{
    const struct pair pair = inspected();
    const struct bytes hello = client_hello();
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)hello.at, .iov_len = 20};
    uint32_t ticket;
    ck_assert_int_eq(inspect_plane.operations.before_send(pair.client, &vector, 1, NULL, &ticket), 0);
    inspect_plane.operations.sent(pair.client, &vector, 1, -1, ticket);
    ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_OUT], 0);
    ck_assert(!wire_is_tls(&record_of(pair.client)->wire));
}
END_TEST

START_TEST(peeked_bytes_are_read_once)
{
    char bytes[8];
    const struct pair pair = inspected();
    const struct bytes hello = client_hello();
    ck_assert_int_eq(send(pair.server, hello.at, hello.length, 0), (ssize_t)hello.length);
    ck_assert_int_eq(receive(pair.client, bytes, sizeof bytes, MSG_PEEK), (ssize_t)sizeof bytes);
    ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_IN], 0);
    ck_assert_int_eq(receive(pair.client, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_IN], sizeof bytes);
}
END_TEST

START_TEST(a_vector_that_the_kernel_refuses_is_not_read)
{
    const struct iovec bad[] = {{.iov_base = (void *)(uintptr_t) "x", .iov_len = 1},
                                {.iov_base = (void *)INTPTR_MIN, .iov_len = 1}}; /* in the kernel's half */
    uint32_t ticket = 1;
    const struct pair pair = inspected();
    ck_assert_int_eq(inspect_plane.operations.before_send(pair.client, bad, 2, NULL, &ticket), 0);
    ck_assert_uint_eq(ticket, 0);
    ck_assert_int_eq(inspect_plane.operations.before_send(pair.client, NULL, 1, NULL, &ticket), 0);
    ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_OUT], 0);
}
END_TEST

START_TEST(what_lies_before_a_bad_buffer_is_read)
{
    const struct iovec partly[] = {{.iov_base = (void *)(uintptr_t) "x", .iov_len = 1},
                                   {.iov_base = NULL, .iov_len = 1}};
    uint32_t ticket = 1;
    const struct pair pair = inspected();
    expect_cut(inspect_plane.operations.before_send(pair.client, partly, 2, NULL, &ticket));
}
END_TEST

START_TEST(a_file_counts_as_plaintext_before_tls_and_is_not_checked_after_it)
{
    const struct pair plain = inspected(), tls = inspected();
    const struct bytes hello = client_hello();
    ck_assert(inspect_plane.operations.refuses_unseen(plain.client));
    ck_assert_int_eq(send_all(tls.client, hello.at, hello.length), (ssize_t)hello.length);
    ck_assert_int_eq(inspect_before_stream(tls.client, NULL), 0);
    expect_cut(inspect_plane.operations.before_unseen(plain.client, NULL));
}
END_TEST

START_TEST(a_stdio_stream_is_refused_where_plaintext_is)
{
    const struct pair pair = inspected();
    expect_cut(inspect_before_stream(pair.client, NULL));
}
END_TEST

START_TEST(a_number_that_is_another_file_now_is_not_inspected_any_more)
{
    const struct pair pair = inspected();
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(dup2(ends[0], pair.client), pair.client);
    ck_assert_int_eq(send_all(pair.client, "plaintext", 9), 9);
    ck_assert(!fd_has_record(pair.client));
}
END_TEST

START_TEST(bytes_that_passed_without_a_call_make_the_verdict_unknown)
{
    const struct pair pair = inspected();
    const struct bytes hello = client_hello(), answer = server_hello();
    char bytes[4096];
    ck_assert_int_eq(send(pair.client, hello.at, hello.length, 0), (ssize_t)hello.length); /* not interposed */
    link_await(pair.server);
    ck_assert_int_eq(recv(pair.server, bytes, sizeof bytes, 0), (ssize_t)hello.length);
    ck_assert_int_eq(send(pair.server, answer.at, answer.length, 0), (ssize_t)answer.length);
    ck_assert_int_eq(receive(pair.client, bytes, sizeof bytes, 0), (ssize_t)answer.length);
    ck_assert(!fd_has_record(pair.client));
    ck_assert(log_has("\"unjudged\"") && !log_has("\"refused\""));
}
END_TEST

static void start(void)
{
    link_start_policy_with(directory, "[wire]\ntls = pfs\nplaintext = refuse\n");
    inspect_start(pfswrap_policy());
    ck_assert(inspect_is_wanted() && inspect_enforces());
}

static void end(void)
{
    link_end_policy(directory);
}

int main(void)
{
    TCase *cases = tcase_create("inspect");
    tcase_add_checked_fixture(cases, start, end);
    tcase_add_test(cases, connections_that_are_made_or_accepted_are_inspected);
    tcase_add_test(cases, only_tcp_connections_are_inspected);
    tcase_add_test(cases, a_second_connect_call_keeps_the_record);
    tcase_add_test(cases, another_socket_at_the_number_gets_another_record);
    tcase_add_test(cases, a_disconnected_socket_is_not_inspected);
    tcase_add_test(cases, an_inherited_connection_is_inspected_if_no_byte_has_passed);
    tcase_add_test(cases, an_inherited_connection_with_unread_bytes_or_a_fin_is_inspected);
    tcase_add_test(cases, a_received_duplicate_has_the_record_of_its_socket);
    tcase_add_test(cases, duplicates_share_a_record_until_the_last_one_ends);
    tcase_add_test(cases, a_forgotten_record_is_taken_from_all_its_numbers);
    tcase_add_test(cases, a_closed_number_drops_its_record);
    tcase_add_test(cases, a_number_that_becomes_sealed_drops_its_record);
    tcase_add_test(cases, a_number_that_dup2_replaces_gets_the_record_with_its_new_word);
    tcase_add_test(cases, a_signal_handler_does_not_enter_the_record_that_it_has_interrupted);
    tcase_add_test(cases, a_child_of_a_fork_enters_a_record_that_another_thread_had_locked);
    tcase_add_test(cases, a_child_of_a_fork_unlocks_a_free_record_too);
    tcase_add_test(cases, in_a_child_of_a_fork_a_record_without_a_number_is_free);
    tcase_add_test(cases, a_fork_inside_a_call_does_not_wait_for_those_that_wait_for_its_record);
    tcase_add_test(cases, refused_plaintext_does_not_leave_and_the_connection_is_cut);
    tcase_add_test(cases, refused_plaintext_that_was_received_does_not_reach_the_program);
    tcase_add_test(cases, a_handshake_that_the_policy_allows_ends_the_inspection);
    tcase_add_test(cases, after_short_writes_the_reader_has_what_was_sent);
    tcase_add_test(cases, a_send_that_failed_is_as_if_it_had_not_been_made);
    tcase_add_test(cases, peeked_bytes_are_read_once);
    tcase_add_test(cases, a_vector_that_the_kernel_refuses_is_not_read);
    tcase_add_test(cases, what_lies_before_a_bad_buffer_is_read);
    tcase_add_test(cases, a_file_counts_as_plaintext_before_tls_and_is_not_checked_after_it);
    tcase_add_test(cases, a_stdio_stream_is_refused_where_plaintext_is);
    tcase_add_test(cases, a_number_that_is_another_file_now_is_not_inspected_any_more);
    tcase_add_test(cases, bytes_that_passed_without_a_call_make_the_verdict_unknown);
    return run_suite(cases, "inspect");
}
