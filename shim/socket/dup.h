/*
 * Duplicates of descriptors, for the calls that make them: dup(2), and fcntl(2) with F_DUPFD.
 */
#ifndef PFSWRAP_SOCKET_DUP_H
#define PFSWRAP_SOCKET_DUP_H

/*
 * After the kernel has duplicated a number: records what is recorded about `fd` for `copy`, too. A negative
 * `copy` is an error of the call. Returns `copy`, and keeps errno.
 */
int dup_finish(int fd, int copy);

#endif
