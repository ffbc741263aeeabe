/*
 * The one list of the functions that the shared object interposes. The export map, the table of real functions
 * (base/libc.h), the results of dlsym() and a test are made from it. A name that is not here is not exported.
 */
#ifndef PFSWRAP_BASE_INTERPOSED_H
#define PFSWRAP_BASE_INTERPOSED_H

#include <features.h> /* __GLIBC__ */

/*
 * libc (shim/socket/): calls that move bytes, make and close descriptors, wait for descriptors, fork, or execute a
 * program.
 */
#define PFSWRAP_EVERY_LIBC_CALLS(X)                                                                                \
    /* connect.c, accept.c */                                                                                      \
    X(connect)                                                                                                     \
    X(accept)                                                                                                      \
    X(accept4)                                                                                                     \
    /* read.c */                                                                                                   \
    X(read)                                                                                                        \
    X(readv)                                                                                                       \
    X(preadv2)                                                                                                     \
    X(preadv64v2)                                                                                                  \
    X(recv)                                                                                                        \
    X(recvfrom)                                                                                                    \
    X(recvmsg)                                                                                                     \
    X(recvmmsg)                                                                                                    \
    /* write.c */                                                                                                  \
    X(write)                                                                                                       \
    X(writev)                                                                                                      \
    X(pwritev2)                                                                                                    \
    X(pwritev64v2)                                                                                                 \
    X(send)                                                                                                        \
    X(sendto)                                                                                                      \
    X(sendmsg)                                                                                                     \
    X(sendmmsg)                                                                                                    \
    /* sendfile.c */                                                                                               \
    X(sendfile)                                                                                                    \
    X(sendfile64)                                                                                                  \
    X(copy_file_range)                                                                                             \
    /* splice.c */                                                                                                 \
    X(splice)                                                                                                      \
    /* close.c */                                                                                                  \
    X(close)                                                                                                       \
    X(close_range)                                                                                                 \
    X(closefrom)                                                                                                   \
    X(shutdown)                                                                                                    \
    /* dup.c, fcntl.c, option.c */                                                                                 \
    X(dup)                                                                                                         \
    X(dup2)                                                                                                        \
    X(dup3)                                                                                                        \
    X(fcntl)                                                                                                       \
    X(ioctl)                                                                                                       \
    X(getpeername)                                                                                                 \
    X(getsockname)                                                                                                 \
    X(getsockopt)                                                                                                  \
    X(setsockopt)                                                                                                  \
    /* exit.c, fork.c, sandbox.c, syscall.c */                                                                     \
    X(_exit)                                                                                                       \
    X(_Exit)                                                                                                       \
    X(_Fork)                                                                                                       \
    X(clone)                                                                                                       \
    X(vfork)                                                                                                       \
    X(prctl)                                                                                                       \
    X(syscall)                                                                                                     \
    /* stdio.c */                                                                                                  \
    X(fdopen)                                                                                                      \
    X(dprintf)                                                                                                     \
    X(vdprintf)                                                                                                    \
    /* aio.c, uring.c */                                                                                           \
    X(aio_read)                                                                                                    \
    X(aio_read64)                                                                                                  \
    X(aio_write)                                                                                                   \
    X(aio_write64)                                                                                                 \
    X(aio_fsync)                                                                                                   \
    X(aio_fsync64)                                                                                                 \
    X(lio_listio)                                                                                                  \
    X(lio_listio64)                                                                                                \
    X(io_submit)                                                                                                   \
    X(io_uring_queue_init)                                                                                         \
    X(io_uring_queue_init_params)                                                                                  \
    X(io_uring_queue_init_mem)                                                                                     \
    X(io_uring_queue_init_try_nosqarr)                                                                             \
    X(io_uring_setup)                                                                                              \
    /* poll.c, select.c, epoll.c */                                                                                \
    X(poll)                                                                                                        \
    X(ppoll)                                                                                                       \
    X(select)                                                                                                      \
    X(pselect)                                                                                                     \
    X(epoll_ctl)                                                                                                   \
    X(epoll_wait)                                                                                                  \
    X(epoll_pwait)                                                                                                 \
    X(epoll_pwait2)                                                                                                \
    PFSWRAP_TIME64_CALLS(X)                                                                                        \
    /* exec.c */                                                                                                   \
    X(execl)                                                                                                       \
    X(execle)                                                                                                      \
    X(execlp)                                                                                                      \
    X(execv)                                                                                                       \
    X(execve)                                                                                                      \
    X(execveat)                                                                                                    \
    X(execvp)                                                                                                      \
    X(execvpe)                                                                                                     \
    X(fexecve)                                                                                                     \
    X(popen)                                                                                                       \
    X(posix_spawn)                                                                                                 \
    X(posix_spawnp)                                                                                                \
    X(system)

