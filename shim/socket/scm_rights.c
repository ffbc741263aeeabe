/*
 * The receiving process may not be under pfswrap, and does not have the connection's state. So a sealed connection
 * is relayed (export_bare), with all its descriptors in this process. If no process can be made (RLIMIT_NPROC,
 * setrlimit(2)), a handoff socket is sent, which only a process under pfswrap can use. Then the descriptors in this
 * process stay sealed.
 */
#include "socket/scm_rights.h"

#include <errno.h>
#include <string.h>

#include "base/raw_syscall.h"

/* Replaces `message` by a copy whose control messages can be changed. False: they are too long. */
static bool copy_message(struct scm_rights *scm_rights)
{
    if (scm_rights->message == &scm_rights->copy)
        return true;
    const struct msghdr *message = scm_rights->message;
    if (message->msg_controllen > sizeof scm_rights->control)
        return false;
    memcpy(&scm_rights->control, message->msg_control, message->msg_controllen);
    scm_rights->copy = *message;
    scm_rights->copy.msg_control = &scm_rights->control;
    scm_rights->message = &scm_rights->copy;
    return true;
}

/* Makes a descriptor that is sent in place of `fd`. Returns it, or -ENOBUFS. */
static int add_handoff(struct scm_rights *scm_rights, const struct fd_operations *operations, int fd)
{
    struct scm_rights_entry *entry = &scm_rights->handoffs[scm_rights->count];
    if (scm_rights->count == SCM_RIGHTS_HANDOFFS_MAX || !copy_message(scm_rights))
        return -ENOBUFS;
    if (operations->export_handoff == NULL)
        return -ENOBUFS;
    entry->fd = fd;
    entry->operations = operations;
    entry->handoff = operations->export_handoff(fd, &entry->ticket);
    if (entry->handoff < 0)
        return -ENOBUFS;
    scm_rights->count++;
    return entry->handoff;
}

/* Handles the descriptor at this byte offset in the control messages. Returns 0 or a negative errno value. */
static int pass(struct scm_rights *scm_rights, size_t offset)
{
    int fd;
    memcpy(&fd, (const char *)scm_rights->message->msg_control + offset, sizeof fd);
    const struct fd_operations *operations = fd_operations_if_known(fd);
    const int error = operations != NULL && operations->export_bare != NULL ? operations->export_bare(fd) : 0;
    if (error == 0 || error == -EBADF)
        return error;
    const int handoff = add_handoff(scm_rights, operations, fd);
    if (handoff < 0)
        return handoff;
    memcpy(scm_rights->control.bytes + offset, &handoff, sizeof handoff);
    return 0;
}

int scm_rights_prepare(struct scm_rights *scm_rights, const struct msghdr *message)
{
    struct msghdr *controls = (void *)(uintptr_t)message;
    scm_rights->message = message;
    scm_rights->count = 0;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(controls); control != NULL;
         control = CMSG_NXTHDR(controls, control)) {
        if (control->cmsg_len < CMSG_LEN(0))
            return 0; /* the kernel refuses it */
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t begin = (size_t)(CMSG_DATA(control) - (unsigned char *)message->msg_control);
        for (size_t i = 0; i < (control->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            const int error = pass(scm_rights, begin + i * sizeof(int));
            if (error != 0)
                return error;
        }
    }
    return 0;
}

void scm_rights_finish(struct scm_rights *scm_rights, bool sent)
{
    const int saved = errno;
    for (size_t i = 0; i < scm_rights->count; i++) {
        const struct scm_rights_entry *entry = &scm_rights->handoffs[i];
        if (!sent)
            entry->operations->forget_export(entry->fd, entry->ticket);
        (void)raw_syscall(SYS_close, entry->handoff);
    }
    errno = saved;
}
