/*
 * One sealed connection: the channel's state, the bytes that the transport has brought or has yet to take, and what
 * the program has been told. One that several processes have is kept in memory they share, its slot, and comes to
 * private memory for the length of a call: what another process may have done to it is checked once, and cannot
 * change under our hands. Who holds the lock may call everything in this header; nothing here blocks, and nothing
 * calls libc but for audit events.
 */
#ifndef PFSWRAP_CONNECTION_CONNECTION_H
#define PFSWRAP_CONNECTION_CONNECTION_H

#include <netinet/in.h>
#include <pfswrap/seal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/lock.h"
#include "base/process.h"
#include "policy/policy.h"

enum connection_phase {
    CONNECTION_NONE,       /* nobody's; also what a child finds in memory that a fork has wiped */
    CONNECTION_CONNECTING, /* TCP's own handshake is under way */
    CONNECTION_UNDECIDED,  /* seal = prefer: the peer has not said enough to tell */
    CONNECTION_HANDSHAKE,
    CONNECTION_OPEN,
    CONNECTION_FAILED, /* every call of the program gets `error` */
};

enum {
    CONNECTION_BATCH = 4, /* frames that go to the kernel in one call */
    CONNECTION_PREHANDSHAKE_MAX = CONNECTION_BATCH * PFSWRAP_SEAL_CHUNK_MAX,
    CONNECTION_CONTROL_MAX = 2 * PFSWRAP_SEAL_TAKE_BYTES, /* handshake bytes in front of what is sent early */
    CONNECTION_BUFFER_BYTES = 88 * 1024,
    CONNECTION_TX_MAX = CONNECTION_BUFFER_BYTES - PFSWRAP_SEAL_CHUNK_MAX, /* behind it small pieces are gathered */
    CONNECTION_HOLDERS = 8,
    CONNECTION_DIALLERS = 4, /* threads that connect it at the same time */
    CONNECTION_NO_BUFFER = -1,
};

/* Bytes [begin, end) of a buffer. */
struct span {
    uint32_t begin, end;
};

static inline uint32_t span_length(struct span span)
{
    return span.end - span.begin;
}

struct flow {
    uint64_t bytes, chunks;
};

/* A process that has a descriptor of the connection; or, with a negative number, a handoff socket (handoff.h). */
struct holder {
    int32_t pid;
    uint32_t space;
};

struct connection {
    struct lock lock;
    struct connection *slot;     /* where it is kept between calls, with its buffers behind it; NULL: here */
    _Atomic uint8_t nonblocking; /* O_NONBLOCK, which the kernel keeps for all descriptors of a socket alike */
    uint8_t phase;               /* enum connection_phase */
    bool initiator;
    bool local;              /* both ends are on this machine: perhaps in this process, or this thread */
    bool buffering;          /* what the program sends before the handshake is complete is taken early and kept */
    bool prehandshake_full;  /* there was no room for all of it, and the program has been told */
    bool confirmed;          /* the audit log has it as opened */
    bool dialled;            /* the kernel has been told to connect: if it is not on its way now, it has failed */
    bool reported_connected; /* connect() has said so */
    bool reported_error;     /* SO_ERROR has */
    bool read_shut, write_shut;
    bool final_received;
    bool finishing; /* shutdown or close: FINAL goes out after what is pending, then the kernel's own FIN */
    bool fin_sent;
    bool broken;     /* the kernel takes no more: the peer has reset the connection */
    bool answered;   /* a responder's message 2 is out */
    bool unhurried;  /* nothing but the confirm has been sent, and its acknowledgement may take its time */
    bool inherited;  /* connected when the program got it: other processes may have it, and use it */
    bool wiped;      /* by a fork, in the child: it goes on in the parent, and the socket is not to be touched */
    bool cork_later; /* the program has set TCP_CORK, which would hold the handshake back */
    int low_water;   /* SO_RCVLOWAT as the program set it; 0: it did not */
    int error;       /* with CONNECTION_FAILED: the program's errno */
    uint16_t rule;   /* index into the policy */
    uint16_t wants;  /* POLLIN or POLLOUT: what a handshake waits for */
    uint64_t deadline_ms;       /* CLOCK_MONOTONIC: when the handshake has taken too long */
    uint64_t buffer_at_ms;      /* when the handshake has had its time, and sends begin to be taken early */
    int32_t rx_index, tx_index; /* of the pool's buffers, while the connection has some */
    struct span rx_plain,
        rx_cipher;            /* of the receive buffer: opened and not delivered; not yet opened, behind it */
    struct span tx;           /* of the send buffer: for the kernel */
    struct span prehandshake; /* of the send buffer: plaintext, until the handshake is complete */
    uint64_t rx_total;        /* bytes ever taken from the kernel */
    uint64_t tx_total;        /* bytes ever put into tx: what a blocked sender waits to see pass */
    uint64_t tx_at_receive;   /* tx_total, when the program last looked for something to receive */
    struct process_thread diallers[CONNECTION_DIALLERS]; /* threads in a connect(2) of the kernel's; id 0: none */
    struct flow sent, received;
    struct sockaddr_in6 self, peer; /* or sockaddr_in, by family */
    uint32_t holder_count;          /* processes that have it; with those that a fork is about to make */
    struct holder holders[CONNECTION_HOLDERS];
    struct pfswrap_seal channel;
};

