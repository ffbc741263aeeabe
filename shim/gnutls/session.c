/*
 * Sessions from their birth: the policy's priorities for programs that set none, no early data, no session that
 * would be resumed against the policy, no key log.
 */
#include <stdatomic.h>

#include "gnutls/priority.h"
#include "init.h"
#include "interposed.h"
#include "tls/report.h"

static bool enforcing(void)
{
    return pfswrap_policy()->mode == POLICY_ENFORCE;
}

/* TLS 1.2 resumption has no key exchange; where TLS 1.2 is not allowed, tickets are TLS 1.3's. */
static bool refuses_resumption(void)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    return policy->session_tickets == POLICY_TICKETS_REFUSE;
}

static unsigned flags_narrow(unsigned flags)
{
    if ((flags & GNUTLS_ENABLE_EARLY_DATA) != 0)
        report_override("early-data", "received", "refused");
    if (!enforcing())
        return flags;
    flags &= ~(unsigned)GNUTLS_ENABLE_EARLY_DATA;
    return flags | (refuses_resumption() ? GNUTLS_NO_TICKETS : GNUTLS_NO_TICKETS_TLS12);
}

/* The DTLS sessions of this process. Few programs have any, and those have few at a time. */
enum { DATAGRAM_MAX = 4096 };
static _Atomic(gnutls_session_t) datagrams[DATAGRAM_MAX];
static atomic_int datagram_count;

static bool datagram_add(gnutls_session_t session)
{
    for (int i = 0; i < DATAGRAM_MAX; i++) {
        gnutls_session_t free_slot = NULL;
        if (atomic_compare_exchange_strong(&datagrams[i], &free_slot, session)) {
            atomic_fetch_add(&datagram_count, 1);
            return true;
        }
    }
    return false;
}

static _Atomic(gnutls_session_t) *datagram_find(gnutls_session_t session)
{
    for (int i = 0; i < DATAGRAM_MAX && atomic_load(&datagram_count) > 0; i++)
        if (atomic_load_explicit(&datagrams[i], memory_order_relaxed) == session)
            return &datagrams[i];
    return NULL;
}

bool session_is_datagram(gnutls_session_t session)
{
    return session != NULL && datagram_find(session) != NULL;
}

PFSWRAP_EXPORT void gnutls_deinit(gnutls_session_t session)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return;
    _Atomic(gnutls_session_t) *slot = session != NULL ? datagram_find(session) : NULL;
    if (slot != NULL) {
        atomic_store(slot, NULL);
        atomic_fetch_sub(&datagram_count, 1);
    }
    lib->gnutls_deinit(session);
}

PFSWRAP_EXPORT int gnutls_init(gnutls_session_t *session, unsigned flags)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    int result = lib->gnutls_init(session, flags_narrow(flags));
    if (result < 0 || !enforcing())
        return result;
    bool is_datagram = (flags & GNUTLS_DATAGRAM) != 0;
    gnutls_priority_t priority = priority_default(lib, is_datagram);
    if (is_datagram && !datagram_add(*session))
        result = GNUTLS_E_MEMORY_ERROR;
    else
        result = priority != NULL ? lib->gnutls_priority_set(*session, priority) : GNUTLS_E_NO_PRIORITIES_WERE_SET;
    if (result < 0) {
        gnutls_deinit(*session);
        *session = NULL;
    }
    return result;
}

/*
 * With TLS 1.2 allowed, what the program hands in may be a session of it, and nothing tells before the handshake:
 * each handshake is a full one then.
 */
PFSWRAP_EXPORT int gnutls_session_set_data(gnutls_session_t session, const void *data, size_t size)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    bool is_refused = refuses_resumption() || pfswrap_policy()->tls.min_version < 0x0304;
    if (gnutls_is_inside(lib, GNUTLS_CALLER) || !is_refused)
        return lib->gnutls_session_set_data(session, data, size);
    report_override("session", "resumed", "full handshake");
    return enforcing() ? GNUTLS_E_SUCCESS : lib->gnutls_session_set_data(session, data, size);
}

PFSWRAP_EXPORT int gnutls_session_ticket_enable_server(gnutls_session_t session, const gnutls_datum_t *key)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER) || !refuses_resumption())
        return lib->gnutls_session_ticket_enable_server(session, key);
    report_override("session-tickets", "on", "off");
    return enforcing() ? GNUTLS_E_SUCCESS : lib->gnutls_session_ticket_enable_server(session, key);
}

PFSWRAP_EXPORT void gnutls_session_set_keylog_function(gnutls_session_t session, gnutls_keylog_func function)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return;
    bool is_straight = gnutls_is_inside(lib, GNUTLS_CALLER) || function == NULL;
    if (!is_straight)
        report_override("key-log", "callback", "none");
    if (is_straight || !enforcing())
        lib->gnutls_session_set_keylog_function(session, function);
}

/* Early data has no forward secrecy (RFC 8446, 2.3): the call fails before a byte goes out. */
PFSWRAP_EXPORT ssize_t gnutls_record_send_early_data(gnutls_session_t session, const void *data, size_t size)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL || lib->gnutls_record_send_early_data == NULL)
        return GNUTLS_NO_LIBRARY;
    report_override("early-data", "sent", "refused");
    return enforcing() ? GNUTLS_E_INVALID_REQUEST : lib->gnutls_record_send_early_data(session, data, size);
}
