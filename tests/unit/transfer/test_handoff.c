/*
 * Handoff sockets: what a program without us finds in one, who counts as a holder, and what is not believed.
 */
#include "../suite.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "../connection/link.h"
#include "connection/holders.h"
#include "connection/release.h"
#include "fd/close.h"
#include "transfer/export.h"
#include "transfer/handoff.h"
#include "transfer/import.h"
#include "transfer/segment.h"
#include "transfer/share.h"

static char directory[] = "/tmp/pfswrap-handoff-XXXXXX";

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

static void teardown(void)
{
    link_end_policy(directory);
}

static uint32_t holders(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(fd, &endpoint, &connection), ENDPOINT_ENTERED);
    (void)holders_is_alone(connection);
    const uint32_t count = connection->holder_count;
    endpoint_leave(connection);
    return count;
}

static int handoff_for(int fd)
{
    struct holder name;
    const int handoff = export_make_handoff(fd, &name);
    ck_assert_int_ge(handoff, 0);
    ck_assert(handoff_is(handoff) && handoff_is_holder(name) && !handoff_name_is_free(name));
    return handoff;
}

START_TEST(a_program_without_us_reads_where_it_is_from_and_then_an_error)
{
    struct link link = link_open(65536);
    char text[256] = "";
    const int handoff = handoff_for(link.client);
    ck_assert_int_gt(recv(handoff, text, sizeof text - 1, 0), 0);
    ck_assert_int_eq(strncmp(text, "pfswrap: a sealed connection", 28), 0);
    ck_assert_int_eq(recv(handoff, text, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(send(handoff, "x", 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EPIPE);
}
END_TEST

START_TEST(a_handoff_holds_the_connection_until_it_is_closed_or_opened)
{
    struct link link = link_open(65536);
    ck_assert_uint_eq(holders(link.client), 1);
    const int lost = handoff_for(link.client), opened = handoff_for(link.client);
    ck_assert_uint_eq(holders(link.client), 3);
    ck_assert_int_eq(close(lost), 0);
    ck_assert_uint_eq(holders(link.client), 2);
    ck_assert(import_take(opened)); /* by who has it already */
    ck_assert_uint_eq(holders(link.client), 1);
    ck_assert_ptr_eq(endpoint_of(opened), endpoint_of(link.client));
    ck_assert_int_eq(link_send(opened, "a", 1), 1);
}
END_TEST

/* Receives at the server until an orderly end. Returns how many bytes came. */
static size_t receive_to_the_end(const struct link *link)
{
    char byte;
    for (size_t done = 0;;) {
        struct pollfd wires = {.fd = link->client_wire, .events = POLLIN};
        (void)poll(&wires, 1, 10);
        if (link_move(link->client_wire, link->server_wire, 65536) == 0)
            (void)shutdown(link->server_wire, SHUT_WR);
        const ssize_t count = link_receive(link->server, &byte, 1, 0);
        if (count == 0)
            return done;
        if (count < 0)
            ck_assert_int_eq(errno, EAGAIN);
        done += count > 0;
    }
}

/* As posix_spawn() does while another thread closes the connection, and the new program does not keep it. */
START_TEST(a_connection_that_is_closed_while_a_handoff_has_it_ends_with_the_handoff)
{
    struct link link = link_open(65536);
    const int handoff = handoff_for(link.client);
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
    ck_assert_int_eq(fd_close(link.client), 0);
    ck_assert(!fd_is_sealed(link.client));
    ck_assert_int_eq(close(handoff), 0);
    ck_assert_uint_eq(receive_to_the_end(&link), 1);
}
END_TEST

START_TEST(who_opens_a_handoff_has_a_connection_that_was_closed_meanwhile)
{
    struct link link = link_open(65536);
    const int handoff = handoff_for(link.client);
    ck_assert_int_eq(fd_close(link.client), 0);
    ck_assert(import_take(handoff));         /* even the same process */
    while (atomic_load(&endpoint_count) > 2) /* until the background thread has noticed it */
        (void)poll(NULL, 0, 1);
    ck_assert_uint_eq(holders(handoff), 1);
    ck_assert_int_eq(link_send(handoff, "bc", 2), 2);
    ck_assert_int_eq(fd_close(handoff), 0);
    ck_assert_uint_eq(receive_to_the_end(&link), 2);
}
END_TEST

/* What a program does after exec, in a process that has forgotten the connection. */
START_TEST(another_process_goes_on_and_both_are_holders)
{
    struct link link = link_open(65536);
    char text[4] = "";
    const int handoff = handoff_for(link.client);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct endpoint *endpoint;
        struct connection *connection;
        if (endpoint_enter(link.client, &endpoint, &connection) != ENDPOINT_ENTERED)
            _exit(1);
        const uint32_t generation = fd_next_generation();
        (void)holders_release(connection);
        (void)endpoint_remove(endpoint, link.client, generation);
        endpoint_free(endpoint, connection);
        fd_vacate(link.client, generation);
        if (!import_take(handoff) || endpoint_of(handoff) == NULL || holders(handoff) != 2)
            _exit(2);
        _exit(link_send(handoff, "b", 1) == 1 ? 0 : 3);
    }
    int status;
    ck_assert_int_eq(close(handoff), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(link_send(link.client, "c", 1), 1);
    for (size_t done = 0; done < 2;) {
        (void)link_move(link.client_wire, link.server_wire, 65536);
        const ssize_t count = link_receive(link.server, text + done, 2 - done, 0);
        done += count > 0 ? (size_t)count : 0;
    }
    ck_assert_str_eq(text, "bc");
    ck_assert_uint_eq(holders(link.client), 1);
}
END_TEST

/* Reads and writes as the interposed calls do. */
static void expect_lost(int fd)
{
    char byte;
    ck_assert(fd_is_sealed(fd));
    ck_assert_int_eq(link_receive(fd, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(link_send(fd, "x", 1), -1);
}

START_TEST(without_descriptors_left_it_is_an_error_and_nothing_leaks)
{
    struct link link = link_open(65536);
    const int handoff = handoff_for(link.client);
    struct rlimit before, limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = (struct rlimit){(rlim_t)handoff + 1, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int fd = dup(0); fd >= 0; fd = dup(0))
        continue;
    ck_assert(import_take(handoff));
    expect_lost(handoff);
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

/* Somebody else's handoff socket: `text` and two descriptors. */
static int forge(const void *text, size_t length, const int descriptors[2])
{
    static const char path[] = "pfswrap-handoff:0123456789abcdef";
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {
        .header = {.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec vector = {.iov_base = (void *)(uintptr_t)text, .iov_len = length};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    int ends[2];
    memcpy(name.sun_path + 1, path, sizeof path - 1);
    memcpy(CMSG_DATA(&control.header), descriptors, 2 * sizeof(int));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(
        bind(ends[0], (struct sockaddr *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof path)),
        0);
    ck_assert_int_eq(sendmsg(ends[1], &message, 0), (ssize_t)length);
    ck_assert_int_eq(close(ends[1]), 0);
    return ends[0];
}

START_TEST(what_is_no_handoff_of_ours_is_an_error)
{
    struct link link = link_open(65536);
    char content[512] = "";
    const int honest = handoff_for(link.client), file = memfd_create("other", MFD_ALLOW_SEALING);
    const ssize_t length = recv(honest, content, sizeof content, MSG_PEEK);
    ck_assert_int_gt(length, 0);
    ck_assert_int_eq(ftruncate(file, 1 << 20), 0);
    /* Not even the text; another socket; the right socket, with memory that may shrink. */
    const int descriptors[][2] = {{file, file}, {link.server, file}, {link.client, file}};
    for (size_t i = 0; i < 3; i++) {
        const int forged = i == 0 ? forge("x", 1, descriptors[i]) : forge(content, (size_t)length, descriptors[i]);
        /* The last one names a connection that this process has: it is that, whatever the memory. */
        ck_assert(import_take(forged));
        if (i == 2)
            ck_assert_ptr_eq(endpoint_of(forged), endpoint_of(link.client));
        else
            expect_lost(forged);
        ck_assert_int_eq(close(forged), 0); /* and its name is free again */
    }
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
}
END_TEST

START_TEST(memory_that_may_shrink_is_not_mapped)
{
    const int file = memfd_create("other", MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(file, 1 << 20), 0);
    ck_assert_ptr_null(segment_join(file, 0));
    ck_assert_int_eq(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    ck_assert_ptr_nonnull(segment_join(file, 0));
    ck_assert_ptr_null(segment_join(file, 1 << 20));
    ck_assert_ptr_null(segment_join(file, 2));
}
END_TEST

START_TEST(the_memory_s_descriptor_moves_out_of_the_way_and_goes_with_the_last_connection)
{
    struct link link = link_open(65536);
    const int handoff = handoff_for(link.client);
    struct segment *segment = endpoint_of(link.client)->segment;
    const int fd = segment_descriptor(segment);
    ck_assert_int_ge(fd, 3);
    ck_assert(fd_is_hidden(fd));
    segment_make_way(fd);
    const int moved = segment_descriptor(segment);
    ck_assert_int_gt(moved, fd);
    ck_assert(fd_is_hidden(moved) && !fd_is_sealed(fd));
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert_int_eq(close(handoff), 0);
    struct endpoint *endpoint;
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(link.client, &endpoint, &connection), ENDPOINT_ENTERED);
    (void)endpoint_remove(endpoint, link.client, fd_next_generation());
    endpoint_free(endpoint, connection);
    ck_assert_int_eq(fcntl(moved, F_GETFD), -1);
    ck_assert(!fd_is_sealed(moved));
    ck_assert_int_eq(atomic_load(&fd_reserved), 0);
}
END_TEST

/* A limit on file sizes would end the process; then the mapping has no file, and nothing can be passed on. */
START_TEST(without_a_file_there_is_no_handoff)
{
    struct link link = link_open(65536);
    struct rlimit small = {100000, 100000}; /* the log has room */
    struct holder name;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_lt(export_make_handoff(link.client, &name), 0);
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
    ck_assert_uint_eq(holders(link.client), 1);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("handoff");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_program_without_us_reads_where_it_is_from_and_then_an_error);
    tcase_add_test(cases, a_handoff_holds_the_connection_until_it_is_closed_or_opened);
    tcase_add_test(cases, a_connection_that_is_closed_while_a_handoff_has_it_ends_with_the_handoff);
    tcase_add_test(cases, who_opens_a_handoff_has_a_connection_that_was_closed_meanwhile);
    tcase_add_test(cases, another_process_goes_on_and_both_are_holders);
    tcase_add_test(cases, without_descriptors_left_it_is_an_error_and_nothing_leaks);
    tcase_add_test(cases, what_is_no_handoff_of_ours_is_an_error);
    tcase_add_test(cases, memory_that_may_shrink_is_not_mapped);
    tcase_add_test(cases, the_memory_s_descriptor_moves_out_of_the_way_and_goes_with_the_last_connection);
    tcase_add_test(cases, without_a_file_there_is_no_handoff);
    return run_suite(cases, "handoff");
}