/* Milliseconds of CLOCK_MONOTONIC. */
uint64_t connection_now_ms(void);

/* What the seal library is to know of the rule that the connection falls under. */
const struct pfswrap_seal_config *connection_config(const struct connection *connection);
const struct policy_rule *connection_rule(const struct connection *connection);

/* The buffers, taken if there is none. NULL: no memory. */
uint8_t *connection_rx(struct connection *connection);
uint8_t *connection_tx(struct connection *connection);

/* A buffer for the length of a call; NULL: no memory. */
uint8_t *connection_borrow(int32_t *index);
void connection_return(int32_t index);

/* Gives back those with nothing in them. */
void connection_trim(struct connection *connection);

/*
 * This thread is about to have the kernel connect, or is back from it: until then no other one may take it that
 * there is no connection. False: too many are at it. A thread that has left by siglongjmp() or is gone does not
 * count.
 */
bool connection_begin_dial(struct connection *connection);
void connection_end_dial(struct connection *connection);
bool connection_is_dialled(const struct connection *connection);

/* Makes a free piece of memory an unopened connection under `rule`, an index into the policy. */
void connection_init(struct connection *connection, uint16_t rule, bool initiator, bool nonblocking);

/*
 * Between a connection's slot and the private memory where calls work on it. The slot is locked. What comes in is
 * checked; a connection that cannot be is failed. What goes out leaves nothing behind.
 */
void connection_fetch(struct connection *connection, struct connection *slot);
void connection_store(struct connection *connection);

/* What it was cannot be known any more: every call gets ECONNRESET. */
void connection_lose(struct connection *connection);

/* In a child of a fork: all buffers are free. No call of the child's one thread is under way. */
void connection_free_buffers(void);

/* Wipes what is left of it, and gives its buffers back. */
void connection_clear(struct connection *connection);

/*
 * Ends it: the program will see `error`, the peer a closed connection, the audit log `reason`. The socket is shut
 * down after what has arrived is drained.
 */
void connection_fail(struct connection *connection, int fd, int error, const char *reason);

/* The program has dissolved it, and the kernel reset it. The socket is not touched: it may have a new life. */
void connection_disconnect(struct connection *connection);

/* connection_fail() with an enum pfswrap_seal_error. */
void connection_fail_seal(struct connection *connection, int fd, int seal_error);

/*
 * handshake.c: goes on with whatever comes before data, as far as it goes without waiting. Afterwards the phase is
 * CONNECTION_OPEN, CONNECTION_FAILED, CONNECTION_NONE (prefer: the peer is plain, and the caller must let go of
 * it), or still an earlier one, and `wants` says for which event.
 */
void handshake_advance(struct connection *connection, int fd);
static inline bool handshake_is_under_way(const struct connection *connection)
{
    return connection->phase >= CONNECTION_CONNECTING && connection->phase <= CONNECTION_HANDSHAKE;
}

/* Whether something is left to do for it, which whoever did it before may not come to. */
static inline bool connection_is_unfinished(const struct connection *connection)
{
    return handshake_is_under_way(connection) || span_length(connection->tx) > 0 ||
           (connection->finishing && !connection->fin_sent);
}

/*
 * Whether what the program sends before the handshake is complete would be kept, as far as there is room: on a
 * connection that was accepted from the beginning, as the kernel keeps it; on one that connects, where a program
 * learns from a socket's being writable that it is connected, once the handshake has had its time.
 */
static inline bool handshake_buffers_sends(const struct connection *connection)
{
    return connection->buffering && span_length(connection->prehandshake) < CONNECTION_PREHANDSHAKE_MAX;
}

/* Begins the seal's own handshake on a socket that is connected. */
void handshake_begin(struct connection *connection, int fd);

/*
 * send.c: gives the kernel what is pending. Returns 1 if nothing is left, 0 if it did not take all; a failure is
 * the connection's then, and 1.
 */
int send_flush(struct connection *connection, int fd);

/* Seals what was taken early, once the handshake is complete. */
void send_prehandshake(struct connection *connection, int fd);

/* Whatever the channel owes (FINAL, a re-handshake) goes behind what is pending. */
void send_owed(struct connection *connection, int fd);

/* FINAL and the kernel's FIN go out as soon as what is pending has. True once they have, or cannot any more. */
bool send_finish(struct connection *connection, int fd);

/* report.c: the audit events of a sealed connection. */
void connection_report_opened(const struct connection *connection);
void connection_report_refused(const struct connection *connection, const char *reason);
void connection_report_closed(const struct connection *connection, const char *end, const char *reason);
void connection_report_plain(const struct connection *connection);
void connection_report_left(const struct connection *connection);
void connection_report_lost(const char *reason); /* another process's, passed on, that cannot be gone on with */

#endif
