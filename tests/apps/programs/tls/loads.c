// link: -ldl
/*
 * A program that is not linked with libssl, and reaches it by the dynamic loader: through a plug-in, through a
 * plug- in's plug-in, in two versions at once, or not at all.
 */
#include "../lib/peer.h"

#include <dlfcn.h>
#include <stdint.h>

enum { CTRL_SET_MAX_PROTO_VERSION = 124, TLS1_2 = 0x0303 };

static void *found_or_fail(void *found)
{
    if (found == NULL) {
        (void)fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return found;
}

#define CALL(handle, result, name, ...) ((result(*)(__VA_ARGS__))(uintptr_t)found_or_fail(dlsym(handle, #name)))

static int connect_by_plugin(void *plugin, const char *port)
{
    return CALL(plugin, int, plugin_connect, const char *)(port);
}

/* deepbind PLUGIN PORT; local PLUGIN PORT */
static int plugin(char **argv)
{
    int mode = RTLD_NOW | RTLD_LOCAL | (strcmp(argv[1], "deepbind") == 0 ? RTLD_DEEPBIND : 0);
    void *handle = found_or_fail(dlopen(argv[2], mode));
    int result = connect_by_plugin(handle, argv[3]);
    return dlclose(handle) == 0 ? result : 1;
}

/* runpath OPENER NAME PORT: the program itself cannot find NAME, the opener can. */
static int runpath(char **argv)
{
    void *own = dlopen(argv[3], RTLD_NOW);
    (void)printf("found by the program %d\n", own != NULL);
    if (own != NULL)
        (void)dlclose(own);
    void *opener = found_or_fail(dlopen(argv[2], RTLD_NOW | RTLD_LOCAL));
    void *(*open_plugin)(const char *, int) = CALL(opener, void *, plugin_open, const char *, int);
    return connect_by_plugin(found_or_fail(open_plugin(argv[3], RTLD_NOW | RTLD_LOCAL)), argv[4]);
}

/* absent: what a program without libssl learns about it, and about a function that exists. */
static int absent(char **argv)
{
    (void)argv;
    (void)dlerror();
    void *found = dlsym(RTLD_DEFAULT, "SSL_CTX_new");
    const char *error = dlerror();
    (void)printf("SSL_CTX_new %d error %d\n", found != NULL, error != NULL);
    (void)printf("SSL_CTX_new next %d\n", dlsym(RTLD_NEXT, "SSL_CTX_new") != NULL);
    (void)printf("close %d\n", dlsym(RTLD_DEFAULT, "close") != NULL);
    return 0;
}

static void *make_context(void *library)
{
    const void *method = CALL(library, const void *, TLS_client_method, void)();
    void *ctx = CALL(library, void *, SSL_CTX_new, const void *)(method);
    (void)CALL(library, long, SSL_CTX_ctrl, void *, int, long, void *)(ctx, CTRL_SET_MAX_PROTO_VERSION, TLS1_2,
                                                                       NULL);
    return ctx;
}

/* two LIBRARY LIBRARY PORT: objects of both exist side by side, and are used in turn. */
static int two(char **argv)
{
    void *libraries[2];
    void *contexts[2];
    void *connections[2][2];
    for (int i = 0; i < 2; i++)
        libraries[i] = found_or_fail(dlopen(argv[2 + i], RTLD_NOW | RTLD_LOCAL));
    for (int i = 0; i < 2; i++)
        contexts[i] = make_context(libraries[i]);
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < 2; i++)
            connections[i][turn] = CALL(libraries[i], void *, SSL_new, void *)(contexts[i]);
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < 2; i++) {
            void *ssl = connections[i][turn];
            int fd = peer_connect(argv[4]);
            (void)CALL(libraries[i], int, SSL_set_fd, void *, int)(ssl, fd);
            int done = CALL(libraries[i], int, SSL_connect, void *)(ssl);
            char byte = 0;
            int wrote = CALL(libraries[i], int, SSL_write, void *, const void *, int)(ssl, "x", 1);
            int got = CALL(libraries[i], int, SSL_read, void *, void *, int)(ssl, &byte, 1);
            (void)printf("library %d connect %d version %s data %d\n", i, done,
                         CALL(libraries[i], const char *, SSL_get_version, const void *)(ssl),
                         wrote == 1 && got == 1);
            CALL(libraries[i], void, SSL_free, void *)(ssl);
            (void)close(fd);
        }
    return 0;
}

static const struct mode {
    const char *name;
    int (*run)(char **argv);
    int arguments;
} modes[] = {
    {"deepbind", plugin, 2}, {"local", plugin, 2}, {"runpath", runpath, 3}, {"absent", absent, 0}, {"two", two, 3}};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc >= 2 && i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(argv[1], modes[i].name) == 0 && argc == 2 + modes[i].arguments)
            return modes[i].run(argv);
    (void)fprintf(stderr, "usage: loads MODE ARGUMENT..., see the source\n");
    return 64;
}
