// link: -lcrypto -pthread
/*
 * Both directions at once with random write and read sizes and random pauses; SHA-256 of each direction is
 * compared.
 *
 *     sock_soak soak PORT ADDRESS both MEBIBYTES SEED
 *
 * sends that much each way, over several connections, each of which ends in order. The server's process prints how
 * much it has received. The client has a thread for each
 * direction on a blocking descriptor; the server has one loop, with poll or with edge-triggered epoll, in turn.
 */
#include "../lib/sock.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>

enum { LARGEST = 1 << 18, PARTS = 6, TOLD = 64 << 20 };

/* One direction at one end: what has passed, its hash, and the state of its random numbers. */
struct stream {
    EVP_MD_CTX *hash;
    uint64_t chance, total, done;
    unsigned char *buffer;
    size_t from, to; /* of the buffer, at a sender: what the socket has not taken yet, and will be offered again */
    bool ended;
};

static uint64_t amount;
static uint64_t seed;
static bool tells; /* how much it has received */

/* xorshift64*: not for secrets. */
static uint64_t stream_chance(struct stream *stream)
{
    stream->chance ^= stream->chance >> 12;
    stream->chance ^= stream->chance << 25;
    stream->chance ^= stream->chance >> 27;
    return stream->chance * 2685821657736338717U;
}

static struct stream stream_begin(uint64_t total, uint64_t chance)
{
    struct stream stream = {.hash = EVP_MD_CTX_new(), .chance = chance * 2 + 1, .total = total};
    stream.buffer = malloc(LARGEST + 8);
    sock_expect(stream.hash && stream.buffer && EVP_DigestInit_ex(stream.hash, EVP_sha256(), NULL) == 1, "a hash");
    for (int i = 0; i < 20; i++)
        (void)stream_chance(&stream);
    return stream;
}

/* A size of any order of magnitude, 1 to LARGEST. */
static size_t stream_size(struct stream *stream)
{
    return (size_t)(1 + stream_chance(stream) % (1U << (stream_chance(stream) % 19)));
}

static void stream_pause(struct stream *stream)
{
    if (stream_chance(stream) % 100 == 0) {
        struct timespec time = {.tv_nsec = (long)(stream_chance(stream) % 2000000)};
        (void)nanosleep(&time, NULL);
    }
}

/* Random bytes, after a word that a capture of the bare wire shows. */
static void stream_write_text(struct stream *stream, size_t size)
{
    uint64_t word = stream_chance(stream);
    for (size_t i = 0; i < size; i += 8, word = word * 6364136223846793005U + 1442695040888963407U)
        memcpy(stream->buffer + i, &word, 8);
    if (size > 64)
        text_fill(stream->buffer, 16, stream->done & ~15ULL, 9);
}

