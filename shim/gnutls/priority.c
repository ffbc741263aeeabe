/*
 * The calls that set priorities. The library itself judges what the program asks for first, with its own errors and
 * error positions; then the same string is set with the policy appended.
 */
#include "gnutls/priority.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "config/init.h"
#include "config/override.h"
#include "base/interposed.h"

/* Priorities as the library is to be told them. */
struct restricted {
    char words[PRIORITY_MAX];
    unsigned flags; /* of gnutls_priority_init2() */
};

/*
 * The program's words with the policy's behind them; NULL are the default's. Returns 0, or what the library says of
 * the program's words, with *error set as it sets it.
 */
static int string_restrict(const struct gnutls *lib, struct restricted *restricted, const char *words,
                           const char **error, unsigned flags, bool is_datagram)
{
    gnutls_priority_t asked;
    int result = lib->gnutls_priority_init2(&asked, words, error, flags);
    if (result < 0)
        return result;
    if (words != NULL && priority_is_weaker(lib, asked))
        override_report("priority", words, "the policy's versions, groups and ciphers");
    int length = snprintf(restricted->words, sizeof restricted->words, "%s", words != NULL ? words : "");
    restricted->flags = words == NULL ? flags | GNUTLS_PRIORITY_INIT_DEF_APPEND : flags;
    if (length < 0 || (size_t)length >= sizeof restricted->words ||
        !priority_restrict(lib, restricted->words, asked, is_datagram))
        result = GNUTLS_E_NO_PRIORITIES_WERE_SET;
    lib->gnutls_priority_deinit(asked);
    return result;
}

static int priority_init(const struct gnutls *lib, gnutls_priority_t *priority, const char *words,
                         const char **error, unsigned flags, bool is_datagram)
{
    struct restricted restricted;
    int result = string_restrict(lib, &restricted, words, error, flags, is_datagram);
    if (!pfswrap_enforces())
        return lib->gnutls_priority_init2(priority, words, error, flags);
    return result < 0 ? result : lib->gnutls_priority_init2(priority, restricted.words, NULL, restricted.flags);
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

PFSWRAP_EXPORT int gnutls_priority_init(gnutls_priority_t *priority, const char *words, const char **error)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER))
        return lib->gnutls_priority_init(priority, words, error);
    return priority_init(lib, priority, words, error, 0, false);
}

PFSWRAP_EXPORT int gnutls_priority_init2(gnutls_priority_t *priority, const char *words, const char **error,
                                         unsigned flags)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER))
        return lib->gnutls_priority_init2(priority, words, error, flags);
    return priority_init(lib, priority, words, error, flags, false);
}

PFSWRAP_EXPORT int gnutls_priority_set_direct(gnutls_session_t session, const char *words, const char **error)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER))
        return lib->gnutls_priority_set_direct(session, words, error);
    struct restricted restricted;
    int result = string_restrict(lib, &restricted, words, error, 0, session_is_datagram(session));
    if (!pfswrap_enforces())
        return lib->gnutls_priority_set_direct(session, words, error);
    if (result < 0)
        return result;
    return (restricted.flags & GNUTLS_PRIORITY_INIT_DEF_APPEND) != 0
               ? lib->gnutls_set_default_priority_append(session, restricted.words, NULL, 0)
               : lib->gnutls_priority_set_direct(session, restricted.words, NULL);
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

PFSWRAP_EXPORT int gnutls_set_default_priority_append(gnutls_session_t session, const char *words,
                                                      const char **error, unsigned flags)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER))
        return lib->gnutls_set_default_priority_append(session, words, error, flags);
    struct restricted restricted;
    int result = string_restrict(lib, &restricted, words, error, flags | GNUTLS_PRIORITY_INIT_DEF_APPEND,
                                 session_is_datagram(session));
    if (!pfswrap_enforces())
        return lib->gnutls_set_default_priority_append(session, words, error, flags);
    return result < 0 ? result : lib->gnutls_set_default_priority_append(session, restricted.words, NULL, flags);
}

/* Priorities made for any session are TLS's; a DTLS session gets its own, whatever else was in them. */
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
