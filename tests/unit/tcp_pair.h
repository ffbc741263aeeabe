/*
 * A TCP connection over the loopback, for unit tests.
 */
#ifndef PFSWRAP_TESTS_TCP_PAIR_H
#define PFSWRAP_TESTS_TCP_PAIR_H

struct tcp_pair {
    int here, there;
};

struct tcp_pair tcp_pair_connect(void);

#endif
