/*
 * Finds the libssl libraries of the process and their functions. An object is recognised by the symbols it defines,
 * never by its file name. A library stays registered, since libssl pins itself in memory. Registration takes no
 * lock: if two threads register the same library at the same time, one of their tables is dropped.
 */
#include "tls/libssl.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/elf.h"
#include "config/init.h"
#include "tls/object_map.h"

static _Atomic(struct libssl *) registered[LIBSSL_MAX];
static atomic_int registered_count;

/* The names, in one constant without pointers: a pointer would have to be relocated in every process. */
static const struct names {
#define X(call) char call[sizeof #call];
    LIBSSL_REQUIRED(X)
    LIBSSL_OPTIONAL(X)
    LIBCRYPTO_REQUIRED(X)
    LIBCRYPTO_OPTIONAL(X)
#undef X
#define X(name, version, kind)                                                                                     \
    char name##_method[sizeof #name "_method"];                                                                    \
    char name##_client_method[sizeof #name "_client_method"];                                                      \
    char name##_server_method[sizeof #name "_server_method"];
    LIBSSL_FIXED_METHODS(X)
#undef X
} names = {
#define X(call) #call,
    LIBSSL_REQUIRED(X) LIBSSL_OPTIONAL(X) LIBCRYPTO_REQUIRED(X) LIBCRYPTO_OPTIONAL(X)
#undef X
#define X(name, version, kind) #name "_method", #name "_client_method", #name "_server_method",
        LIBSSL_FIXED_METHODS(X)
#undef X
};

static const struct symbol {
    uint16_t name;   /* in names */
    uint16_t offset; /* of the pointer in struct libssl */
    bool required;
    bool in_crypto;
} symbols[] = {
#define X(call) {offsetof(struct names, call), offsetof(struct libssl, call), true, false},
    LIBSSL_REQUIRED(X)
#undef X
#define X(call) {offsetof(struct names, call), offsetof(struct libssl, call), false, false},
        LIBSSL_OPTIONAL(X)
#undef X
#define X(call) {offsetof(struct names, call), offsetof(struct libssl, call), true, true},
            LIBCRYPTO_REQUIRED(X)
#undef X
#define X(call) {offsetof(struct names, call), offsetof(struct libssl, call), false, true},
                LIBCRYPTO_OPTIONAL(X)
#undef X
};

