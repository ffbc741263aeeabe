/* quiet_write: what a datagram socket does not take goes through a sealed memfd. */
#include "../suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit/quiet_write.h"

START_TEST(an_entry_larger_than_the_buffer_of_the_socket_is_sent_as_a_sealed_file)
{
    enum { SIZE = 12000, SMALL = 1 };
    static char bytes[SIZE], received[SIZE + 1];
    int ends[2];
    struct stat status;
    bool torn = false;
    memset(bytes, 'x', sizeof bytes);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
    ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &(int){SMALL}, sizeof(int)), 0);
    struct text text = {0};
    text_add(&text, bytes, sizeof bytes);
    ck_assert_int_eq(fstat(ends[0], &status), 0);
    ck_assert_int_eq(write_quietly(ends[0], &status, &text, &torn), -EMSGSIZE);
    ck_assert(!torn);
    ck_assert_int_eq(send_as_memfd(ends[0], &text), 0);

    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof control.bytes};
    ck_assert_int_eq(recvmsg(ends[1], &message, 0), 0);
    ck_assert_int_eq(control.header.cmsg_type, SCM_RIGHTS);
    int file;
    memcpy(&file, CMSG_DATA(&control.header), sizeof file);
    ck_assert_int_eq(fcntl(file, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    ck_assert_int_eq(pread(file, received, sizeof received, 0), SIZE);
    ck_assert_mem_eq(received, bytes, SIZE);
    close(file);
    close(ends[1]);
    ck_assert_int_eq(send_as_memfd(ends[0], &text), -ECONNREFUSED);
    close(ends[0]);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("quiet_write");
    tcase_add_test(cases, an_entry_larger_than_the_buffer_of_the_socket_is_sent_as_a_sealed_file);
    return run_suite(cases, "quiet_write");
}
