/*
 * The operations of sealed descriptors, and what the plane does with connections. fd/operations.h and fd/plane.h
 * say what each function does, and what it returns. For plane.c, and for tests.
 */
#ifndef PFSWRAP_SEALED_OPERATIONS_H
#define PFSWRAP_SEALED_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/transport.h"

struct epoll_event;

/* --- operations.c: bytes --- */
ssize_t sealed_receive(int fd, const struct iovec *vectors, long count, int flags, enum transport_call call);
ssize_t sealed_send(int fd, const struct iovec *vectors, long count, int flags, enum transport_call call);
ssize_t sealed_send_file(int fd, int file, int64_t *offset, size_t count);
int sealed_before_unseen(int fd, const void *caller);
bool sealed_refuses_unseen(int fd);

/* --- connect.c, accept.c, adopt.c: new connections --- */
int sealed_connect(int fd, const struct sockaddr *address, socklen_t length);
int sealed_accepted(int fd, int listener, int flags, const struct sockaddr *peer);
bool sealed_inherited(int fd);
bool sealed_imported(int fd);
void sealed_inherited_all(void);

/* --- duplicate.c --- */
int sealed_dup(int fd, int lowest, bool cloexec);
int sealed_dup_to(int fd, int fd2, bool cloexec);
void sealed_copied(int fd, int copy, uint64_t word);

/*
 * In a child of vfork(): the number becomes a handoff socket, or else a relay's end. FD_FOREIGN: the number is
 * foreign now, and the caller makes the real call. -1: with errno.
 */
int sealed_make_handoff(int fd);

/* --- export.c: passing numbers on to other programs --- */
int sealed_export_handoff(int fd, uint64_t *ticket);
void sealed_forget_export(int fd, uint64_t ticket);

/* --- control.c, epoll.c, option.c: everything else --- */
int sealed_fcntl(int fd, int command, long argument);
int sealed_ioctl(int fd, unsigned long request, void *argument);
int sealed_epoll_control(int epoll, int operation, int fd, struct epoll_event *event);
int sealed_get_option(int fd, int level, int option, void *value, socklen_t *length);
int sealed_set_option(int fd, int level, int option, const void *value, socklen_t length);

/* --- filter.c: around the installation of a system call filter --- */
void sealed_before_filter(bool sandboxes, bool stops_threads);
void sealed_after_filter(void);

#endif
