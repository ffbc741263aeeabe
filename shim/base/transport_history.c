/*
 * The kernel's counters of a connection. They are declared in linux/tcp.h, which cannot be included together with
 * libc's netinet/tcp.h.
 */
#include "base/transport.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/filter.h"
#include "base/raw_syscall.h"

/* TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2 and TCP_CLOSE_WAIT of libc's netinet/tcp.h. */
enum { ESTABLISHED = 1, FIN_WAIT1 = 4, FIN_WAIT2 = 5, CLOSE_WAIT = 8 };

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

bool transport_has_ended_after(int fd, uint64_t received, bool *is_all)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    memset(&info, 0, sizeof info);
    *is_all = false;
    if (!filter_allows(SYS_getsockopt) ||
        raw_syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return true;
    /* TCP counts the FIN as a byte. */
    *is_all = info.tcpi_state == CLOSE_WAIT && info.tcpi_bytes_received == received + 1;
    return info.tcpi_state != ESTABLISHED && info.tcpi_state != FIN_WAIT1 && info.tcpi_state != FIN_WAIT2;
}
