/*
 * Descriptors of planes that the program sends to another process in a message (SCM_RIGHTS, unix(7)). Their plane
 * makes them work there, or a handoff is sent in their place (fd/operations.h). For sendmsg(2).
 */
#ifndef PFSWRAP_SOCKET_SCM_RIGHTS_H
#define PFSWRAP_SOCKET_SCM_RIGHTS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "fd/plane.h"

/* Whether the message may contain descriptors of a plane. */
static inline bool scm_rights_matters(const struct msghdr *message)
{
    return message->msg_controllen > 0 && planes_have_connections();
}

enum {
    SCM_RIGHTS_HANDOFFS_MAX = 16,  /* in one message */
    SCM_RIGHTS_CONTROL_MAX = 2048, /* bytes of control messages that can be copied; more than the kernel accepts */
};

/* A message that is being sent. Too large for a small stack: it belongs in a workspace. */
struct scm_rights {
    const struct msghdr *message; /* the message to send: the program's, or `copy` */
    struct msghdr copy;
    union {
        size_t alignment; /* of struct cmsghdr */
        char bytes[SCM_RIGHTS_CONTROL_MAX];
    } control;
    struct scm_rights_entry {
        int fd, handoff; /* the program's descriptor, and the one that is sent in its place */
        uint64_t ticket;
        const struct fd_operations *operations;
    } handoffs[SCM_RIGHTS_HANDOFFS_MAX];
    size_t count;
};

/*
 * Exports every number of a plane that is in `message`. If it cannot be made to work without pfswrap, a handoff
 * takes its place. Returns 0, or a negative errno value of sendmsg(2). In both cases scm_rights_finish() must
 * follow.
 */
int scm_rights_prepare(struct scm_rights *scm_rights, const struct msghdr *message);

/* After the real call. `sent`: whether it succeeded. Keeps errno. */
void scm_rights_finish(struct scm_rights *scm_rights, bool sent);

#endif
