/*
 * Every socket option of Linux 6.18 that a TCP socket can have, and what it does on a connection that a plane
 * has taken over, or may take over. Only a few change what a read or a write does. These must work on the program's
 * bytes, or be refused with the errno of a kernel that does not have the option: the kernel would apply them to
 * encrypted bytes, or lose the shim's.
 *
 *     PASS           the kernel's option works as it does without pfswrap
 *     HONOUR         the plane, or the calls that it affects, do what the option means for the program's bytes
 *     REFUSE_ON      setting it to anything but 0 is refused
 *     REFUSE_ONE     setting it to 1 is refused
 *     REFUSE_OFFSET  setting it to 0 or more is refused; a negative number switches it off
 *     REFUSE_ANY     setting it is refused
 *     REFUSE_GET     getting it is refused, since that moves bytes
 *     CONTROL        no option, but the type of a control message (cmsg(3)), with a number among the options
 *
 * X(name, number, decision, errno). The numbers are those of asm-generic/socket.h, linux/tcp.h, linux/in.h and
 * linux/in6.h: older headers lack some. A test compares the list with the installed headers, docs/OPTIONS.md
 * explains it.
 */
#ifndef PFSWRAP_SOCKET_OPTION_LIST_H
#define PFSWRAP_SOCKET_OPTION_LIST_H

