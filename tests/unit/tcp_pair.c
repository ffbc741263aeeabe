/* See tcp_pair.h. */
#include "tcp_pair.h"

#include <check.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct tcp_pair tcp_pair_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    struct tcp_pair pair = {.here = socket(AF_INET, SOCK_STREAM, 0)};
    ck_assert_int_eq(connect(pair.here, (struct sockaddr *)&address, length), 0);
    pair.there = accept(listener, NULL, NULL);
    ck_assert_int_ge(pair.there, 0);
    ck_assert_int_eq(close(listener), 0);
    return pair;
}