/* time64.c: names that only the libc of i386 has. */
#if defined(__i386__)
#define PFSWRAP_TIME64_CALLS(X)                                                                                    \
    X(__fcntl_time64)                                                                                              \
    X(__ioctl_time64)                                                                                              \
    X(__prctl_time64)                                                                                              \
    X(__getsockopt64)                                                                                              \
    X(__setsockopt64)                                                                                              \
    X(__recvmsg64)                                                                                                 \
    X(__recvmmsg64)                                                                                                \
    X(__sendmsg64)                                                                                                 \
    X(__sendmmsg64)                                                                                                \
    X(__select64)                                                                                                  \
    X(__pselect64)                                                                                                 \
    X(__ppoll64)                                                                                                   \
    X(__epoll_pwait2_time64)
#else
#define PFSWRAP_TIME64_CALLS(X)
#endif

/*
 * What only glibc has: second names, what fortified programs call (_FORTIFY_SOURCE), and functions of 4.3BSD.
 * gcompat, which runs programs of glibc on musl, has some of them. There they call the functions above.
 */
#define PFSWRAP_GLIBC_CALLS(X)                                                                                     \
    /* connect.c */                                                                                                \
    X(__connect)                                                                                                   \
    /* read.c */                                                                                                   \
    X(__read)                                                                                                      \
    X(__recv)                                                                                                      \
    /* write.c */                                                                                                  \
    X(__write)                                                                                                     \
    X(__send)                                                                                                      \
    X(__sendmmsg)                                                                                                  \
    /* close.c */                                                                                                  \
    X(__close)                                                                                                     \
    /* dup.c, fcntl.c */                                                                                           \
    X(__dup2)                                                                                                      \
    X(fcntl64)                                                                                                     \
    X(__fcntl)                                                                                                     \
    X(__libc_fcntl64)                                                                                              \
    /* poll.c, select.c */                                                                                         \
    X(__poll)                                                                                                      \
    X(__select)                                                                                                    \
    /* stdio.c */                                                                                                  \
    X(_IO_fdopen)                                                                                                  \
    /* fortified_glibc.c */                                                                                        \
    X(__read_chk)                                                                                                  \
    X(__recv_chk)                                                                                                  \
    X(__recvfrom_chk)                                                                                              \
    X(__dprintf_chk)                                                                                               \
    X(__vdprintf_chk)                                                                                              \
    X(__poll_chk)                                                                                                  \
    X(__ppoll_chk)                                                                                                 \
    X(backtrace_symbols_fd)                                                                                        \
    X(__backtrace_symbols_fd)                                                                                      \
    /* libc_streams.c */                                                                                           \
    X(rcmd)                                                                                                        \
    X(rcmd_af)                                                                                                     \
    X(rexec)                                                                                                       \
    X(rexec_af)

#ifdef __GLIBC__
#define PFSWRAP_LIBC_CALLS(X) PFSWRAP_EVERY_LIBC_CALLS(X) PFSWRAP_GLIBC_CALLS(X)
#else
#define PFSWRAP_LIBC_CALLS(X) PFSWRAP_EVERY_LIBC_CALLS(X)
#endif

/*
 * SunRPC in libc (shim/socket/libc_streams.c). These names are exported in the version that they have there:
 * libtirpc has functions of the same names.
 */
