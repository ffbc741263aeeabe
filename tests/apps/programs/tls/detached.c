// link: -lssl -lcrypto
/*
 * A client that behaves like a daemon before it connects: it closes every descriptor, opens files of its own, which
 * get the free numbers, changes its root and drops its privileges. Its files must hold only what it writes to them.
 */
#include "../lib/peer.h"

#include <fcntl.h>
#include <grp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

enum { FILES = 20, NOBODY = 65534 };

static void write_all(const int *files, const char *text)
{
    for (int i = 0; i < FILES; i++)
        if (write(files[i], text, strlen(text)) != (ssize_t)strlen(text))
            fail("write");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: detached close|close_range|closefrom PORT FOLDER\n");
        return 64;
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL)
        return 1;
    if (strcmp(argv[1], "close_range") == 0)
        (void)close_range(3, ~0U, 0);
    else if (strcmp(argv[1], "closefrom") == 0)
        closefrom(3);
    else
        for (int fd = 3; fd < 4096; fd++)
            (void)close(fd);
    int files[FILES];
    for (int i = 0; i < FILES; i++) {
        char name[4096];
        (void)snprintf(name, sizeof name, "%s/own-%d", argv[3], i);
        files[i] = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (files[i] < 0)
            fail("open");
    }
    if (files[0] != 3)
        (void)printf("first descriptor %d\n", files[0]);
    write_all(files, "mine\n");
    if (chroot(argv[3]) != 0 || chdir("/") != 0 || setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 ||
        setuid(NOBODY) != 0)
        fail("chroot");
    SSL *ssl = SSL_new(ctx);
    (void)SSL_set_fd(ssl, peer_connect(argv[2]));
    if (SSL_connect(ssl) != 1) {
        ERR_print_errors_fp(stderr);
        return 2;
    }
    char line[64];
    if (SSL_write(ssl, "detached\n", 9) != 9 || SSL_read(ssl, line, sizeof line) <= 0)
        return 3;
    (void)SSL_shutdown(ssl);
    write_all(files, "mine\n");
    (void)printf("version %s\n", SSL_get_version(ssl));
    return 0;
}
