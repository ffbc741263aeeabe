/*
 * A connection keeps the state in which it began (config/snapshot.h) until its next re-handshake. Just before that,
 * it goes over to the newest one: so its rule and its peer must still be there, and the keys are today's.
 */
#ifndef PFSWRAP_CONNECTION_RENEW_H
#define PFSWRAP_CONNECTION_RENEW_H

#include "connection/connection.h"

enum { RENEW_REMOVED = -100 }; /* beside enum pfswrap_seal_error: the policy no longer has the connection's rule */
extern const char renew_removed_reason[];

/*
 * If the next message is the one that begins a re-handshake, the connection goes over to the newest state: of an
 * initiator that is about to send it, of a responder that is about to open it. Returns 0 or RENEW_REMOVED. Locked.
 */
int renew_before_question(struct connection *connection);
int renew_before_answer(struct connection *connection);

/*
 * After a reload: ends every connection whose peer the newest state does not have, and with `on-removal = now`
 * those whose rule it does not have. Returns how many. Not locked.
 */
unsigned renew_end_removed(void);

#endif
