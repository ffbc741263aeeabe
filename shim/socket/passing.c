/*
 * The process that receives a descriptor may not be ours, and has no state of the connection: it gets a relayed
 * one, and so does everybody here who has another descriptor of the same connection.
 */
#include "socket/passing.h"

#include <errno.h>
#include <string.h>

#include "connection/relay.h"

/* The descriptors in one control message. */
static int relay_rights(const struct cmsghdr *control)
{
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
        const int error = endpoint_is_sealed(fd) ? relay_start(fd) : 0;
        if (error != 0)
            return error == EBADF ? EBADF : ENOBUFS;
    }
    return 0;
}

int passing_relay(const struct msghdr *message)
{
    struct msghdr *controls = (void *)(uintptr_t)message;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(controls); control != NULL;
         control = CMSG_NXTHDR(controls, control)) {
        if (control->cmsg_len < CMSG_LEN(0))
            return 0; /* the kernel refuses it */
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        const int error = relay_rights(control);
        if (error != 0) {
            errno = error;
            return -1;
        }
    }
    return 0;
}