/* SOL_SOCKET */
#define OPTIONS_SOCKET(X)                                                                                          \
    X(SO_DEBUG, 1, PASS, 0)                                                                                        \
    X(SO_REUSEADDR, 2, PASS, 0)                                                                                    \
    X(SO_TYPE, 3, PASS, 0)                                                                                         \
    X(SO_ERROR, 4, HONOUR, 0)                                                                                      \
    X(SO_DONTROUTE, 5, PASS, 0)                                                                                    \
    X(SO_BROADCAST, 6, PASS, 0)                                                                                    \
    X(SO_SNDBUF, 7, HONOUR, 0)                                                                                     \
    X(SO_RCVBUF, 8, PASS, 0)                                                                                       \
    X(SO_KEEPALIVE, 9, PASS, 0)                                                                                    \
    X(SO_OOBINLINE, 10, PASS, 0)                                                                                   \
    X(SO_NO_CHECK, 11, PASS, 0)                                                                                    \
    X(SO_PRIORITY, 12, PASS, 0)                                                                                    \
    X(SO_LINGER, 13, HONOUR, 0)                                                                                    \
    X(SO_BSDCOMPAT, 14, PASS, 0)                                                                                   \
    X(SO_REUSEPORT, 15, PASS, 0)                                                                                   \
    X(SO_PASSCRED, 16, PASS, 0)                                                                                    \
    X(SO_PEERCRED, 17, PASS, 0)                                                                                    \
    X(SO_RCVLOWAT, 18, HONOUR, 0)                                                                                  \
    X(SO_SNDLOWAT, 19, PASS, 0)                                                                                    \
    X(SO_RCVTIMEO_OLD, 20, HONOUR, 0)                                                                              \
    X(SO_SNDTIMEO_OLD, 21, HONOUR, 0)                                                                              \
    X(SO_SECURITY_AUTHENTICATION, 22, PASS, 0)                                                                     \
    X(SO_SECURITY_ENCRYPTION_TRANSPORT, 23, PASS, 0)                                                               \
    X(SO_SECURITY_ENCRYPTION_NETWORK, 24, PASS, 0)                                                                 \
    X(SO_BINDTODEVICE, 25, PASS, 0)                                                                                \
    X(SO_ATTACH_FILTER, 26, PASS, 0)                                                                               \
    X(SO_DETACH_FILTER, 27, PASS, 0)                                                                               \
    X(SO_PEERNAME, 28, PASS, 0)                                                                                    \
    X(SO_TIMESTAMP_OLD, 29, REFUSE_ON, ENOPROTOOPT)                                                                \
    X(SO_ACCEPTCONN, 30, PASS, 0)                                                                                  \
    X(SO_PEERSEC, 31, PASS, 0)                                                                                     \
    X(SO_SNDBUFFORCE, 32, HONOUR, 0)                                                                               \
    X(SO_RCVBUFFORCE, 33, PASS, 0)                                                                                 \
    X(SO_PASSSEC, 34, PASS, 0)                                                                                     \
    X(SO_TIMESTAMPNS_OLD, 35, REFUSE_ON, ENOPROTOOPT)                                                              \
    X(SO_MARK, 36, PASS, 0)                                                                                        \
    X(SO_TIMESTAMPING_OLD, 37, REFUSE_ON, ENOPROTOOPT)                                                             \
    X(SO_PROTOCOL, 38, HONOUR, 0)                                                                                  \
    X(SO_DOMAIN, 39, HONOUR, 0)                                                                                    \
    X(SO_RXQ_OVFL, 40, PASS, 0)                                                                                    \
    X(SO_WIFI_STATUS, 41, PASS, 0)                                                                                 \
    X(SO_PEEK_OFF, 42, REFUSE_OFFSET, EOPNOTSUPP)                                                                  \
    X(SO_NOFCS, 43, PASS, 0)                                                                                       \
    X(SO_LOCK_FILTER, 44, PASS, 0)                                                                                 \
    X(SO_SELECT_ERR_QUEUE, 45, PASS, 0)                                                                            \
    X(SO_BUSY_POLL, 46, PASS, 0)                                                                                   \
    X(SO_MAX_PACING_RATE, 47, PASS, 0)                                                                             \
    X(SO_BPF_EXTENSIONS, 48, PASS, 0)                                                                              \
    X(SO_INCOMING_CPU, 49, PASS, 0)                                                                                \
    X(SO_ATTACH_BPF, 50, PASS, 0)                                                                                  \
    X(SO_ATTACH_REUSEPORT_CBPF, 51, PASS, 0)                                                                       \
    X(SO_ATTACH_REUSEPORT_EBPF, 52, PASS, 0)                                                                       \
    X(SO_CNX_ADVICE, 53, PASS, 0)                                                                                  \
    X(SCM_TIMESTAMPING_OPT_STATS, 54, CONTROL, 0)                                                                  \
    X(SO_MEMINFO, 55, PASS, 0)                                                                                     \
    X(SO_INCOMING_NAPI_ID, 56, PASS, 0)                                                                            \
    X(SO_COOKIE, 57, PASS, 0)                                                                                      \
    X(SCM_TIMESTAMPING_PKTINFO, 58, CONTROL, 0)                                                                    \
    X(SO_PEERGROUPS, 59, PASS, 0)                                                                                  \
    X(SO_ZEROCOPY, 60, REFUSE_ONE, EOPNOTSUPP)                                                                     \
    X(SO_TXTIME, 61, PASS, 0)                                                                                      \
    X(SO_BINDTOIFINDEX, 62, PASS, 0)                                                                               \
    X(SO_TIMESTAMP_NEW, 63, REFUSE_ON, ENOPROTOOPT)                                                                \
    X(SO_TIMESTAMPNS_NEW, 64, REFUSE_ON, ENOPROTOOPT)                                                              \
    X(SO_TIMESTAMPING_NEW, 65, REFUSE_ON, ENOPROTOOPT)                                                             \
    X(SO_RCVTIMEO_NEW, 66, HONOUR, 0)                                                                              \
    X(SO_SNDTIMEO_NEW, 67, HONOUR, 0)                                                                              \
    X(SO_DETACH_REUSEPORT_BPF, 68, PASS, 0)                                                                        \
    X(SO_PREFER_BUSY_POLL, 69, PASS, 0)                                                                            \
    X(SO_BUSY_POLL_BUDGET, 70, PASS, 0)                                                                            \
    X(SO_NETNS_COOKIE, 71, PASS, 0)                                                                                \
    X(SO_BUF_LOCK, 72, PASS, 0)                                                                                    \
    X(SO_RESERVE_MEM, 73, PASS, 0)                                                                                 \
    X(SO_TXREHASH, 74, PASS, 0)                                                                                    \
    X(SO_RCVMARK, 75, PASS, 0)                                                                                     \
    X(SO_PASSPIDFD, 76, PASS, 0)                                                                                   \
    X(SO_PEERPIDFD, 77, PASS, 0)                                                                                   \
    X(SO_DEVMEM_LINEAR, 78, CONTROL, 0)                                                                            \
    X(SO_DEVMEM_DMABUF, 79, CONTROL, 0)                                                                            \
    X(SO_DEVMEM_DONTNEED, 80, REFUSE_ON, ENOPROTOOPT)                                                              \
    X(SCM_TS_OPT_ID, 81, CONTROL, 0)                                                                               \
    X(SO_RCVPRIORITY, 82, PASS, 0)                                                                                 \
    X(SO_PASSRIGHTS, 83, PASS, 0)                                                                                  \
    X(SO_INQ, 84, PASS, 0)