#if defined(__x86_64__)
#define PFSWRAP_COMPAT_VERSION "GLIBC_2.2.5"
#elif defined(__i386__)
#define PFSWRAP_COMPAT_VERSION "GLIBC_2.0"
#define PFSWRAP_COMPAT_VERSION_RTIME "GLIBC_2.1"
#else
#define PFSWRAP_COMPAT_VERSION "GLIBC_2.17"
#endif
#ifndef PFSWRAP_COMPAT_VERSION_RTIME
#define PFSWRAP_COMPAT_VERSION_RTIME PFSWRAP_COMPAT_VERSION
#endif
#define PFSWRAP_COMPAT_CALLS(X)                                                                                    \
    X(clnt_create)                                                                                                 \
    X(clnttcp_create)                                                                                              \
    X(getrpcport)                                                                                                  \
    X(pmap_getmaps)                                                                                                \
    X(pmap_getport)                                                                                                \
    X(rtime)                                                                                                       \
    X(svcfd_create)                                                                                                \
    X(svctcp_create)

/* The dynamic loader (shim/loader/): calls that find functions without interposition. */
#define PFSWRAP_EVERY_LOADER_CALLS(X)                                                                              \
    X(dlopen)                                                                                                      \
    X(dlsym)
#ifdef __GLIBC__
#define PFSWRAP_LOADER_CALLS(X) PFSWRAP_EVERY_LOADER_CALLS(X) X(dlvsym)
#else
#define PFSWRAP_LOADER_CALLS(X) PFSWRAP_EVERY_LOADER_CALLS(X)
#endif

