/*
 * Key logging (SSL_CTX_set_keylog_callback(3)). libssl would pass all secrets to the program's callback, so it
 * never gets the callback. The program can read it back.
 */
#include "config/init.h"
#include "config/override.h"
#include "base/interposed.h"
#include "tls/state.h"

PFSWRAP_EXPORT void SSL_CTX_set_keylog_callback(SSL_CTX *context, SSL_CTX_keylog_cb_func callback)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return;
    if (callback != NULL)
        override_report("key-log", "callback", "none");
    struct tls_context *record = tls_context_find(lib, context);
    if (!pfswrap_enforces())
        lib->SSL_CTX_set_keylog_callback(context, callback);
    else if (record != NULL)
        record->program_keylog = callback;
}

PFSWRAP_EXPORT SSL_CTX_keylog_cb_func SSL_CTX_get_keylog_callback(const SSL_CTX *context)
{
    const struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return NULL;
    const struct tls_context *record = tls_context_find(lib, context);
    if (!pfswrap_enforces() || record == NULL)
        return lib->SSL_CTX_get_keylog_callback(context);
    return record->program_keylog;
}