/* IPPROTO_TCP */
#define OPTIONS_TCP(X)                                                                                             \
    X(TCP_NODELAY, 1, HONOUR, 0)                                                                                   \
    X(TCP_MAXSEG, 2, PASS, 0)                                                                                      \
    X(TCP_CORK, 3, HONOUR, 0)                                                                                      \
    X(TCP_KEEPIDLE, 4, PASS, 0)                                                                                    \
    X(TCP_KEEPINTVL, 5, PASS, 0)                                                                                   \
    X(TCP_KEEPCNT, 6, PASS, 0)                                                                                     \
    X(TCP_SYNCNT, 7, PASS, 0)                                                                                      \
    X(TCP_LINGER2, 8, PASS, 0)                                                                                     \
    X(TCP_DEFER_ACCEPT, 9, PASS, 0)                                                                                \
    X(TCP_WINDOW_CLAMP, 10, PASS, 0)                                                                               \
    X(TCP_INFO, 11, PASS, 0)                                                                                       \
    X(TCP_QUICKACK, 12, PASS, 0)                                                                                   \
    X(TCP_CONGESTION, 13, PASS, 0)                                                                                 \
    X(TCP_MD5SIG, 14, PASS, 0)                                                                                     \
    X(TCP_COOKIE_TRANSACTIONS, 15, PASS, 0)                                                                        \
    X(TCP_THIN_LINEAR_TIMEOUTS, 16, PASS, 0)                                                                       \
    X(TCP_THIN_DUPACK, 17, PASS, 0)                                                                                \
    X(TCP_USER_TIMEOUT, 18, PASS, 0)                                                                               \
    X(TCP_REPAIR, 19, REFUSE_ONE, EPERM)                                                                           \
    X(TCP_REPAIR_QUEUE, 20, PASS, 0)                                                                               \
    X(TCP_QUEUE_SEQ, 21, PASS, 0)                                                                                  \
    X(TCP_REPAIR_OPTIONS, 22, PASS, 0)                                                                             \
    X(TCP_FASTOPEN, 23, PASS, 0)                                                                                   \
    X(TCP_TIMESTAMP, 24, PASS, 0)                                                                                  \
    X(TCP_NOTSENT_LOWAT, 25, PASS, 0)                                                                              \
    X(TCP_CC_INFO, 26, PASS, 0)                                                                                    \
    X(TCP_SAVE_SYN, 27, PASS, 0)                                                                                   \
    X(TCP_SAVED_SYN, 28, PASS, 0)                                                                                  \
    X(TCP_REPAIR_WINDOW, 29, PASS, 0)                                                                              \
    X(TCP_FASTOPEN_CONNECT, 30, HONOUR, 0)                                                                         \
    X(TCP_ULP, 31, REFUSE_ANY, ENOENT)                                                                             \
    X(TCP_MD5SIG_EXT, 32, PASS, 0)                                                                                 \
    X(TCP_FASTOPEN_KEY, 33, PASS, 0)                                                                               \
    X(TCP_FASTOPEN_NO_COOKIE, 34, PASS, 0)                                                                         \
    X(TCP_ZEROCOPY_RECEIVE, 35, REFUSE_GET, ENOPROTOOPT)                                                           \
    X(TCP_INQ, 36, REFUSE_ONE, ENOPROTOOPT)                                                                        \
    X(TCP_TX_DELAY, 37, PASS, 0)                                                                                   \
    X(TCP_AO_ADD_KEY, 38, PASS, 0)                                                                                 \
    X(TCP_AO_DEL_KEY, 39, PASS, 0)                                                                                 \
    X(TCP_AO_INFO, 40, PASS, 0)                                                                                    \
    X(TCP_AO_GET_KEYS, 41, PASS, 0)                                                                                \
    X(TCP_AO_REPAIR, 42, PASS, 0)                                                                                  \
    X(TCP_IS_MPTCP, 43, PASS, 0)                                                                                   \
    X(TCP_RTO_MAX_MS, 44, PASS, 0)                                                                                 \
    X(TCP_RTO_MIN_US, 45, PASS, 0)                                                                                 \
    X(TCP_DELACK_MAX_US, 46, PASS, 0)

/* IPPROTO_IP: what is received or sent with these belongs to datagrams; a TCP socket has no such control messages.
 */
