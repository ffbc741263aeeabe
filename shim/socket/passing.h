/*
 * Descriptors that leave the process in a message (SCM_RIGHTS, unix(7)).
 */
#ifndef PFSWRAP_SOCKET_PASSING_H
#define PFSWRAP_SOCKET_PASSING_H

#include <stdbool.h>
#include <sys/socket.h>

#include "connection/endpoint.h"

/* Whether a message that is being sent may carry sealed descriptors. */
static inline bool passing_matters(const struct msghdr *message)
{
    return message->msg_controllen > 0 && atomic_load_explicit(&endpoint_count, memory_order_relaxed) > 0;
}

enum {
    PASSING_PARCELS_MAX = 16,   /* of one message */
    PASSING_CONTROL_MAX = 2048, /* bytes of control messages with a parcel among them: more than the kernel takes */
};

/* A message on its way out. */
struct passing {
    const struct msghdr *message; /* what is to be sent: the program's, or the copy below */
    struct msghdr copy;
    union {
        struct cmsghdr header;
        char bytes[PASSING_CONTROL_MAX];
    } control;
    struct passing_parcel {
        int fd, parcel;
        struct holder name;
    } parcels[PASSING_PARCELS_MAX];
    size_t count;
};

/*
 * Relays every sealed connection of which `message` carries a descriptor; where no process can be made, a parcel
 * goes in its place. Returns 0, or -1 with errno of sendmsg(2). To be finished in either case.
 */
int passing_prepare(struct passing *passing, const struct msghdr *message);

/* After the real call: `sent` or not. Keeps errno. */
void passing_finish(struct passing *passing, bool sent);

#endif
