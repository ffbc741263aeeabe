/* See program.h. */
#include "model/program.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection/endpoint.h"
#include "model/stubs.h"

int program_connect(int fd, enum model_peer peer)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(1000 + (int)peer))};
    return connect(fd, (const struct sockaddr *)&address, sizeof address);
}

/* As in socket/write.c and connection/stream.c. */
int program_write(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    int entered = ENDPOINT_NONE;
    if (fd_is_sealed(fd))
        entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered < 0)
        return entered;
    if (entered == ENDPOINT_NONE)
        return model_real_write(fd);
    const int result = connection->phase == CONNECTION_OPEN ? 1 : -ECONNRESET;
    model_expect(!model_is_connected(fd) || MODEL_LOAD(&endpoint->fd) == fd || endpoint_of(fd) == endpoint,
                 "a call acts on another connection");
    endpoint_leave(connection);
    return result;
}

int program_socket(void)
{
    const int fd = model_socket();
    model_expect(fd >= 3, "no descriptor is left");
    model_outstanding[fd] = 0;
    return fd;
}

void program_use_file(void)
{
    const int fd = model_open_file();
    model_expect(fd >= 3, "no descriptor is left");
    model_expect(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0, "F_SETFD on a file fails");
    model_expect(program_write(fd) == 1, "a file cannot be written");
    model_expect(close(fd) == 0, "a file cannot be closed");
}

void program_use_connection(enum model_peer peer)
{
    const int fd = program_socket();
    const int result = program_connect(fd, peer);
    model_expect(result != 0 || peer == PEER_KEYED || peer == PEER_RESETS || peer == PEER_PLAIN,
                 "connect() succeeds without a key");
    model_expect(result == 0 || peer != PEER_KEYED, "connect() fails with a key");
    const int written = program_write(fd);
    model_expect(written == 1 || peer != PEER_KEYED, "a write to an open connection fails");
    model_expect(close(fd) == 0, "a connection cannot be closed");
}
