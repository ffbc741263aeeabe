/*
 * The process that receives a descriptor may not be ours, and has no state of the connection: it gets a relayed
 * one, and so does everybody here who has another descriptor of the same connection. A process that may not make
 * another one (RLIMIT_NPROC, setrlimit(2)) passes on a parcel, which only a receiver of ours can use; its own
 * descriptor stays sealed.
 */
#include "socket/passing.h"

#include <errno.h>
#include <string.h>

#include "connection/handover.h"
#include "connection/relay.h"
#include "real/kernel.h"

/* `message` with control messages of our own, that can be changed. False: they are too long. */
static bool copy_message(struct passing *passing)
{
    if (passing->message == &passing->copy)
        return true;
    const struct msghdr *message = passing->message;
    if (message->msg_controllen > sizeof passing->control)
        return false;
    memcpy(&passing->control, message->msg_control, message->msg_controllen);
    passing->copy = *message;
    passing->copy.msg_control = &passing->control;
    passing->message = &passing->copy;
    return true;
}

/* A parcel for `fd` in this message. Returns its descriptor, or -1. */
static int add_parcel(struct passing *passing, int fd)
{
    struct passing_parcel *entry = &passing->parcels[passing->count];
    if (passing->count == PASSING_PARCELS_MAX || !copy_message(passing))
        return -1;
    entry->fd = fd;
    entry->parcel = handover_make_parcel(fd, &entry->name);
    if (entry->parcel < 0)
        return -1;
    passing->count++;
    return entry->parcel;
}

/* The descriptor at `offset`, bytes into the control messages. Returns 0 or an errno. */
static int pass(struct passing *passing, size_t offset)
{
    int fd;
    memcpy(&fd, (const char *)passing->message->msg_control + offset, sizeof fd);
    int error = endpoint_is_sealed(fd) ? relay_start(fd) : 0;
    if (error == 0 || error == EBADF)
        return error;
    const int parcel = add_parcel(passing, fd);
    if (parcel < 0)
        return ENOBUFS;
    memcpy(passing->control.bytes + offset, &parcel, sizeof parcel);
    return 0;
}

int passing_prepare(struct passing *passing, const struct msghdr *message)
{
    struct msghdr *controls = (void *)(uintptr_t)message;
    passing->message = message;
    passing->count = 0;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(controls); control != NULL;
         control = CMSG_NXTHDR(controls, control)) {
        if (control->cmsg_len < CMSG_LEN(0))
            return 0; /* the kernel refuses it */
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t begin = (size_t)(CMSG_DATA(control) - (unsigned char *)message->msg_control);
        for (size_t i = 0; i < (control->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            const int error = pass(passing, begin + i * sizeof(int));
            if (error != 0) {
                errno = error;
                return -1;
            }
        }
    }
    return 0;
}

void passing_finish(struct passing *passing, bool sent)
{
    const int saved = errno;
    for (size_t i = 0; i < passing->count; i++) {
        const struct passing_parcel *entry = &passing->parcels[i];
        if (!sent)
            handover_forget(entry->fd, entry->name);
        (void)KERNEL_1(SYS_close, entry->parcel);
    }
    errno = saved;
}
