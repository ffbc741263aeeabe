/*
 * Records in ex_data. The ex_data callbacks also enter every object that the library creates in the object map,
 * including objects that the library creates for itself.
 *
 * A record is allocated by the library's allocator, like its object. Programs that replace this allocator
 * (CRYPTO_set_mem_functions(3)) may hand connections from process to process in shared memory; kamailio does.
 */
#include "tls/state.h"

#include <errno.h>

#include "base/mutex.h"
#include "tls/http_findings.h"
#include "tls/layer.h"
#include "tls/object_map.h"

atomic_uint tls_connections_ended;

static void object_made(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long argument, void *pointer)
{
    (void)value, (void)data, (void)index, (void)argument;
    object_map_add(parent, pointer);
}

static void *record_new(const struct libssl *lib, size_t size)
{
    return lib->CRYPTO_zalloc(size, "pfswrap", 0);
}

static void record_free(const struct libssl *lib, void *record)
{
    lib->CRYPTO_free(record, "pfswrap", 0);
}

static void connection_freed(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long argument,
                             void *pointer)
{
    (void)data, (void)index, (void)argument;
    struct tls_connection *record = value;
    object_map_remove(parent);
    tls_connection_ended();
    if (record == NULL)
        return;
    layer_forget(record);
    http_findings_end(pointer, record);
    record_free(pointer, record->protocols.list);
    record_free(pointer, record->alpn_filtered);
    record_free(pointer, record);
}

static void context_freed(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long argument, void *pointer)
{
    (void)data, (void)index, (void)argument;
    struct tls_context *record = value;
    object_map_remove(parent);
    if (record == NULL)
        return;
    record_free(pointer, record->protocols.list);
    record_free(pointer, record);
}

/* For SSL_dup(3): the new connection gets its own record when it needs one. */
static int record_not_copied(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **value, int index, long argument,
                             void *pointer)
{
    (void)to, (void)from, (void)index, (void)argument, (void)pointer;
    *value = NULL;
    return 1;
}

/*
 * Reserves an index for objects of `kind` (CRYPTO_EX_INDEX_*); `freed` is called when one of them is freed. Returns
 * -1 if there is no free index. Indexes below 24 are skipped, since some programs use indexes that they have not
 * reserved: freeradius has 10 to 17 as constants, and uses an index reserved for sessions on connections. That
 * works only while nothing else uses those indexes.
 */
static int index_new(struct libssl *lib, int kind, CRYPTO_EX_free *freed)
{
    enum { FIRST = 24 };
    int index = 0;
    while (index >= 0 && index < FIRST - 1)
        index = lib->CRYPTO_get_ex_new_index(kind, 0, NULL, NULL, NULL, NULL);
    if (index < 0)
        return -1;
    return lib->CRYPTO_get_ex_new_index(kind, 0, lib, object_made, (CRYPTO_EX_dup *)record_not_copied, freed);
}

bool tls_state_prepare(struct libssl *lib)
{
    static struct mutex mutex;
    if (__atomic_load_n(&lib->connection_index, __ATOMIC_ACQUIRE) >= 0)
        return true;
    mutex_lock(&mutex);
    if (lib->connection_index < 0) {
        if (lib->context_index < 0) /* not in a child of a fork, if its parent was here */
            lib->context_index = index_new(lib, CRYPTO_EX_INDEX_SSL_CTX, context_freed);
        int index = index_new(lib, CRYPTO_EX_INDEX_SSL, connection_freed);
        __atomic_store_n(&lib->connection_index, lib->context_index >= 0 ? index : -1, __ATOMIC_RELEASE);
    }
    mutex_unlock(&mutex);
    return lib->connection_index >= 0;
}

struct tls_context *tls_context_find(const struct libssl *lib, const SSL_CTX *context)
{
    return lib->context_index >= 0 && context != NULL ? lib->SSL_CTX_get_ex_data(context, lib->context_index)
                                                      : NULL;
}

struct tls_connection *tls_connection_find(const struct libssl *lib, const SSL *ssl)
{
    return lib->connection_index >= 0 && ssl != NULL ? lib->SSL_get_ex_data(ssl, lib->connection_index) : NULL;
}

struct tls_context *tls_context_get(struct libssl *lib, SSL_CTX *context)
{
    struct tls_context *record = tls_context_find(lib, context);
    if (record != NULL || !tls_state_prepare(lib))
        return record;
    record = record_new(lib, sizeof *record);
    if (record != NULL && lib->SSL_CTX_set_ex_data(context, lib->context_index, record) == 0) {
        record_free(lib, record);
        record = NULL;
    }
    if (record != NULL)
        record->program_cache_mode = -1;
    return record;
}

struct tls_connection *tls_connection_get(struct libssl *lib, SSL *ssl)
{
    struct tls_connection *record = tls_connection_find(lib, ssl);
    if (record != NULL || !tls_state_prepare(lib))
        return record;
    record = record_new(lib, sizeof *record);
    if (record != NULL && lib->SSL_set_ex_data(ssl, lib->connection_index, record) == 0) {
        record_free(lib, record);
        record = NULL;
    }
    return record;
}

struct tls_saved_errors tls_errors_save(const struct libssl *lib)
{
    struct tls_saved_errors saved = {.lib = lib, .error = errno};
    lib->ERR_set_mark();
    return saved;
}

void tls_errors_restore(struct tls_saved_errors saved)
{
    saved.lib->ERR_pop_to_mark();
    errno = saved.error;
}
