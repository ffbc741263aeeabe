/*
 * The tunnel's transport: libssl's SSL_read() and SSL_write(). Their result when they cannot go on is stored for
 * the program, whose SSL_get_error() then reports libssl's reason. During the seal's handshake the transport
 * also checks the deadline, sends small messages without delay, and flushes buffering BIOs.
 */
#include "tls/layer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "fd/program_socket.h"

/* The descriptor on which libssl's read waits. -1: it does not wait, or there is no descriptor. */
static int blocking_descriptor(const struct layer *layer)
{
    int fd = layer->lib->SSL_get_rfd(layer->ssl);
    return fd >= 0 && program_socket_blocks(fd) ? fd : -1;
}

/* Returns false after the deadline. -1 for `fd`: does not wait. */
static bool wait_until_deadline(const struct layer *layer, int fd)
{
    int64_t left = layer->deadline_ms - (int64_t)clock_ms();
    if (left <= 0)
        return false;
    if (fd < 0 || layer->lib->SSL_has_pending(layer->ssl))
        return true;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000 * 1000000)};
    return raw_syscall(SYS_ppoll, &ready, 1, &timeout, NULL, 0) != 0; /* also after a signal */
}

static void set_automatic_retries(const struct layer *layer, bool on)
{
    int command = on ? SSL_CTRL_MODE : SSL_CTRL_CLEAR_MODE;
    layer->lib->SSL_ctrl(layer->ssl, command, SSL_MODE_AUTO_RETRY, NULL);
}

/*
 * A read in the handshake returns when the peer's data has arrived, or when the program has to wait; it must not
 * return after each session ticket. With automatic retries, libssl reads on by itself. On a blocking descriptor it
 * would then wait without a limit, so there this function waits for each record, until the deadline.
 */
static int read_in_handshake(struct layer *layer, void *buffer, int size)
{
    const struct libssl *lib = layer->lib;
    bool retries = ((unsigned long)lib->SSL_ctrl(layer->ssl, SSL_CTRL_MODE, 0, NULL) & SSL_MODE_AUTO_RETRY) != 0;
    int fd = blocking_descriptor(layer);
    int result = -1;
    set_automatic_retries(layer, fd < 0);
    do {
        layer->timed_out = !wait_until_deadline(layer, fd);
        if (!layer->timed_out)
            result = lib->SSL_read(layer->ssl, buffer, size);
    } while (fd >= 0 && !layer->timed_out && result <= 0 && lib->SSL_want(layer->ssl) == SSL_READING);
    set_automatic_retries(layer, retries);
    return result;
}

/*
 * Whether libssl can read without waiting. A program waits for its socket, not for libssl's buffers. So a write
 * must not read what the program could be waiting for, unless the program has not read for long (layer_data.c).
 */
static bool may_read_in_write(const struct layer *layer)
{
    const int fd = layer->lib->SSL_get_rfd(layer->ssl);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    const struct timespec now = {0};
    return layer->looking && (layer->lib->SSL_has_pending(layer->ssl) ||
                              (fd >= 0 && raw_syscall(SYS_ppoll, &ready, 1, &now, NULL, 0) == 1));
}

static int transport_read(void *context, void *buffer, size_t size)
{
    struct layer *layer = context;
    if (layer->writing && !may_read_in_write(layer))
        return -1;
    layer->result = layer->opened ? layer->lib->SSL_read(layer->ssl, buffer, (int)size)
                                  : read_in_handshake(layer, buffer, (int)size);
    if (layer->result > 0)
        return layer->result;
    bool ended = (layer->lib->SSL_get_shutdown(layer->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
    if (layer->result == 0 && ended)
        return 0;
    if (layer->opened)
        layer_note_failure(layer);
    return -1;
}

/*
 * A handshake message is small, and follows another small message. Nagle's algorithm would delay it until the peer
 * has acknowledged that one (RFC 1122, 4.2.3.4), which would cost the handshake another round trip.
 */
static int write_without_delay(struct layer *layer, const void *data, size_t length)
{
    int on = 1, before = 1;
    socklen_t size = sizeof before;
    if (raw_syscall(SYS_getsockopt, layer->fd, IPPROTO_TCP, TCP_NODELAY, &before, &size) == 0 && before == 0)
        (void)raw_syscall(SYS_setsockopt, layer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int result = layer->lib->SSL_write(layer->ssl, data, (int)length);
    if (before == 0)
        (void)raw_syscall(SYS_setsockopt, layer->fd, IPPROTO_TCP, TCP_NODELAY, &before, sizeof before);
    return result;
}

static int transport_write(void *context, const void *data, size_t length)
{
    struct layer *layer = context;
    layer->result = layer->opened ? layer->lib->SSL_write(layer->ssl, data, (int)length)
                                  : write_without_delay(layer, data, length);
    if (layer->result > 0 && !layer->writing)
        layer->flush_due = layer->lib->BIO_ctrl(layer->lib->SSL_get_wbio(layer->ssl), BIO_CTRL_FLUSH, 0, NULL) <= 0;
    return layer->result > 0 ? layer->result : -1;
}

/*
 * Many programs write 16 KiB at a time, since that fits into one TLS record. A frame is 21 bytes longer than its
 * data, so such a write becomes two records. With TCP_CORK, the kernel sends them together. Otherwise the small
 * record would cost both kernels nearly as much as the large one and wake the peer a second time. The cork is
 * removed after the write, so nothing is sent later than without it.
 */
void layer_cork(const struct layer *layer, bool on)
{
    int value = on;
    if (layer->fd >= 0)
        (void)raw_syscall(SYS_setsockopt, layer->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

struct pfswrap_tunnel_transport layer_transport(struct layer *layer)
{
    return (struct pfswrap_tunnel_transport){.read = transport_read, .write = transport_write, .context = layer};
}
