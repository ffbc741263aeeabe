/*
 * A process that shares a connection may have been taken over, and writes to the shared memory what it likes.
 * Whatever it writes, calls in the other process return, and touch no memory but their own: the sanitizers' builds
 * of this test check that. Nobody promises more, so the data may be lost and the connection may fail.
 */
#include "../suite.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "../connection/link.h"
#include "connection/release.h"
#include "fd/close.h"
#include "connection/stream.h"
#include "readiness/readiness.h"

enum { ROUNDS = 60, CALLS = 40, CONCURRENT_CALLS = 4000 };

static char directory[] = "/tmp/pfswrap-hostile-XXXXXX";

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

static void teardown(void)
{
    link_end_policy(directory);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*state >> 33);
}

/* A child of a fork, so that the connections are shared. It does nothing. */
static pid_t make_sharer(void)
{
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    while (child == 0)
        (void)pause();
    return child;
}

static void end(pid_t child)
{
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

/* The shared slot of a descriptor, and how many bytes of it are not the lock. */
static uint8_t *slot_of(int fd, size_t *bytes)
{
    struct connection *slot = atomic_load(&endpoint_of(fd)->connection);
    const size_t behind_lock = sizeof slot->lock;
    ck_assert_ptr_ne(endpoint_of(fd)->segment, NULL);
    *bytes = sizeof *slot - behind_lock;
    return (uint8_t *)slot + behind_lock;
}

/*
 * Changes a word or a byte, often to a value at the edge of a range. The connection stays non-blocking: a
 * process that shares it can also change O_NONBLOCK itself, so that calls wait.
 */
static void corrupt(uint8_t *slot, size_t bytes, uint64_t *random)
{
    struct connection *const connection = (struct connection *)(void *)(slot - sizeof connection->lock);
    static const uint32_t edges[] = {0,     1,     2,      3,          4,          5,         6,
                                     255,   256,   0x7fff, 0x8000,     0xffff,     1024,      16384,
                                     16408, 32768, 0x8018, 0x7fffffff, 0x80000000, 0xffffffff};
    const uint32_t kind = next_random(random) % 4;
    /* The state of a handshake is at the end of the slot, behind the buffers. */
    const bool in_handshake = next_random(random) % 8 == 0;
    const size_t from =
        in_handshake ? CONNECTION_SLOT_BYTES - CONNECTION_EXCHANGE_BYTES - sizeof connection->lock : 0;
    const size_t most = in_handshake ? sizeof(struct noise_handshake) : bytes;
    const size_t at = from + ((next_random(random) % (most - 4)) & ~(size_t)3);
    uint32_t value =
        kind == 0 ? next_random(random) : edges[next_random(random) % (sizeof edges / sizeof edges[0])];
    if (kind == 2) {
        memcpy(&value, slot + at, sizeof value);
        value += next_random(random) % 2 == 0 ? 1 : -1U;
    }
    if (kind == 3)
        slot[at + next_random(random) % 4] = (uint8_t)value;
    else
        memcpy(slot + at, &value, sizeof value);
    atomic_store(&connection->nonblocking, 1);
}

/* As link_move(); the receiver may have shut its end down. */
static void move(int from, int to, size_t most)
{
    static char bytes[70000];
    const ssize_t count = recv(from, bytes, most, MSG_DONTWAIT);
    if (count > 0)
        (void)send(to, bytes, (size_t)count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One of the calls that a program makes. */
static void call(const struct link *link, int fd, uint64_t *random)
{
    static char bytes[70000];
    struct endpoint *endpoint;
    struct connection *connection;
    bool held_back = false;
    const size_t size = next_random(random) % sizeof bytes;
    switch (next_random(random) % 10) {
    case 0:
    case 1:
        (void)link_send(fd, bytes, size);
        break;
    case 2:
    case 3:
        (void)link_receive(fd, bytes, size, next_random(random) % 4 == 0 ? MSG_PEEK : 0);
        break;
    case 4:
        (void)readiness_ask(fd, POLLIN | POLLOUT, &held_back);
        (void)readiness_answer(fd, POLLIN | POLLOUT, POLLIN | POLLOUT);
        break;
    case 5:
        (void)stream_available(fd);
        break;
    case 6:
        move(link->client_wire, link->server_wire, size);
        move(link->server_wire, link->client_wire, size);
        break;
    case 7:
        (void)link_send(link->server, bytes, size % 5000); /* the peer */
        (void)link_receive(link->server, bytes, size, 0);
        break;
    case 8:
        if (endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
            handshake_advance(connection, fd);
            (void)send_flush(connection, fd);
            endpoint_leave(connection);
        }
        break;
    default:
        if (next_random(random) % 8 == 0)
            (void)release_shutdown(fd, next_random(random) % 3 == 0 ? SHUT_RDWR : SHUT_WR);
        break;
    }
}

static struct link link_in_some_phase(uint64_t *random)
{
    struct link link;
    if (next_random(random) % 3 != 0)
        return link_open(65536);
    link_pair(&link.client, &link.client_wire); /* in its handshake */
    link_pair(&link.server, &link.server_wire);
    link_seal(link.client, LINK_CONNECT, true, true);
    link_seal(link.server, LINK_LISTEN, false, true);
    return link;
}

/* All but the peer's end, which the round did not share. */
static void close_all(const struct link *link)
{
    (void)fd_close(link->client);
    (void)fd_close(link->server);
    (void)close(link->client_wire);
    (void)close(link->server_wire);
}

static void play(uint64_t seed)
{
    uint64_t random = seed;
    size_t bytes;
    const struct link link = link_in_some_phase(&random);
    const pid_t sharer = make_sharer();
    for (int i = 0; i < CALLS && fd_is_sealed(link.client); i++) {
        uint8_t *const slot = slot_of(link.client, &bytes);
        for (uint32_t changes = next_random(&random) % 3; changes > 0; changes--)
            corrupt(slot, bytes, &random);
        call(&link, link.client, &random);
    }
    close_all(&link);
    end(sharer);
}

START_TEST(whatever_is_changed_between_calls_they_return)
{
    for (uint64_t i = 0; i < ROUNDS; i++)
        play((uint64_t)_i * ROUNDS + i);
}
END_TEST

START_TEST(whatever_is_changed_during_a_call_it_returns)
{
    uint64_t random = (uint64_t)_i + 1;
    size_t bytes;
    const struct link link = link_open(65536);
    uint8_t *slot;
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    slot = slot_of(link.client, &bytes);
    while (child == 0)
        corrupt(slot, bytes, &random);
    for (int i = 0; i < CONCURRENT_CALLS && fd_is_sealed(link.client); i++)
        call(&link, link.client, &random);
    end(child);
    close_all(&link);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("hostile");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, whatever_is_changed_between_calls_they_return, 0, 8);
    tcase_add_loop_test(cases, whatever_is_changed_during_a_call_it_returns, 0, 8);
    return run_suite(cases, "hostile");
}
