/*
 * The library first checks the program's string, and returns its errors and error positions. Then the same string
 * is set with the policy's restrictions appended.
 */
#include "gnutls/priority.h"

#include <stdatomic.h>

#include "config/init.h"
#include "gnutls/restrict.h"
#include "gnutls/session.h"
#include "base/interposed.h"

static int priority_init(const struct gnutls *lib, gnutls_priority_t *priority, const char *string,
                         const char **error, unsigned flags, bool is_datagram)
{
    struct priority_restricted restricted;
    int result = priority_restrict(lib, &restricted, string, error, flags, is_datagram);
    if (!pfswrap_enforces())
        return lib->gnutls_priority_init2(priority, string, error, flags);
    return result < 0 ? result : lib->gnutls_priority_init2(priority, restricted.string, NULL, restricted.flags);
}

gnutls_priority_t priority_default(const struct gnutls *lib, bool is_datagram)
{
    static _Atomic(gnutls_priority_t) kept[2];
    gnutls_priority_t priority = atomic_load(&kept[is_datagram]);
    if (priority != NULL || priority_init(lib, &priority, NULL, NULL, 0, is_datagram) < 0)
        return priority;
    gnutls_priority_t other = NULL;
    if (atomic_compare_exchange_strong(&kept[is_datagram], &other, priority))
        return priority;
    lib->gnutls_priority_deinit(priority);
    return other;
}

PFSWRAP_EXPORT int gnutls_priority_init(gnutls_priority_t *priority, const char *string, const char **error)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER))
        return lib->gnutls_priority_init(priority, string, error);
    return priority_init(lib, priority, string, error, 0, false);
}

PFSWRAP_EXPORT int gnutls_priority_init2(gnutls_priority_t *priority, const char *string, const char **error,
                                         unsigned flags)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER))
        return lib->gnutls_priority_init2(priority, string, error, flags);
    return priority_init(lib, priority, string, error, flags, false);
}

PFSWRAP_EXPORT int gnutls_priority_set_direct(gnutls_session_t session, const char *string, const char **error)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER))
        return lib->gnutls_priority_set_direct(session, string, error);
    struct priority_restricted restricted;
    int result = priority_restrict(lib, &restricted, string, error, 0, session_is_datagram(session));
    if (!pfswrap_enforces())
        return lib->gnutls_priority_set_direct(session, string, error);
    if (result < 0)
        return result;
    return (restricted.flags & GNUTLS_PRIORITY_INIT_DEF_APPEND) != 0
               ? lib->gnutls_set_default_priority_append(session, restricted.string, NULL, 0)
               : lib->gnutls_priority_set_direct(session, restricted.string, NULL);
}

PFSWRAP_EXPORT int gnutls_set_default_priority(gnutls_session_t session)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER) || !pfswrap_enforces())
        return lib->gnutls_set_default_priority(session);
    gnutls_priority_t priority = priority_default(lib, session_is_datagram(session));
    return priority != NULL ? lib->gnutls_priority_set(session, priority) : GNUTLS_E_NO_PRIORITIES_WERE_SET;
}

PFSWRAP_EXPORT int gnutls_set_default_priority_append(gnutls_session_t session, const char *string,
                                                      const char **error, unsigned flags)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER))
        return lib->gnutls_set_default_priority_append(session, string, error, flags);
    struct priority_restricted restricted;
    int result = priority_restrict(lib, &restricted, string, error, flags | GNUTLS_PRIORITY_INIT_DEF_APPEND,
                                   session_is_datagram(session));
    if (!pfswrap_enforces())
        return lib->gnutls_set_default_priority_append(session, string, error, flags);
    return result < 0 ? result : lib->gnutls_set_default_priority_append(session, restricted.string, NULL, flags);
}

/*
 * Priorities without a session are made for TLS. A DTLS session gets the default for DTLS, whatever else they
 * contain.
 */
PFSWRAP_EXPORT int gnutls_priority_set(gnutls_session_t session, gnutls_priority_t priority)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    bool is_replaced = pfswrap_enforces() && !gnutls_is_inside(lib, GNUTLS_CALLER) && session_is_datagram(session);
    if (is_replaced)
        priority = priority_default(lib, true);
    return is_replaced && priority == NULL ? GNUTLS_E_NO_PRIORITIES_WERE_SET
                                           : lib->gnutls_priority_set(session, priority);
}
