// link: -lssl -lcrypto
/*
 * A client that makes logging hard before it connects: a file size limit of zero, a root of its own that has the
 * log's path, too, or a file of its own at a descriptor number that it took without libc.
 */
#include "../lib/peer.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

static void no_file_size(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_FSIZE, &none) != 0)
        fail("setrlimit");
}

/* The log checks its path once a second: waits until the next second has begun. */
static void own_root(const char *folder)
{
    struct timespec begun;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &begun);
    do {
        (void)usleep(1000);
        (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    } while (now.tv_sec == begun.tv_sec);
    if (chroot(folder) != 0 || chdir("/") != 0)
        fail("chroot");
}

enum { FIRST = 3, LAST = 1023 };

/* Closes everything by system calls, then has a file of its own at every descriptor number. */
static void all_descriptors(const char *path)
{
    (void)syscall(SYS_close_range, FIRST, ~0U, 0);
    struct rlimit limit = {2 * LAST, 2 * LAST};
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int fd = file + 1; fd <= LAST; fd++)
        if (syscall(SYS_dup3, file, fd, 0) != fd)
            fail("dup3");
}

static int still_open(void)
{
    int count = 0;
    for (int fd = FIRST; fd <= LAST; fd++)
        count += syscall(SYS_fcntl, fd, F_GETFD) >= 0;
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: limits nothing|file-size|root|descriptors PORT PATH\n");
        return 64;
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    if (strcmp(argv[1], "descriptors") == 0)
        all_descriptors(argv[3]);
    else if (strcmp(argv[1], "root") == 0)
        own_root(argv[3]);
    else if (strcmp(argv[1], "file-size") == 0)
        no_file_size();
    (void)SSL_set_fd(ssl, peer_connect(argv[2])); /* above all those numbers */
    if (SSL_connect(ssl) != 1)
        return 2;
    char line[64];
    if (SSL_write(ssl, "limits\n", 7) != 7 || SSL_read(ssl, line, sizeof line) <= 0)
        return 3;
    (void)SSL_shutdown(ssl);
    (void)printf("version %s open %d\n", SSL_get_version(ssl), still_open());
    return 0;
}
