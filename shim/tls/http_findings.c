/*
 * The state of a connection is in memory of the library, like its record. Which findings the process has logged is
 * in a table of fixed size: the hosts are names that clients may choose. See http_findings.h.
 */
#include "tls/http_findings.h"

#include <stdio.h>
#include <string.h>

#include "audit/addresses.h"
#include "audit/builder.h"
#include "base/large.h"
#include "base/mutex.h"
#include "tls/http_response.h"

enum { HOSTS_MAX = 128, HOST_MAX = 256 };

struct host {
    char name[HOST_MAX];
    atomic_uint logged; /* bits of enum http_fault */
};

/*
 * A host is complete before it is counted, and stays. So reading needs no lock, and a child of a fork finds whole
 * hosts only.
 */
LARGE static struct host hosts[HOSTS_MAX];
static atomic_size_t host_count;
static atomic_bool is_full;
static struct mutex mutex;

atomic_bool http_findings_on;

void http_findings_begin(const struct libssl *lib, const SSL *ssl, struct tls_connection *connection)
{
    if (!connection->policy->findings.http || connection->http != NULL || connection->has_early_writes ||
        !lib->SSL_is_server(ssl) || lib->SSL_is_dtls(ssl) || (lib->SSL_is_quic != NULL && lib->SSL_is_quic(ssl)))
        return;
    connection->http = lib->CRYPTO_zalloc(sizeof *connection->http, "pfswrap", 0);
    if (connection->http != NULL && !atomic_load_explicit(&http_findings_on, memory_order_relaxed))
        atomic_store_explicit(&http_findings_on, true, memory_order_relaxed);
}

void http_findings_end(const struct libssl *lib, struct tls_connection *connection)
{
    lib->CRYPTO_free(connection->http, "pfswrap", 0);
    connection->http = NULL;
}

static struct host *host_search(const char *name)
{
    const size_t count = atomic_load_explicit(&host_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++)
        if (strcmp(hosts[i].name, name) == 0)
            return &hosts[i];
    return NULL;
}

/* Returns the host, a new one if it is not in the table; NULL: the table is full. */
static struct host *host_get(const char *name)
{
    char clean[HOST_MAX];
    (void)snprintf(clean, sizeof clean, "%s", name);
    struct host *host = host_search(clean);
    if (host != NULL)
        return host;
    mutex_lock(&mutex);
    host = host_search(clean);
    const size_t count = atomic_load_explicit(&host_count, memory_order_relaxed);
    if (host == NULL && count < HOSTS_MAX) {
        host = &hosts[count];
        memcpy(host->name, clean, sizeof clean);
        atomic_store_explicit(&host_count, count + 1, memory_order_release);
    }
    mutex_unlock(&mutex);
    return host;
}

static void report(const char *local, const char *name, const char *kind, const char *reason, const char *detail)
{
    const struct audit_field fields[] = {
        AUDIT_S("role", "server"),    AUDIT_S("local", audit_optional(local)),
        AUDIT_S("server_name", name), AUDIT_S("kind", kind),
        AUDIT_S("reason", reason),    AUDIT_S("detail", audit_optional(detail)),
        AUDIT_S("rule", "http"),
    };
    audit_event("finding", fields, sizeof fields / sizeof fields[0]);
}

struct where {
    const struct libssl *lib;
    SSL *ssl;
};

/* As http_fault_found. Without a name (SNI), the address is the host. */
static void found(void *context, enum http_fault fault, const char *detail)
{
    const struct where *const where = context;
    struct audit_addresses addresses = {{0}, {0}};
    const char *const name = where->lib->SSL_get_servername(where->ssl, TLSEXT_NAMETYPE_host_name);
    if (audit_optional(name) == NULL)
        audit_addresses_read(&addresses, where->lib->SSL_get_rfd(where->ssl));
    struct host *const host = host_get(audit_optional(name) != NULL ? name : addresses.local);
    if (host == NULL) {
        if (!atomic_exchange(&is_full, true))
            report(NULL, NULL, "hosts-full",
                   "128 hosts have findings; those of more hosts are not logged by this process", NULL);
        return;
    }
    if ((atomic_fetch_or(&host->logged, 1U << fault) >> fault & 1) == 0)
        report(addresses.local, audit_optional(name), http_fault_ids[fault], http_fault_words[fault], detail);
}

void http_findings_add(const struct libssl *lib, SSL *ssl, const void *bytes, size_t length)
{
    const struct tls_connection *const connection = tls_connection_find(lib, ssl);
    if (connection == NULL || connection->http == NULL || connection->http->state == HTTP_LOST)
        return;
    const struct tls_saved_errors saved = tls_errors_save(lib);
    struct where where = {lib, ssl};
    if (bytes != NULL)
        http_response_read(connection->http, bytes, length, found, &where);
    else
        http_response_skip(connection->http, length);
    tls_errors_restore(saved);
}
