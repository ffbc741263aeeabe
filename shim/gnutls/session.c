/*
 * A session is created with the policy's priorities, since some programs set none, and without early data. It is
 * resumed only if the policy allows that, and no key log is written.
 */
#include "gnutls/session.h"

#include <stdatomic.h>
#include <string.h>

#include "base/large.h"
#include "gnutls/priority.h"
#include "gnutls/verify.h"
#include "config/init.h"
#include "config/override.h"
#include "base/interposed.h"

static bool refuses_resumption(void)
{
    return pfswrap_policy()->tls.session_tickets == POLICY_TICKETS_REFUSE;
}

enum { NO_TICKETS_TLS12 = 1 << 23 }; /* GNUTLS_NO_TICKETS_TLS12, which the headers before 3.7.5 lack */

/*
 * Tickets of TLS 1.2 are never issued: its resumption has no key exchange. A library that cannot refuse them alone
 * issues no tickets, if the policy allows TLS 1.2.
 */
static unsigned flags_restrict(const struct gnutls *lib, unsigned flags)
{
    if ((flags & GNUTLS_ENABLE_EARLY_DATA) != 0)
        override_report("early-data", "received", "refused");
    if (!pfswrap_enforces())
        return flags;
    flags &= ~(unsigned)GNUTLS_ENABLE_EARLY_DATA;
    if (refuses_resumption())
        return flags | GNUTLS_NO_TICKETS;
    if (lib->gnutls_check_version("3.7.5") != NULL)
        return flags | NO_TICKETS_TLS12;
    return pfswrap_policy()->tls.min_version < 0x0304 ? flags | GNUTLS_NO_TICKETS : flags;
}

/*
 * The sessions that something is remembered of: DTLS sessions, and all sessions if the policy verifies servers,
 * which needs the server's name. Few programs use DTLS and few policies verify servers, so a linear search is
 * enough.
 */
enum { KNOWN_MAX = 4096, NAME_MAX_BYTES = 256 };

struct known {
    _Atomic(gnutls_session_t) session; /* NULL: free */
    bool is_datagram;
    char name[NAME_MAX_BYTES];
};

LARGE static struct known sessions[KNOWN_MAX];
static atomic_int known_count;

static struct known *known_find(gnutls_session_t session)
{
    for (int i = 0; i < KNOWN_MAX && atomic_load(&known_count) > 0; i++)
        if (atomic_load_explicit(&sessions[i].session, memory_order_relaxed) == session)
            return &sessions[i];
    return NULL;
}

static bool known_add(gnutls_session_t session, bool is_datagram)
{
    for (int i = 0; i < KNOWN_MAX; i++) {
        gnutls_session_t none = NULL;
        if (atomic_compare_exchange_strong(&sessions[i].session, &none, session)) {
            sessions[i].is_datagram = is_datagram;
            sessions[i].name[0] = '\0';
            atomic_fetch_add(&known_count, 1);
            return true;
        }
    }
    return false;
}

bool session_is_datagram(gnutls_session_t session)
{
    const struct known *known = session != NULL ? known_find(session) : NULL;
    return known != NULL && known->is_datagram;
}

const char *session_server_name(gnutls_session_t session)
{
    const struct known *known = known_find(session);
    return known != NULL && known->name[0] != '\0' ? known->name : NULL;
}

PFSWRAP_EXPORT void gnutls_deinit(gnutls_session_t session)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return;
    struct known *known = session != NULL ? known_find(session) : NULL;
    if (known != NULL) {
        atomic_store(&known->session, NULL);
        atomic_fetch_sub(&known_count, 1);
    }
    lib->gnutls_deinit(session);
}

PFSWRAP_EXPORT int gnutls_server_name_set(gnutls_session_t session, gnutls_server_name_type_t type,
                                          const void *name, size_t length)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    struct known *known = session != NULL ? known_find(session) : NULL;
    if (known != NULL && type == GNUTLS_NAME_DNS && name != NULL && length < sizeof known->name) {
        memcpy(known->name, name, length);
        known->name[length] = '\0';
    }
    return lib->gnutls_server_name_set(session, type, name, length);
}

PFSWRAP_EXPORT int gnutls_init(gnutls_session_t *session, unsigned flags)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    int result = lib->gnutls_init(session, flags_restrict(lib, flags));
    if (result < 0)
        return result;
    bool is_datagram = (flags & GNUTLS_DATAGRAM) != 0;
    if ((is_datagram || verify_is_required(false)) && !known_add(*session, is_datagram))
        result = GNUTLS_E_MEMORY_ERROR;
    if (result >= 0 && pfswrap_enforces()) {
        gnutls_priority_t priority = priority_default(lib, is_datagram);
        result = priority != NULL ? lib->gnutls_priority_set(*session, priority) : GNUTLS_E_NO_PRIORITIES_WERE_SET;
    }
    if (result < 0) {
        gnutls_deinit(*session);
        *session = NULL;
    }
    return result;
}

/*
 * If the policy allows TLS 1.2, the data may be a TLS 1.2 session, and before the handshake GnuTLS has no call to
 * find out. Each handshake is then a full one.
 */
PFSWRAP_EXPORT int gnutls_session_set_data(gnutls_session_t session, const void *data, size_t size)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    bool is_refused = refuses_resumption() || pfswrap_policy()->tls.min_version < 0x0304;
    if (gnutls_is_inside(lib, GNUTLS_CALLER) || !is_refused)
        return lib->gnutls_session_set_data(session, data, size);
    override_report("session", "resumed", "full handshake");
    return pfswrap_enforces() ? GNUTLS_E_SUCCESS : lib->gnutls_session_set_data(session, data, size);
}

PFSWRAP_EXPORT int gnutls_session_ticket_enable_server(gnutls_session_t session, const gnutls_datum_t *key)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER) || !refuses_resumption())
        return lib->gnutls_session_ticket_enable_server(session, key);
    override_report("session-tickets", "on", "off");
    return pfswrap_enforces() ? GNUTLS_E_SUCCESS : lib->gnutls_session_ticket_enable_server(session, key);
}

PFSWRAP_EXPORT void gnutls_session_set_keylog_function(gnutls_session_t session, gnutls_keylog_func function)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return;
    bool is_allowed = gnutls_is_inside(lib, GNUTLS_CALLER) || function == NULL;
    if (!is_allowed)
        override_report("key-log", "callback", "none");
    if (is_allowed || !pfswrap_enforces())
        lib->gnutls_session_set_keylog_function(session, function);
}

/* Early data has no forward secrecy (RFC 8446, 2.3). The call fails before anything is sent. */
PFSWRAP_EXPORT ssize_t gnutls_record_send_early_data(gnutls_session_t session, const void *data, size_t size)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL || lib->gnutls_record_send_early_data == NULL)
        return GNUTLS_NO_LIBRARY;
    override_report("early-data", "sent", "refused");
    return pfswrap_enforces() ? GNUTLS_E_INVALID_REQUEST : lib->gnutls_record_send_early_data(session, data, size);
}
