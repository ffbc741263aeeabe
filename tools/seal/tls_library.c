/*
 * Loads libssl. Its functions and those of libcrypto, which it needs, are found by dlsym(3). See tls_library.h.
 */
#include "tls_library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct tls_library library;

/* A pointer to a function from one to an object, which ISO C does not convert. */
static bool find(void *handle, const char *name, void *function)
{
    void *const found = dlsym(handle, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

static const char *find_all(void *handle)
{
#define X(type, name, arguments)                                                                                   \
    if (!find(handle, #name, &library.name))                                                                       \
        return #name;
    TLS_FUNCTIONS(X)
#undef X
    if (!find(handle, "SSL_get1_peer_certificate", &library.get_peer_certificate) &&
        !find(handle, "SSL_get_peer_certificate", &library.get_peer_certificate))
        return "SSL_get1_peer_certificate";
    return NULL;
}

const struct tls_library *tls_library(char *problem, size_t size)
{
    static const char *const names[] = {"libssl.so.3", "libssl.so.1.1"};
    static bool loaded;
    void *handle = NULL;
    if (loaded)
        return &library;
    for (size_t i = 0; handle == NULL && i < sizeof names / sizeof names[0]; i++)
        handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        (void)snprintf(problem, size, "TLS needs OpenSSL, expected libssl.so.3 or libssl.so.1.1 in this system: %s",
                       dlerror());
        return NULL;
    }
    const char *const missing = find_all(handle);
    loaded = missing == NULL;
    if (loaded)
        return &library;
    (void)snprintf(problem, size, "this system's OpenSSL has no %s", missing);
    return NULL;
}
