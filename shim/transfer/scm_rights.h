/*
 * Descriptors that leave the process in a message (SCM_RIGHTS, unix(7)).
 */
#ifndef PFSWRAP_TRANSFER_SCM_RIGHTS_H
#define PFSWRAP_TRANSFER_SCM_RIGHTS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "connection/endpoint.h"

/* Whether a message that is being sent may carry sealed descriptors. */
static inline bool scm_rights_matters(const struct msghdr *message)
{
    return message->msg_controllen > 0 && atomic_load_explicit(&endpoint_count, memory_order_relaxed) > 0;
}

enum {
    PASSING_HANDOFFS_MAX = 16, /* of one message */
    PASSING_CONTROL_MAX =
        2048, /* bytes of control messages with a handoff socket among them: more than the kernel takes */
};

/* A message on its way out. */
struct scm_rights {
    const struct msghdr *message; /* what is to be sent: the program's, or the copy below */
    struct msghdr copy;
    union {
        size_t alignment; /* of struct cmsghdr */
        char bytes[PASSING_CONTROL_MAX];
    } control;
    struct scm_rights_entry {
        int fd, handoff;
        struct holder name;
    } handoffs[PASSING_HANDOFFS_MAX];
    size_t count;
};

/*
 * Relays every sealed connection of which `message` carries a descriptor; where no process can be made, a handoff
 * socket goes in its place. Returns 0, or -1 with errno of sendmsg(2). To be finished in either case.
 */
int scm_rights_prepare(struct scm_rights *scm_rights, const struct msghdr *message);

/* After the real call: `sent` or not. Keeps errno. */
void scm_rights_finish(struct scm_rights *scm_rights, bool sent);

#endif