#define OPTIONS_IP(X)                                                                                              \
    X(IP_TOS, 1, PASS, 0)                                                                                          \
    X(IP_TTL, 2, PASS, 0)                                                                                          \
    X(IP_HDRINCL, 3, PASS, 0)                                                                                      \
    X(IP_OPTIONS, 4, PASS, 0)                                                                                      \
    X(IP_ROUTER_ALERT, 5, PASS, 0)                                                                                 \
    X(IP_RECVOPTS, 6, PASS, 0)                                                                                     \
    X(IP_RECVRETOPTS, 7, PASS, 0)                                                                                  \
    X(IP_PKTINFO, 8, PASS, 0)                                                                                      \
    X(IP_PKTOPTIONS, 9, PASS, 0)                                                                                   \
    X(IP_MTU_DISCOVER, 10, PASS, 0)                                                                                \
    X(IP_RECVERR, 11, PASS, 0)                                                                                     \
    X(IP_RECVTTL, 12, PASS, 0)                                                                                     \
    X(IP_RECVTOS, 13, PASS, 0)                                                                                     \
    X(IP_MTU, 14, PASS, 0)                                                                                         \
    X(IP_FREEBIND, 15, PASS, 0)                                                                                    \
    X(IP_IPSEC_POLICY, 16, PASS, 0)                                                                                \
    X(IP_XFRM_POLICY, 17, PASS, 0)                                                                                 \
    X(IP_PASSSEC, 18, PASS, 0)                                                                                     \
    X(IP_TRANSPARENT, 19, PASS, 0)                                                                                 \
    X(IP_ORIGDSTADDR, 20, PASS, 0)                                                                                 \
    X(IP_MINTTL, 21, PASS, 0)                                                                                      \
    X(IP_NODEFRAG, 22, PASS, 0)                                                                                    \
    X(IP_CHECKSUM, 23, PASS, 0)                                                                                    \
    X(IP_BIND_ADDRESS_NO_PORT, 24, PASS, 0)                                                                        \
    X(IP_RECVFRAGSIZE, 25, PASS, 0)                                                                                \
    X(IP_RECVERR_RFC4884, 26, PASS, 0)                                                                             \
    X(IP_MULTICAST_IF, 32, PASS, 0)                                                                                \
    X(IP_MULTICAST_TTL, 33, PASS, 0)                                                                               \
    X(IP_MULTICAST_LOOP, 34, PASS, 0)                                                                              \
    X(IP_ADD_MEMBERSHIP, 35, PASS, 0)                                                                              \
    X(IP_DROP_MEMBERSHIP, 36, PASS, 0)                                                                             \
    X(IP_UNBLOCK_SOURCE, 37, PASS, 0)                                                                              \
    X(IP_BLOCK_SOURCE, 38, PASS, 0)                                                                                \
    X(IP_ADD_SOURCE_MEMBERSHIP, 39, PASS, 0)                                                                       \
    X(IP_DROP_SOURCE_MEMBERSHIP, 40, PASS, 0)                                                                      \
    X(IP_MSFILTER, 41, PASS, 0)                                                                                    \
    X(MCAST_JOIN_GROUP, 42, PASS, 0)                                                                               \
    X(MCAST_BLOCK_SOURCE, 43, PASS, 0)                                                                             \
    X(MCAST_UNBLOCK_SOURCE, 44, PASS, 0)                                                                           \
    X(MCAST_LEAVE_GROUP, 45, PASS, 0)                                                                              \
    X(MCAST_JOIN_SOURCE_GROUP, 46, PASS, 0)                                                                        \
    X(MCAST_LEAVE_SOURCE_GROUP, 47, PASS, 0)                                                                       \
    X(MCAST_MSFILTER, 48, PASS, 0)                                                                                 \
    X(IP_MULTICAST_ALL, 49, PASS, 0)                                                                               \
    X(IP_UNICAST_IF, 50, PASS, 0)                                                                                  \
    X(IP_LOCAL_PORT_RANGE, 51, PASS, 0)                                                                            \
    X(IP_PROTOCOL, 52, PASS, 0)                                                                                    \
    X(SO_ORIGINAL_DST, 80, PASS, 0)

