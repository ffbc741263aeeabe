/*
 * Calls one function of libc that opens a TCP connection by itself, or that writes to one: libc_streams FUNCTION
 * PORT. The functions of SunRPC are called as a program does that was built before glibc 2.32. Sends "SECRET" where
 * the function sends the program's words. Exits with 0 if the function succeeds, else with 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <rpc/netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/interposed.h"

/* The beginning of what rpc(3) calls CLIENT. */
struct client {
    void *authentication;
    const struct {
        int (*call)(struct client *, unsigned long, int (*)(void), void *, int (*)(void), void *, struct timeval);
    } * operations;
};

#define OLD(type, name, ...)                                                                                       \
    extern type old_##name(__VA_ARGS__);                                                                           \
    __asm__(".symver old_" #name "," #name "@" PFSWRAP_COMPAT_VERSION)

OLD(struct client *, clnttcp_create, struct sockaddr_in *, unsigned long, unsigned long, int *, unsigned, unsigned);
OLD(struct client *, clnt_create, const char *, unsigned long, unsigned long, const char *);
OLD(void *, pmap_getmaps, struct sockaddr_in *);
OLD(unsigned short, pmap_getport, struct sockaddr_in *, unsigned long, unsigned long, unsigned);
OLD(int, getrpcport, const char *, unsigned long, unsigned long, unsigned);
OLD(int, rtime, struct sockaddr_in *, void *, void *);
OLD(void *, svctcp_create, int, unsigned, unsigned);
OLD(void *, svcfd_create, int, unsigned, unsigned);
OLD(void, svc_getreq_common, int);
OLD(char *, clnt_spcreateerror, const char *);
OLD(int, xdr_wrapstring, void);
OLD(int, xdr_void, void);

enum { PROGRAM = 100005, VERSION = 3 };

/* Sends the secret as an argument. Nobody answers: the result does not matter. */
static int call(struct client *client)
{
    char text[] = "SECRET", *secret = text;
    const struct timeval no_time = {0};
    if (client == NULL) {
        puts(old_clnt_spcreateerror("client"));
        return 1;
    }
    (void)client->operations->call(client, 1, old_xdr_wrapstring, &secret, old_xdr_void, NULL, no_time);
    return 0;
}

static int connected(const struct sockaddr_in *address)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return fd;
    perror("connect");
    exit(2);
}

/* A server on a connection that the program has accepted: it reads a call, and answers that there is no such
 * program. */
static int serve(const struct sockaddr_in *address)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    any.sin_port = address->sin_port;
    const int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&any, sizeof any) != 0 || listen(listener, 1) != 0)
        exit(2);
    const int fd = accept(listener, NULL, NULL);
    (void)close(listener);
    if (fd < 0 || old_svcfd_create(fd, 0, 0) == NULL)
        return 1;
    old_svc_getreq_common(fd);
    return 0;
}

static int is_null(const void *result)
{
    return result == NULL;
}

int main(int argc, char **argv)
{
    const char *const name = argc > 2 ? argv[1] : "";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char loopback[] = "127.0.0.1", *host = loopback;
    int fd = -1;
    char time[8];
    address.sin_port = htons((uint16_t)atoi(argc > 2 ? argv[2] : "0"));
    if (strcmp(name, "clnttcp_create") == 0)
        return call(old_clnttcp_create(&address, PROGRAM, VERSION, &fd, 0, 0));
    if (strcmp(name, "clnttcp_create on a connection") == 0) {
        fd = connected(&address);
        return call(old_clnttcp_create(&address, PROGRAM, VERSION, &fd, 0, 0));
    }
    if (strcmp(name, "svcfd_create") == 0)
        return serve(&address);
    if (strcmp(name, "clnt_create") == 0)
        return call(old_clnt_create(host, PROGRAM, VERSION, "tcp"));
    if (strcmp(name, "pmap_getmaps") == 0)
        return is_null(old_pmap_getmaps(&address));
    if (strcmp(name, "pmap_getport") == 0)
        return old_pmap_getport(&address, PROGRAM, VERSION, IPPROTO_TCP) == 0;
    if (strcmp(name, "getrpcport") == 0)
        return old_getrpcport(host, PROGRAM, VERSION, IPPROTO_TCP) == 0;
    if (strcmp(name, "rtime") == 0)
        return old_rtime(&address, time, NULL) != 0;
    if (strcmp(name, "svctcp_create") == 0)
        return is_null(old_svctcp_create(-1, 0, 0));
    if (strcmp(name, "rcmd") == 0)
        return rcmd(&host, address.sin_port, "here", "there", "SECRET", NULL) < 0;
    if (strcmp(name, "rcmd_af") == 0)
        return rcmd_af(&host, address.sin_port, "here", "there", "SECRET", NULL, AF_INET) < 0;
    if (strcmp(name, "rexec") == 0)
        return rexec(&host, address.sin_port, "user", "SECRET", "command", NULL) < 0;
    if (strcmp(name, "rexec_af") == 0)
        return rexec_af(&host, address.sin_port, "user", "SECRET", "command", NULL, AF_INET) < 0;
    fprintf(stderr, "expected libc_streams FUNCTION PORT\n");
    return 2;
}
