// link: -ldl
/*
 * A program that is not linked with libssl: it loads one by name with RTLD_LOCAL and finds each function with dlsym
 * or dlvsym, as plug-ins and runtimes do. Client or server, TLS 1.2 at most. It uses no header of libssl.
 */
#include "../lib/peer.h"

#include <dlfcn.h>
#include <stdint.h>

enum {
    CTRL_SET_MAX_PROTO_VERSION = 124,
    TLS1_2 = 0x0303,
    FILETYPE_PEM = 1
}; /* the same in every libssl since 1.1.0 */

static void *library;
static const char *symbol_version; /* NULL: by dlsym; otherwise by dlvsym with this version */

static void *find(const char *name)
{
    void *found = symbol_version != NULL ? dlvsym(library, name, symbol_version) : dlsym(library, name);
    if (found == NULL) {
        (void)fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return found;
}

/* A function pointer from an object pointer, as POSIX allows it for what dlsym returns. */
#define CALL(result, name, ...) ((result(*)(__VA_ARGS__))(uintptr_t)find(#name))

static void *make_context(int server, char **argv)
{
    const void *method = server ? CALL(const void *, TLS_server_method, void)() //
                                : CALL(const void *, TLS_client_method, void)();
    void *ctx = CALL(void *, SSL_CTX_new, const void *)(method);
    if (ctx == NULL)
        fail("SSL_CTX_new");
    (void)CALL(long, SSL_CTX_ctrl, void *, int, long, void *)(ctx, CTRL_SET_MAX_PROTO_VERSION, TLS1_2, NULL);
    (void)CALL(int, SSL_CTX_set_cipher_list, void *, const char *)(ctx, "ALL:@SECLEVEL=0");
    if (server &&
        (CALL(int, SSL_CTX_use_certificate_chain_file, void *, const char *)(ctx, argv[5]) != 1 ||
         CALL(int, SSL_CTX_use_PrivateKey_file, void *, const char *, int)(ctx, argv[6], FILETYPE_PEM) != 1))
        fail("certificate");
    return ctx;
}

static int talk(void *ctx, int fd, int server)
{
    static const char words[] = "dlopen client\n";
    char line[512];
    void *ssl = CALL(void *, SSL_new, void *)(ctx);
    (void)CALL(int, SSL_set_fd, void *, int)(ssl, fd);
    int done = server ? CALL(int, SSL_accept, void *)(ssl) : CALL(int, SSL_connect, void *)(ssl);
    if (done == 1) {
        if (!server)
            (void)CALL(int, SSL_write, void *, const void *, int)(ssl, words, (int)sizeof words - 1);
        int got = CALL(int, SSL_read, void *, void *, int)(ssl, line, (int)sizeof line);
        if (got > 0 && server)
            (void)CALL(int, SSL_write, void *, const void *, int)(ssl, line, got);
        (void)printf("version %s\n", CALL(const char *, SSL_get_version, const void *)(ssl));
        if (got > 0 && !server)
            (void)printf("received %.*s", got, line);
        (void)fflush(stdout);
        (void)CALL(int, SSL_shutdown, void *)(ssl);
    }
    CALL(void, SSL_free, void *)(ssl);
    (void)close(fd);
    return done == 1 ? 0 : 2;
}

static void *load(const char *name)
{
    void *loaded = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (loaded == NULL) {
        (void)fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return loaded;
}

/* One connection with each library in turn, and a second one. */
static int run_clients(char **argv)
{
    enum { LIBRARIES_MAX = 4 };
    void *libraries[LIBRARIES_MAX] = {NULL};
    void *contexts[LIBRARIES_MAX] = {NULL};
    int count = 0;
    int result = 0;
    char *rest = NULL;
    for (char *name = strtok_r(argv[1], ",", &rest); name != NULL && count < LIBRARIES_MAX;
         name = strtok_r(NULL, ",", &rest))
        libraries[count++] = load(name);
    for (int i = 0; i < count; i++) {
        library = libraries[i];
        contexts[i] = make_context(0, argv);
    }
    for (int i = 0; i < (count > 1 ? 2 * count : 1); i++) {
        library = libraries[i % count];
        result |= talk(contexts[i % count], peer_connect(argv[4]), 0);
    }
    return result;
}

int main(int argc, char **argv)
{
    int server = argc == 7 && strcmp(argv[3], "server") == 0;
    if (!server && argc != 5) {
        (void)fprintf(stderr, "usage: by_dlopen LIBRARY dlsym|VERSION client PORT | ... server PORT CERT KEY\n");
        return 64;
    }
    if (strcmp(argv[2], "dlsym") != 0)
        symbol_version = argv[2];
    if (!server)
        return run_clients(argv);
    library = load(argv[1]);
    void *ctx = make_context(1, argv);
    int listener = peer_listen(argv[4]);
    for (;;)
        (void)talk(ctx, accept(listener, NULL, NULL), 1);
}
