/*
 * epoll_ctl(2) on a sealed descriptor. While its handshake is under way, the kernel gets other events than the
 * program asked for (readiness/registration.h).
 */
#include "sealed/operations.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/address_check.h"
#include "connection/endpoint.h"
#include "readiness/registration.h"

int sealed_epoll_control(int epoll, int operation, int fd, struct epoll_event *event)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (operation != EPOLL_CTL_DEL && address_is_bad(event))
        return FD_FOREIGN; /* the kernel refuses */
    const int entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered == -EBADF)
        return fd_call_result(entered);
    if (entered != ENDPOINT_ENTERED) /* or a signal handler inside a call: spurious events at worst */
        return FD_FOREIGN;
    const int result = registration_control(endpoint, connection, epoll, operation, fd, event);
    endpoint_leave(connection);
    return fd_call_result(result);
}