/* libssl (shim/tls/), OpenSSL 1.1.1 and 3.x. */
#define PFSWRAP_LIBSSL_CALLS(X)                                                                                    \
    /* context.c: creates contexts */                                                                              \
    X(SSL_CTX_new)                                                                                                 \
    X(SSL_CTX_new_ex)                                                                                              \
    X(SSL_CTX_set_ssl_version)                                                                                     \
    X(SSL_CTX_get_ssl_method)                                                                                      \
    X(SSL_set_ssl_method)                                                                                          \
    X(SSL_get_ssl_method)                                                                                          \
    X(SSL_set_SSL_CTX)                                                                                             \
    /* security.c: the callback by which the library refuses versions, groups and ciphers */                       \
    X(SSL_CTX_set_security_callback)                                                                               \
    X(SSL_CTX_get_security_callback)                                                                               \
    X(SSL_set_security_callback)                                                                                   \
    X(SSL_get_security_callback)                                                                                   \
    /* handshake.c: calls that may run a handshake */                                                              \
    X(SSL_do_handshake)                                                                                            \
    X(SSL_connect)                                                                                                 \
    X(SSL_accept)                                                                                                  \
    X(SSL_stateless)                                                                                               \
    X(DTLSv1_listen)                                                                                               \
    X(SSL_read_early_data)                                                                                         \
    X(SSL_write_early_data)                                                                                        \
    X(SSL_clear)                                                                                                   \
    X(SSL_set_connect_state)                                                                                       \
    X(SSL_set_accept_state)                                                                                        \
    /* data.c: calls that may run a handshake and move data */                                                     \
    X(SSL_read)                                                                                                    \
    X(SSL_read_ex)                                                                                                 \
    X(SSL_peek)                                                                                                    \
    X(SSL_peek_ex)                                                                                                 \
    X(SSL_write)                                                                                                   \
    X(SSL_write_ex)                                                                                                \
    X(SSL_write_ex2)                                                                                               \
    X(SSL_sendfile)                                                                                                \
    X(SSL_shutdown)                                                                                                \
    /* setters.c: settings of a connection whose handshake has begun, and what a program reads back */             \
    X(SSL_ctrl)                                                                                                    \
    X(SSL_CTX_ctrl)                                                                                                \
    X(SSL_set_options)                                                                                             \
    X(SSL_clear_options)                                                                                           \
    X(SSL_get_options)                                                                                             \
    X(SSL_set_num_tickets)                                                                                         \
    X(SSL_get_num_tickets)                                                                                         \
    X(SSL_set_max_early_data)                                                                                      \
    X(SSL_get_max_early_data)                                                                                      \
    X(SSL_set_verify)                                                                                              \
    X(SSL_get_verify_mode)                                                                                         \
    X(SSL_set_ciphersuites)                                                                                        \
    X(SSL_set_cipher_list)                                                                                         \
    X(SSL_CTX_set_cipher_list)                                                                                     \
    X(SSL_get1_supported_ciphers)                                                                                  \
    X(SSL_CTX_set_security_level)                                                                                  \
    X(SSL_set_security_level)                                                                                      \
    X(SSL_CTX_set0_tmp_dh_pkey)                                                                                    \
    X(SSL_set0_tmp_dh_pkey)                                                                                        \
    X(SSL_CTX_set_tmp_dh_callback)                                                                                 \
    X(SSL_set_tmp_dh_callback)                                                                                     \
    /* configuration.c: configuration commands that carry signature algorithms */                                  \
    X(SSL_CONF_cmd)                                                                                                \
    X(SSL_CONF_cmd_argv)                                                                                           \
    X(SSL_CTX_config)                                                                                              \
    X(SSL_config)                                                                                                  \
    /* keylog.c */                                                                                                 \
    X(SSL_CTX_set_keylog_callback)                                                                                 \
    X(SSL_CTX_get_keylog_callback)                                                                                 \
    /* session.c: resumption */                                                                                    \
    X(SSL_set_session)                                                                                             \
    X(SSL_CTX_sess_set_get_cb)                                                                                     \
    X(SSL_CTX_sess_get_get_cb)                                                                                     \
    X(SSL_CTX_set_session_ticket_cb)                                                                               \
    /* layer_alpn.c: application protocols; the inner layer announces itself with one */                           \
    X(SSL_CTX_set_alpn_protos)                                                                                     \
    X(SSL_CTX_set_alpn_select_cb)                                                                                  \
    X(SSL_set_alpn_protos)                                                                                         \
    /* layer_state.c: the state that the program sees during the inner layer's handshake, and pending bytes */     \
    X(SSL_get_error)                                                                                               \
    X(SSL_get_shutdown)                                                                                            \
    X(SSL_get_state)                                                                                               \
    X(SSL_has_pending)                                                                                             \
    X(SSL_in_init)                                                                                                 \
    X(SSL_is_init_finished)                                                                                        \
    X(SSL_pending)                                                                                                 \
    X(SSL_want)                                                                                                    \
    /* bio.c: libssl's own BIOs */                                                                                 \
    X(BIO_f_ssl)                                                                                                   \
    X(BIO_new_ssl)                                                                                                 \
    X(BIO_new_ssl_connect)                                                                                         \
    X(BIO_new_buffer_ssl_connect)

/* GnuTLS (shim/gnutls/), 3.6.3 and later. */
#define PFSWRAP_GNUTLS_CALLS(X)                                                                                    \
    /* priority.c */                                                                                               \
    X(gnutls_priority_init)                                                                                        \
    X(gnutls_priority_init2)                                                                                       \
    X(gnutls_priority_set)                                                                                         \
    X(gnutls_priority_set_direct)                                                                                  \
    X(gnutls_set_default_priority)                                                                                 \
    X(gnutls_set_default_priority_append)                                                                          \
    /* session.c */                                                                                                \
    X(gnutls_init)                                                                                                 \
    X(gnutls_deinit)                                                                                               \
    X(gnutls_server_name_set)                                                                                      \
    X(gnutls_session_set_data)                                                                                     \
    X(gnutls_session_ticket_enable_server)                                                                         \
    X(gnutls_session_set_keylog_function)                                                                          \
    X(gnutls_record_send_early_data)                                                                               \
    /* handshake.c */                                                                                              \
    X(gnutls_handshake)

/* Not interposed: shows a program that the shared object is loaded. */
#define PFSWRAP_OWN_CALLS(X) X(pfswrap_version)

#define PFSWRAP_EXPORT __attribute__((visibility("default")))

#endif
