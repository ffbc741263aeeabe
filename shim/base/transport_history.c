/*
 * The kernel's counters of a connection. They are declared in linux/tcp.h, which cannot be included together with
 * libc's netinet/tcp.h.
 */
#include "base/transport.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/raw_syscall.h"

enum { ESTABLISHED = 1 }; /* TCP_ESTABLISHED of libc's netinet/tcp.h */

bool transport_has_begun(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    memset(&info, 0, sizeof info);
    if (raw_syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return false;
    /* TCP counts the SYN of the end that connects as acknowledged. */
    return info.tcpi_state != ESTABLISHED || info.tcpi_bytes_acked > 1 || info.tcpi_bytes_received > 0 ||
           info.tcpi_unacked > 0;
}
