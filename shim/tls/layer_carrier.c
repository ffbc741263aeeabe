/*
 * The library's own SSL_read and SSL_write as the tunnel's carrier: what they answer when they stop is kept for the
 * program, whose SSL_get_error() then says why in the library's own words. During the seal's handshake the carrier
 * also keeps its deadline, sends small messages at once, and empties buffering BIOs.
 */
#include "tls/layer.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The descriptor on which the library's read would wait; -1: it would not, or on something else. */
static int blocking_descriptor(const struct layer *layer)
{
    int fd = layer->lib->SSL_get_rfd(layer->ssl);
    int flags = fd >= 0 ? fcntl(fd, F_GETFL) : -1;
    return flags >= 0 && (flags & O_NONBLOCK) == 0 ? fd : -1;
}

/* By system call: what is waited for is what the kernel has, whatever else looks at the program's poll(). */
static bool wait_until_deadline(const struct layer *layer, int fd)
{
    int64_t left = layer->deadline_ms - now_ms();
    if (left <= 0)
        return false;
    if (fd < 0 || layer->lib->SSL_has_pending(layer->ssl))
        return true;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    struct timespec timeout = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    return syscall(SYS_ppoll, &ready, 1, &timeout, NULL, 0) != 0;
}

static void set_retries(const struct layer *layer, bool on)
{
    int command = on ? SSL_CTRL_MODE : SSL_CTRL_CLEAR_MODE;
    layer->lib->SSL_ctrl(layer->ssl, command, SSL_MODE_AUTO_RETRY, NULL);
}

/*
 * A read in the handshake comes back with data of the peer's or when the program has to wait, as it does in the
 * library's own handshake: not after each session ticket. With automatic retries the library sees to that; on a
 * blocking descriptor it would then wait for ever, so there each record is waited for here, until the deadline.
 */
static int read_in_handshake(struct layer *layer, void *buffer, int size)
{
    const struct libssl *lib = layer->lib;
    bool retries = (lib->SSL_ctrl(layer->ssl, SSL_CTRL_MODE, 0, NULL) & SSL_MODE_AUTO_RETRY) != 0;
    int fd = blocking_descriptor(layer);
    int result = -1;
    set_retries(layer, fd < 0);
    do {
        layer->timed_out = !wait_until_deadline(layer, fd);
        if (!layer->timed_out)
            result = lib->SSL_read(layer->ssl, buffer, size);
    } while (fd >= 0 && !layer->timed_out && result <= 0 && lib->SSL_want(layer->ssl) == SSL_READING);
    set_retries(layer, retries);
    return result;
}

static int transport_read(void *context, void *buffer, size_t size)
{
    struct layer *layer = context;
    layer->result = layer->opened ? layer->lib->SSL_read(layer->ssl, buffer, (int)size)
                                  : read_in_handshake(layer, buffer, (int)size);
    if (layer->result > 0)
        return layer->result;
    bool ended = (layer->lib->SSL_get_shutdown(layer->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
    return layer->result == 0 && ended ? 0 : -1;
}

/*
 * A message of the handshake is small and another has just been sent: with Nagle's algorithm it would wait for the
 * peer to acknowledge that (RFC 1122, 4.2.3.4), which is a round trip more than the handshake needs. The same goes
 * for the program's first data, which without the layer has nothing unacknowledged in front of it.
 */
static int write_at_once(struct layer *layer, const void *data, size_t length)
{
    int on = 1, before = 1;
    socklen_t size = sizeof before;
    if (getsockopt(layer->fd, IPPROTO_TCP, TCP_NODELAY, &before, &size) == 0 && before == 0)
        (void)setsockopt(layer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int result = layer->lib->SSL_write(layer->ssl, data, (int)length);
    if (before == 0)
        (void)setsockopt(layer->fd, IPPROTO_TCP, TCP_NODELAY, &before, sizeof before);
    return result;
}

static int transport_write(void *context, const void *data, size_t length)
{
    struct layer *layer = context;
    layer->result =
        layer->opened ? layer->lib->SSL_write(layer->ssl, data, (int)length) : write_at_once(layer, data, length);
    if (layer->result > 0 && !layer->writing)
        layer->flush_due = layer->lib->BIO_ctrl(layer->lib->SSL_get_wbio(layer->ssl), BIO_CTRL_FLUSH, 0, NULL) <= 0;
    return layer->result > 0 ? layer->result : -1;
}

/*
 * A frame is 21 bytes longer than its data, so a write of 16 KiB, which many programs prefer since it fits a record
 * of TLS, comes to two records. Corked, the small one travels with the large one; alone it would cost the kernels
 * of both ends nearly as much, and wake the peer twice. Sends nothing later than without.
 */
void layer_cork(const struct layer *layer, bool on)
{
    int value = on;
    if (layer->fd >= 0)
        (void)setsockopt(layer->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

struct pfswrap_tunnel_transport layer_transport(struct layer *layer)
{
    return (struct pfswrap_tunnel_transport){.read = transport_read, .write = transport_write, .context = layer};
}
