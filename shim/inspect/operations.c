/*
 * The operations of inspected descriptors (fd/operations.h): the kernel moves the bytes, and the reader sees them
 * before they are sent and after they were received.
 */
#include "inspect/inspect.h"

#include "base/iov_check.h"

/*
 * A vector that the kernel refuses as a whole sends nothing: ticket 0. One with a bad address in the first page may
 * send what lies before it.
 */
static int before_send(int fd, const struct iovec *vectors, long count, const void *caller, uint32_t *ticket)
{
    *ticket = 0;
    const bool may_send = (count <= 0 || !address_is_bad(vectors)) && iov_check(vectors, count, false, false) == 0;
    return may_send ? inspect_before_send(fd, vectors, (size_t)count, caller, ticket) : 0;
}

static void sent(int fd, const struct iovec *vectors, long count, ssize_t result, uint32_t ticket)
{
    if (ticket != 0)
        inspect_sent(fd, vectors, (size_t)count, result, ticket);
}

static ssize_t received(int fd, const struct iovec *vectors, long count, ssize_t got, int flags, const void *caller)
{
    return inspect_received(fd, vectors, (size_t)count, got, flags, caller);
}

const struct fd_operations inspect_operations = {
    .before_send = before_send,
    .sent = sent,
    .received = received,
    .before_unseen = inspect_before_file,
    .before_stream = inspect_before_stream,
    .refuses_unseen = inspect_refuses_unseen,
};