/* One write by one of the calls. Returns false if the socket is full. */
static bool stream_send(struct stream *stream, int fd, int flags)
{
    if (stream->from == stream->to) {
        stream->from = 0;
        stream->to = stream_size(stream);
        if (stream->total - stream->done < stream->to)
            stream->to = (size_t)(stream->total - stream->done);
        stream_write_text(stream, stream->to);
    }
    /* What is left is offered again, in part or as a whole: the bytes of a stream do not change. */
    unsigned char *text = stream->buffer + stream->from;
    size_t size = stream->to - stream->from;
    if (stream_chance(stream) % 4 == 0)
        size = (size_t)(1 + stream_chance(stream) % size);
    struct iovec parts[3] = {{.iov_base = text, .iov_len = size / 3},
                             {.iov_base = text, .iov_len = 0},
                             {.iov_base = text + size / 3, .iov_len = size - size / 3}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    uint64_t way = stream_chance(stream) % 4;
    ssize_t n = way == 0   ? write(fd, text, size)
                : way == 1 ? writev(fd, parts, 3)
                : way == 2 ? sendmsg(fd, &message, flags)
                           : send(fd, text, size, flags);
    if (n < 0 && errno == EAGAIN)
        return false;
    sock_expect(n > 0 && (size_t)n <= size, "a write of %zu bytes returned %zd after %" PRIu64, size, n,
                stream->done);
    sock_expect(EVP_DigestUpdate(stream->hash, text, (size_t)n) == 1, "hashing");
    stream->from += (size_t)n;
    stream->done += (uint64_t)n;
    return true;
}

/* A line `MIB passed`: so much has been received over all connections. */
static void tell(uint64_t bytes)
{
    static uint64_t passed;
    passed += bytes;
    sock_expect(dprintf(STDOUT_FILENO, "%" PRIu64 " passed\n", passed >> 20) > 0, "stdout");
}

/* One read by one of the calls. Returns false if nothing is there; sets `ended` at the end. */
static bool stream_receive(struct stream *stream, int fd, bool *drained)
{
    size_t size = stream_size(stream);
    struct iovec parts[2] = {{.iov_base = stream->buffer, .iov_len = size / 2},
                             {.iov_base = stream->buffer + size / 2, .iov_len = size - size / 2}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    uint64_t way = stream_chance(stream) % 4;
    ssize_t n = way == 0   ? read(fd, stream->buffer, size)
                : way == 1 ? readv(fd, parts, 2)
                : way == 2 ? recvmsg(fd, &message, 0)
                           : recv(fd, stream->buffer, size, 0);
    if (n < 0 && errno == EAGAIN)
        return false;
    sock_expect(n >= 0, "a read of %zu bytes returned %zd after %" PRIu64, size, n, stream->done);
    sock_expect(EVP_DigestUpdate(stream->hash, stream->buffer, (size_t)n) == 1, "hashing");
    if (tells && stream->done / TOLD != (stream->done + (uint64_t)n) / TOLD)
        tell(TOLD);
    stream->done += (uint64_t)n;
    stream->ended = n == 0;
    *drained = (size_t)n < size;
    return true;
}

/* Sends the hash of one direction to the other side, and receives the other side's; they must be the same. */
static void stream_end(struct stream *stream, const char *what)
{
    unsigned char hash[32], other[32];
    sock_expect(stream->done == stream->total, "%s: %" PRIu64 " of %" PRIu64 " bytes", what, stream->done,
                stream->total);
    sock_expect(EVP_DigestFinal_ex(stream->hash, hash, NULL) == 1, "hashing");
    sock_expect(write(sock_side, hash, sizeof hash) == sizeof hash &&
                    recv(sock_side, other, sizeof other, MSG_WAITALL) == sizeof other,
                "the other side's hash");
    sock_expect(memcmp(hash, other, sizeof hash) == 0, "%s: the hashes differ", what);
    EVP_MD_CTX_free(stream->hash);
    free(stream->buffer);
}

struct writer {
    struct stream *stream;
    int fd;
};

static void *write_all(void *argument)
{
    struct writer *writer = argument;
    while (writer->stream->done < writer->stream->total) {
        (void)stream_send(writer->stream, writer->fd, 0);
        stream_pause(writer->stream);
    }
    sock_expect(shutdown(writer->fd, SHUT_WR) == 0, "shutdown");
    return NULL;
}

static void soak_by_threads(int fd, struct stream *out, struct stream *in)
{
    pthread_t thread;
    struct writer writer = {.stream = out, .fd = fd};
    bool drained;
    sock_expect(pthread_create(&thread, NULL, write_all, &writer) == 0, "pthread_create");
    while (!in->ended) {
        (void)stream_receive(in, fd, &drained);
        stream_pause(in);
    }
    sock_expect(pthread_join(thread, NULL) == 0, "pthread_join");
}

/* Edge-triggered, a short read means drained, as in nginx; with poll there is one read for each event. */
static void soak_by_loop(int fd, struct stream *out, struct stream *in, bool edge)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    bool can_send = true, can_receive = true, closed = false, hung_up = false, drained;
    sock_set_nonblocking(fd, true);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    while (!in->ended || !closed) {
        if (edge && !(can_receive && !in->ended) && !(can_send && !closed)) {
            int n = epoll_wait(epoll, &event, 1, 3 * SOCK_DEADLINE_MS);
            sock_expect(n == 1, "epoll_wait: %d; sent %" PRIu64 ", received %" PRIu64, n, out->done, in->done);
            can_send |= (event.events & EPOLLOUT) != 0;
            hung_up |=
                (event.events & (EPOLLRDHUP | EPOLLHUP)) != 0; /* no event comes after this: read to the end */
            can_receive |= (event.events & EPOLLIN) != 0 || hung_up;
        } else if (!edge) {
            struct pollfd wait = {.fd = fd, .events = (short)((in->ended ? 0 : POLLIN) | (closed ? 0 : POLLOUT))};
            int n = poll(&wait, 1, 3 * SOCK_DEADLINE_MS);
            sock_expect(n == 1, "poll: %d; sent %" PRIu64 ", received %" PRIu64, n, out->done, in->done);
            can_send = (wait.revents & POLLOUT) != 0;
            can_receive = (wait.revents & (POLLIN | POLLHUP)) != 0;
        }
        if (can_receive && !in->ended)
            can_receive = stream_receive(in, fd, &drained) && (!drained || hung_up);
        if (can_send && out->done < out->total)
            can_send = stream_send(out, fd, MSG_DONTWAIT);
        if (out->done == out->total && !closed) {
            sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
            closed = true;
        }
        stream_pause(in);
    }
    (void)close(epoll);
}

static void soak_end(int fd, unsigned part, bool server)
{
    uint64_t base = (seed * PARTS + part) * 4, size = amount / PARTS + part * 1237;
    struct stream out = stream_begin(size, base + (server ? 1 : 2)),
                  in = stream_begin(size, base + (server ? 3 : 4));
    in.total = size;
    if (server)
        soak_by_loop(fd, &out, &in, part % 2 == 0);
    else
        soak_by_threads(fd, &out, &in);
    (void)close(fd);
    stream_end(server ? &out : &in, "from the server");
    stream_end(server ? &in : &out, "to the server");
}

static void soak(const struct sock_target *target)
{
    int side[2], listener = sock_listen(target);
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, side) == 0, "socketpair");
    pid_t pid = fork();
    sock_expect(pid >= 0, "fork");
    if (pid == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    tells = pid != 0;
    sock_side = side[pid == 0];
    (void)close(side[pid != 0]);
    for (unsigned part = 0; part < PARTS; part++)
        soak_end(pid ? sock_accept(listener) : sock_connect(target), part, pid != 0);
    if (pid == 0)
        _exit(0);
    sock_expect(sock_reap(pid) == 0, "the client's process");
    (void)printf("each way, over %d connections: %" PRIu64 " MiB\n", PARTS, amount >> 20);
}

static const struct scenario scenarios[] = {{"soak", NULL, NULL, soak}, {0}};

int main(int argc, char **argv)
{
    amount = (argc > 5 ? strtoull(argv[5], NULL, 10) : 20) << 20;
    seed = argc > 6 ? strtoull(argv[6], NULL, 10) : 1;
    return scenario_main(argc, argv, scenarios);
}