/* IPPROTO_IPV6: the same. */
#define OPTIONS_IPV6(X)                                                                                            \
    X(IPV6_ADDRFORM, 1, PASS, 0)                                                                                   \
    X(IPV6_2292PKTINFO, 2, PASS, 0)                                                                                \
    X(IPV6_2292HOPOPTS, 3, PASS, 0)                                                                                \
    X(IPV6_2292DSTOPTS, 4, PASS, 0)                                                                                \
    X(IPV6_2292RTHDR, 5, PASS, 0)                                                                                  \
    X(IPV6_2292PKTOPTIONS, 6, PASS, 0)                                                                             \
    X(IPV6_CHECKSUM, 7, PASS, 0)                                                                                   \
    X(IPV6_2292HOPLIMIT, 8, PASS, 0)                                                                               \
    X(IPV6_NEXTHOP, 9, PASS, 0)                                                                                    \
    X(IPV6_AUTHHDR, 10, PASS, 0)                                                                                   \
    X(IPV6_FLOWINFO, 11, PASS, 0)                                                                                  \
    X(IPV6_UNICAST_HOPS, 16, PASS, 0)                                                                              \
    X(IPV6_MULTICAST_IF, 17, PASS, 0)                                                                              \
    X(IPV6_MULTICAST_HOPS, 18, PASS, 0)                                                                            \
    X(IPV6_MULTICAST_LOOP, 19, PASS, 0)                                                                            \
    X(IPV6_ADD_MEMBERSHIP, 20, PASS, 0)                                                                            \
    X(IPV6_DROP_MEMBERSHIP, 21, PASS, 0)                                                                           \
    X(IPV6_ROUTER_ALERT, 22, PASS, 0)                                                                              \
    X(IPV6_MTU_DISCOVER, 23, PASS, 0)                                                                              \
    X(IPV6_MTU, 24, PASS, 0)                                                                                       \
    X(IPV6_RECVERR, 25, PASS, 0)                                                                                   \
    X(IPV6_V6ONLY, 26, PASS, 0)                                                                                    \
    X(IPV6_JOIN_ANYCAST, 27, PASS, 0)                                                                              \
    X(IPV6_LEAVE_ANYCAST, 28, PASS, 0)                                                                             \
    X(IPV6_MULTICAST_ALL, 29, PASS, 0)                                                                             \
    X(IPV6_RECVERR_RFC4884, 31, PASS, 0)                                                                           \
    X(IPV6_FLOWLABEL_MGR, 32, PASS, 0)                                                                             \
    X(IPV6_IPSEC_POLICY, 34, PASS, 0)                                                                              \
    X(IPV6_XFRM_POLICY, 35, PASS, 0)                                                                               \
    X(IPV6_HDRINCL, 36, PASS, 0)                                                                                   \
    X(IPV6_RECVPKTINFO, 49, PASS, 0)                                                                               \
    X(IPV6_PKTINFO, 50, PASS, 0)                                                                                   \
    X(IPV6_RECVHOPLIMIT, 51, PASS, 0)                                                                              \
    X(IPV6_HOPLIMIT, 52, PASS, 0)                                                                                  \
    X(IPV6_RECVHOPOPTS, 53, PASS, 0)                                                                               \
    X(IPV6_HOPOPTS, 54, PASS, 0)                                                                                   \
    X(IPV6_RTHDRDSTOPTS, 55, PASS, 0)                                                                              \
    X(IPV6_RECVRTHDR, 56, PASS, 0)                                                                                 \
    X(IPV6_RTHDR, 57, PASS, 0)                                                                                     \
    X(IPV6_RECVDSTOPTS, 58, PASS, 0)                                                                               \
    X(IPV6_DSTOPTS, 59, PASS, 0)                                                                                   \
    X(IPV6_RECVPATHMTU, 60, PASS, 0)                                                                               \
    X(IPV6_PATHMTU, 61, PASS, 0)                                                                                   \
    X(IPV6_DONTFRAG, 62, PASS, 0)                                                                                  \
    X(IPV6_RECVTCLASS, 66, PASS, 0)                                                                                \
    X(IPV6_TCLASS, 67, PASS, 0)                                                                                    \
    X(IPV6_AUTOFLOWLABEL, 70, PASS, 0)                                                                             \
    X(IPV6_ADDR_PREFERENCES, 72, PASS, 0)                                                                          \
    X(IPV6_MINHOPCOUNT, 73, PASS, 0)                                                                               \
    X(IPV6_ORIGDSTADDR, 74, PASS, 0)                                                                               \
    X(IPV6_TRANSPARENT, 75, PASS, 0)                                                                               \
    X(IPV6_UNICAST_IF, 76, PASS, 0)                                                                                \
    X(IPV6_RECVFRAGSIZE, 77, PASS, 0)                                                                              \
    X(IPV6_FREEBIND, 78, PASS, 0)

#endif
