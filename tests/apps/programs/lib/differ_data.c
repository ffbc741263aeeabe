#include "differ_data.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

enum { PIECES = 6, MESSAGES = 4 };

/* `size` bytes cut at random into `count` pieces, some of them empty. */
static void cut(struct iovec *pieces, unsigned count, unsigned char *bytes, size_t size)
{
    for (unsigned i = 0; i < count; i++) {
        size_t part = i + 1 == count ? size : random_chance(20) ? 0 : random_below((unsigned)size + 1);
        pieces[i] = (struct iovec){.iov_base = bytes, .iov_len = part};
        bytes += part;
        size -= part;
    }
}

static ssize_t send_file_of(int fd, const unsigned char *bytes, size_t size)
{
    const int file = memfd_create("differ", MFD_CLOEXEC);
    off_t offset = 3, *at = random_chance(50) ? &offset : NULL;
    sock_expect(file >= 0 && write(file, "abc", 3) == 3 && write(file, bytes, size) == (ssize_t)size &&
                    lseek(file, 3, SEEK_SET) == 3,
                "a file");
    const ssize_t n = sendfile(fd, file, at, size + (random_chance(30) ? 100 : 0));
    (void)printf("offset %jd position %jd ", (intmax_t)offset, (intmax_t)lseek(file, 0, SEEK_CUR));
    (void)close(file);
    return n;
}

static ssize_t send_many(int fd, unsigned char *bytes, size_t size, int flags)
{
    struct mmsghdr messages[MESSAGES] = {0};
    struct iovec pieces[MESSAGES];
    const unsigned count = 1 + random_below(MESSAGES);
    ssize_t sum = 0;
    cut(pieces, count, bytes, size);
    for (unsigned i = 0; i < count; i++)
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    const int n = sendmmsg(fd, messages, count, flags);
    for (int i = 0; i < n; i++)
        sum += (ssize_t)messages[i].msg_len;
    (void)printf("%d of %u messages ", n, count);
    return n < 0 ? n : sum;
}

void send_some_way(struct pair *pair, unsigned which)
{
    static unsigned char bytes[ROOM];
    struct end *self = &pair->ends[which], *peer = &pair->ends[!which];
    struct iovec pieces[PIECES];
    const size_t size = random_size(ROOM - peer->waiting);
    const unsigned count = 1 + random_below(PIECES);
    const int flags = (random_chance(30) ? MSG_NOSIGNAL : 0) | (random_chance(20) ? MSG_DONTWAIT : 0) |
                      (random_chance(1) ? MSG_MORE : 0) | (random_chance(5) ? MSG_EOR : 0);
    const unsigned way = random_below(9);
    ssize_t n = -1;
    if (peer->read_shut && peer->write_shut && !self->write_shut) {
        (void)printf("(a peer that takes nothing answers with a reset, in its own time)\n");
        return;
    }
    text_fill(bytes, size, self->sent, which);
    cut(pieces, count, bytes, size);
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    (void)printf("send %u ", way);
    switch (way) {
    case 0:
        n = write(self->fd, bytes, size);
        break;
    case 1:
        n = writev(self->fd, pieces, (int)count);
        break;
    case 2:
        n = send(self->fd, bytes, size, flags);
        break;
    case 3:
        n = sendto(self->fd, bytes, size, flags, NULL, 0);
        break;
    case 4:
        n = sendmsg(self->fd, &message, flags);
        break;
    case 5:
        n = send_many(self->fd, bytes, size, flags);
        break;
    case 6:
        n = pwritev2(self->fd, pieces, (int)count, -1, random_chance(30) ? RWF_NOWAIT : 0);
        break;
    case 7:
        n = send_file_of(self->fd, bytes, size);
        break;
    case 8:
        n = sendto(self->fd, bytes, size, flags, (const struct sockaddr *)&differ_target.address,
                   differ_target.length);
        break;
    }
    (void)traced(n, "%zu bytes, flags %x", size, (unsigned)flags);
    if (n > 0) {
        self->sent += (uint64_t)n;
        peer->waiting += (size_t)n;
        await_waiting(peer);
    }
}

static ssize_t receive_many(int fd, unsigned char *bytes, size_t size, int flags)
{
    struct mmsghdr messages[MESSAGES] = {0};
    struct iovec pieces[MESSAGES];
    const unsigned count = 1 + random_below(MESSAGES);
    ssize_t sum = 0;
    cut(pieces, count, bytes, size);
    for (unsigned i = 0; i < count; i++)
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    const int n = recvmmsg(fd, messages, count, flags | MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        (void)printf("(%u of %zu) ", messages[i].msg_len, pieces[i].iov_len);
        sum += (ssize_t)messages[i].msg_len;
    }
    (void)printf("%d of %u messages ", n, count);
    return n < 0 ? n : sum;
}

static ssize_t receive_message_of(int fd, struct iovec *pieces, unsigned count, int flags)
{
    char control[256];
    struct sockaddr_storage from;
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count, .msg_flags = 0x1234};
    if (random_chance(50)) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
    }
    if (random_chance(50)) {
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
    }
    const ssize_t n = recvmsg(fd, &message, flags);
    if (n >= 0)
        (void)printf("message flags %x control %zu name %u ", (unsigned)message.msg_flags,
                     (size_t)message.msg_controllen, message.msg_namelen);
    return n;
}

/* Whether receiving `size` bytes returns at once. */
static bool comes_back(const struct end *self, const struct end *peer, size_t size, bool all)
{
    if (self->nonblocking || peer->write_shut || self->read_shut)
        return true;
    return self->waiting > 0 && (!all || size <= self->waiting);
}

void receive_some_way(struct pair *pair, unsigned which)
{
    static unsigned char bytes[ROOM];
    struct end *self = &pair->ends[which], *peer = &pair->ends[!which];
    struct iovec pieces[PIECES];
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    const size_t size = random_size(ROOM);
    const unsigned count = 1 + random_below(PIECES);
    int flags = (random_chance(20) ? MSG_PEEK : 0) | (random_chance(20) ? MSG_WAITALL : 0) |
                (random_chance(10) ? MSG_TRUNC : 0) | (random_chance(10) ? MSG_CMSG_CLOEXEC : 0);
    unsigned way = random_below(7);
    ssize_t n = -1;
    if (!comes_back(self, peer, size, (flags & MSG_WAITALL) != 0)) {
        flags |= MSG_DONTWAIT;
        if (way == 0 || way == 1 || way == 6)
            way = 2;
    }
    memset(bytes, 'u', size);
    cut(pieces, count, bytes, size);
    (void)printf("receive %u ", way);
    switch (way) {
    case 0:
        n = read(self->fd, bytes, size);
        break;
    case 1:
        n = readv(self->fd, pieces, (int)count);
        break;
    case 2:
        n = recv(self->fd, bytes, size, flags);
        break;
    case 3:
        n = recvfrom(self->fd, bytes, size, flags, (struct sockaddr *)&from, &length);
        if (n >= 0)
            (void)printf("name %u ", length);
        break;
    case 4:
        n = receive_message_of(self->fd, pieces, count, flags);
        break;
    case 5:
        n = receive_many(self->fd, bytes, size, flags);
        break;
    case 6:
        n = preadv2(self->fd, pieces, (int)count, -1, 0);
        break;
    }
    const bool socket_call = way >= 2 && way <= 5;
    (void)traced(n, "%zu bytes, flags %x, digest %" PRIx64, size, socket_call ? (unsigned)flags : 0,
                 digest_of(bytes, size));
    if (n > 0 && !(socket_call && (flags & MSG_PEEK)))
        self->waiting -= (size_t)n;
}