static const struct fixed_method {
    uint16_t name;     /* in names */
    uint16_t flexible; /* offset in struct libssl of the function that returns the flexible method */
    int version;
} fixed_methods[] = {
#define X(name, version, kind)                                                                                     \
    {offsetof(struct names, name##_method), offsetof(struct libssl, kind##_method), version},                      \
        {offsetof(struct names, name##_client_method), offsetof(struct libssl, kind##_client_method), version},    \
        {offsetof(struct names, name##_server_method), offsetof(struct libssl, kind##_server_method), version},
    LIBSSL_FIXED_METHODS(X)
#undef X
};
_Static_assert(sizeof fixed_methods / sizeof fixed_methods[0] == LIBSSL_METHODS, "one row for each method");

static const char *name_at(size_t offset)
{
    return (const char *)&names + offset;
}

static bool is_shim(const struct elf_object *object)
{
    uintptr_t here = (uintptr_t)&registered_count;
    return here >= object->first && here < object->last;
}

/* Another preloaded object may define some of libssl's functions. Every libssl also has functions for methods. */
static bool looks_like_libssl(const struct elf_object *object)
{
    return !is_shim(object) && elf_symbol(object, "SSL_CTX_new") != NULL &&
           (elf_symbol(object, "TLS_client_method") != NULL || elf_symbol(object, "SSLv23_client_method") != NULL);
}

struct crypto_search {
    const struct elf_object *libssl;
    struct elf_object found;
};

static bool is_its_libcrypto(const struct elf_object *object, void *argument)
{
    struct crypto_search *search = argument;
    if (object->soname == NULL || !elf_needs(search->libssl, object->soname) ||
        elf_symbol(object, "CRYPTO_get_ex_new_index") == NULL)
        return false;
    search->found = *object;
    return true;
}

static void table_fill(struct libssl *lib, const struct elf_object *libssl, const struct elf_object *libcrypto)
{
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        const char *name = name_at(symbols[i].name);
        void *address = elf_symbol(symbols[i].in_crypto ? libcrypto : libssl, name);
        if (address == NULL && symbols[i].required && lib->missing == NULL)
            lib->missing = name;
        memcpy((char *)lib + symbols[i].offset, &address, sizeof address);
    }
    /* Functions with different names in different versions. */
    if (lib->EVP_PKEY_get_id == NULL)
        lib->EVP_PKEY_get_id = lib->EVP_PKEY_id;
    if (lib->EVP_PKEY_get_bits == NULL)
        lib->EVP_PKEY_get_bits = lib->EVP_PKEY_bits;
    if (lib->SSL_get1_peer_certificate == NULL)
        lib->SSL_get1_peer_certificate = lib->SSL_get_peer_certificate;
    if (lib->missing == NULL && lib->EVP_PKEY_get_id == NULL)
        lib->missing = "EVP_PKEY_get_id";
    if (lib->missing == NULL && lib->SSL_get1_peer_certificate == NULL)
        lib->missing = "SSL_get1_peer_certificate";
    if (lib->missing == NULL && lib->ERR_put_error == NULL && lib->ERR_set_error == NULL)
        lib->missing = "ERR_set_error";
}

typedef const SSL_METHOD *method_function(void);

static void methods_fill(struct libssl *lib, const struct elf_object *libssl)
{
    for (size_t i = 0; i < LIBSSL_METHODS; i++) {
        method_function *fixed = (method_function *)elf_symbol(libssl, name_at(fixed_methods[i].name));
        method_function *flexible;
        memcpy(&flexible, (char *)lib + fixed_methods[i].flexible, sizeof flexible);
        lib->methods[i] = (struct libssl_method){
            .fixed = fixed != NULL ? fixed() : NULL,
            .flexible = flexible(),
            .version = fixed_methods[i].version,
        };
    }
}

static struct libssl *library_describe(const struct elf_object *object)
{
    struct libssl *lib = mmap(NULL, sizeof *lib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (lib == MAP_FAILED)
        return NULL;
    struct crypto_search crypto = {.libssl = object, .found = *object};
    if (elf_symbol(object, "CRYPTO_get_ex_new_index") == NULL)
        elf_each(is_its_libcrypto, &crypto);
    bool executable = object->order == 0;
    lib->name = executable ? "the program itself" : object->name;
    lib->soname = object->soname;
    lib->is_library = !executable;
    lib->first = object->first;
    lib->last = object->last;
    lib->crypto_first = crypto.found.first;
    lib->crypto_last = crypto.found.last;
    lib->context_index = -1;
    lib->connection_index = -1;
    table_fill(lib, object, &crypto.found);
    if (lib->missing == NULL)
        methods_fill(lib, object);
    return lib;
}

/* Publishes `lib`, or frees it if another thread has registered the library. */
static void library_register(struct libssl *lib)
{
    for (int i = 0; i < LIBSSL_MAX; i++) {
        struct libssl *other = NULL;
        lib->index = i;
        if (atomic_compare_exchange_strong(&registered[i], &other, lib)) {
            atomic_fetch_add(&registered_count, 1);
            return;
        }
        if (other->first == lib->first)
            break;
    }
    munmap(lib, sizeof *lib);
}

static bool is_registered(const struct elf_object *object)
{
    for (int i = 0; i < LIBSSL_MAX; i++) {
        const struct libssl *lib = atomic_load(&registered[i]);
        if (lib != NULL && lib->first == object->first)
            return true;
    }
    return false;
}

static bool register_object(const struct elf_object *object, void *argument)
{
    (void)argument;
    if (looks_like_libssl(object) && !is_registered(object)) {
        struct libssl *lib = library_describe(object);
        if (lib != NULL)
            library_register(lib);
    }
    return false;
}

static void register_all(void)
{
    elf_each(register_object, NULL);
}

static struct libssl *registered_containing(const void *address, bool with_crypto)
{
    uintptr_t at = (uintptr_t)address;
    for (int i = 0; i < LIBSSL_MAX; i++) {
        struct libssl *lib = atomic_load_explicit(&registered[i], memory_order_acquire);
        if (lib == NULL)
            return NULL;
        if ((at >= lib->first && at < lib->last) ||
            (with_crypto && at >= lib->crypto_first && at < lib->crypto_last))
            return lib;
    }
    return NULL;
}

struct libssl *libssl_containing(const void *address)
{
    return registered_containing(address, true);
}

struct libssl *libssl_of_method(const SSL_METHOD *method, const void *caller)
{
    if (method == NULL)
        return libssl_of_caller(caller);
    struct libssl *lib = registered_containing(method, false);
    if (lib == NULL) {
        register_all();
        lib = registered_containing(method, false);
    }
    return lib != NULL ? lib : libssl_of_caller(caller);
}

static struct libssl *libssl_of_object(const void *object, const void *caller)
{
    int count = atomic_load_explicit(&registered_count, memory_order_acquire);
    if (__builtin_expect(count == 1, 1))
        return atomic_load_explicit(&registered[0], memory_order_acquire);
    if (count == 0)
        return libssl_of_caller(caller);
    /*
     * A library that calls its own functions passes its own objects, which are not in the map while it creates
     * them.
     */
    struct libssl *inside = registered_containing(caller, false);
    return inside != NULL && inside->is_library ? inside : atomic_load(&registered[object_map_index(object)]);
}

struct libssl *libssl_of_context(const SSL_CTX *context, const void *caller)
{
    return libssl_of_object(context, caller);
}

struct libssl *libssl_of_connection(const SSL *connection, const void *caller)
{
    return libssl_of_object(connection, caller);
}

struct needs_search {
    const struct elf_object *from;
    struct libssl *found;
    int depth;
};

static bool needed_leads_to_libssl(const struct elf_object *object, void *argument);

/* The registered libssl that `object` needs, directly or through at most `depth` other objects; or NULL. */
static struct libssl *libssl_needed_by(const struct elf_object *object, int depth)
{
    for (int i = 0; i < LIBSSL_MAX; i++) {
        struct libssl *lib = atomic_load(&registered[i]);
        if (lib != NULL && lib->soname != NULL && elf_needs(object, lib->soname))
            return lib;
    }
    struct needs_search search = {.from = object, .depth = depth - 1};
    if (depth > 0)
        elf_each(needed_leads_to_libssl, &search);
    return search.found;
}

static bool needed_leads_to_libssl(const struct elf_object *object, void *argument)
{
    struct needs_search *search = argument;
    if (object->soname == NULL || !elf_needs(search->from, object->soname))
        return false;
    search->found = libssl_needed_by(object, search->depth);
    return search->found != NULL;
}

struct libssl *libssl_of_caller(const void *caller)
{
    enum { NEEDS_DEPTH = 3 };
    register_all();
    struct libssl *first = atomic_load(&registered[0]);
    if (atomic_load(&registered_count) <= 1)
        return first;
    struct libssl *lib = registered_containing(caller, false);
    struct elf_object object;
    if (lib == NULL && elf_object_of(caller, &object))
        lib = libssl_needed_by(&object, NEEDS_DEPTH);
    return lib != NULL ? lib : first;
}

static bool visit_looks_like_libssl(const struct elf_object *object, void *argument)
{
    (void)argument;
    return looks_like_libssl(object);
}

bool libssl_is_loaded(void)
{
    return elf_each(visit_looks_like_libssl, NULL);
}

bool libssl_defines(const void *function)
{
    struct elf_object object;
    return elf_object_of(function, &object) && looks_like_libssl(&object);
}

bool libssl_is_in_executable(void)
{
    for (int i = 0; i < LIBSSL_MAX; i++) {
        const struct libssl *lib = atomic_load(&registered[i]);
        if (lib != NULL && !lib->is_library)
            return true;
    }
    return false;
}

void libssl_require_supported(void)
{
    register_all();
    for (int i = 0; i < LIBSSL_MAX; i++) {
        const struct libssl *lib = atomic_load(&registered[i]);
        if (lib == NULL || lib->missing == NULL || lib->soname == NULL || strncmp(lib->soname, "libssl.", 7) != 0)
            continue;
        char message[512];
        (void)snprintf(message, sizeof message, "%.300s lacks %s, expected OpenSSL 1.1.1 or 3.x", lib->name,
                       lib->missing);
        pfswrap_die(message);
    }
}

/*
 * Not an executable that contains libssl: its calls are not interposed, so nothing in this module reports them.
 */
static bool reporter_covers(const void *caller)
{
    const struct libssl *lib = libssl_containing(caller);
    return lib != NULL && lib->is_library;
}

const struct handshake_reporter libssl_reporter = {.covers = reporter_covers};
