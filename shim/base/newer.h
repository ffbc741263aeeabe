/*
 * Names of newer systems that the oldest supported headers lack (glibc 2.31 and Linux 5.10, Debian 11). The
 * declarations are those of the newer headers, so that both may be read together. Declarations only.
 */
#ifndef PFSWRAP_BASE_NEWER_H
#define PFSWRAP_BASE_NEWER_H

#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* System calls. From 424 on, the numbers are the same on all architectures. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2U
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4U
#endif

int close_range(unsigned first, unsigned last, int flags);
void closefrom(int lowest);
pid_t _Fork(void);
int epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *timeout,
                 const sigset_t *mask);
int execveat(int folder, const char *path, char *const arguments[], char *const environment[], int flags);

#endif
