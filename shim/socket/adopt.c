/*
 * Connections that the program was given: before it started, or in a message (SCM_RIGHTS, unix(7)). The planes are
 * asked for each of them in their order (fd/plane.h).
 */
#include "socket/adopt.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "fd/list.h"
#include "fd/plane.h"

static void visit_inherited(int fd, void *nothing)
{
    (void)nothing;
    planes_inherited(fd);
}

void adopt_inherited(void)
{
    const int saved = errno;
    if (!planes_want())
        return;
    list_descriptors_at_start(visit_inherited, NULL);
    PLANES_EACH(plane, inherited_all)
    plane->inherited_all();
    errno = saved;
}

void adopt_received(const struct msghdr *message)
{
    const int saved = errno;
    struct msghdr *controls = (void *)(uintptr_t)message;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(controls); control != NULL;
         control = CMSG_NXTHDR(controls, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
            planes_imported(fd);
        }
    }
    errno = saved;
}
