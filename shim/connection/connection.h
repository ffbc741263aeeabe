/*
 * One sealed connection: the state of its channel, the bytes that the transport has delivered or still has to take,
 * and what the program has seen of it. If several processes have a connection, it is kept in memory that they share
 * (its slot), and each call works on a private copy. The copy is checked once. After that, no other process can
 * change it. Every function here needs the connection's lock. No function blocks, and none calls libc, except for
 * audit events.
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

#include "base/clock.h"
#include "base/lock.h"
#include "base/process.h"
#include "policy/policy.h"
#include "seal/channel.h"

struct counters_connection;

/* docs/ARCHITECTURE.md shows what leads from one phase to another. */
enum connection_phase {
    CONNECTION_NONE,       /* not sealed; also what a child finds in memory that a fork has wiped */
    CONNECTION_CONNECTING, /* TCP's own handshake is not complete */
    CONNECTION_UNDECIDED,  /* seal = prefer: too few bytes have come to tell whether the peer seals */
    CONNECTION_HANDSHAKE,  /* the seal's handshake is not complete */
    CONNECTION_OPEN,
    CONNECTION_FAILED, /* the program gets `error` */
};

enum {
    CONNECTION_BATCH = 4, /* the maximum number of frames in one system call */
    CONNECTION_PREHANDSHAKE_MAX = CONNECTION_BATCH * PFSWRAP_SEAL_CHUNK_MAX,
    CONNECTION_CONTROL_MAX = 2 * PFSWRAP_SEAL_TAKE_BYTES, /* handshake messages, before the pre-handshake bytes */
    CONNECTION_BUFFER_BYTES = 88 * 1024,
    CONNECTION_TX_MAX = CONNECTION_BUFFER_BYTES - PFSWRAP_SEAL_CHUNK_MAX, /* the rest joins small pieces */
    CONNECTION_HOLDERS = 8,
    CONNECTION_DIALLERS = 4, /* threads that are inside connect(2) for it at the same time */
    CONNECTION_NO_BUFFER = -1,
};

/* The bytes from begin to end - 1 of a buffer. */
struct span {
    uint32_t begin, end;
};

static inline uint32_t span_length(struct span span)
{
    return span.end - span.begin;
}

/* What has passed in one direction. */
struct flow {
    uint64_t bytes, chunks;
};

/* A process that has a descriptor of the connection; with a negative pid, a handoff socket (handoff_name.h). */
struct holder {
    int32_t pid;    /* 0: a free entry */
    uint32_t space; /* the namespace of the pid (base/process.h) */
};

/*
 * The state under which this process has the connection (config/snapshot.h), and its rule there. It is in the
 * endpoint, since other processes may have another state. Needs the connection's lock.
 */
struct binding {
    struct snapshot *snapshot; /* a reference; NULL: none */
    uint16_t rule;             /* index into its policy */
};

struct connection {
    struct lock lock;
    struct counters_connection
        *entry;                    /* of this process's list (counting.h); NULL: none. It stays here, as the lock */
    struct connection *slot;       /* where it is kept between calls, followed by its buffers; NULL: here */
    const struct binding *binding; /* the endpoint's; valid between endpoint_enter() and endpoint_leave() */
    _Atomic uint8_t nonblocking;   /* O_NONBLOCK, which all descriptors of a socket share */
    uint8_t phase;                 /* enum connection_phase */
    bool initiator;
    bool local;              /* both ends are on this machine, perhaps even in this thread */
    bool buffering;          /* the pre-handshake buffer takes what the program sends */
    bool prehandshake_full;  /* it had no room for all of it: a send was short, or failed with EAGAIN */
    bool confirmed;          /* the audit log has the `opened` event */
    bool dialled;            /* connect(2) was called: without a connection attempt now, it has failed */
    bool reported_connected; /* by connect(2) */
    bool reported_error;     /* by a call, or by SO_ERROR */
    bool read_shut, write_shut;
    bool final_received;
    bool end_shown;   /* FINAL came without FIN: the socket is shut down for reading, so that the kernel reports the
                         end */
    bool ended_early; /* the transport had ended, perhaps without FINAL, when the program closed the connection */
    bool finishing;   /* shutdown or close: FINAL goes out after what is pending, then the kernel's FIN */
    bool fin_sent;
    bool broken;            /* the kernel takes no more bytes: the peer has reset the connection */
    bool answered;          /* responder: message 2 is in the send buffer, or sent */
    bool only_confirm_sent; /* initiator: the peer's kernel may delay the acknowledgement of the confirm */
    bool inherited;         /* connected before the program got it: other processes may have it, and use it */
    bool wiped;             /* this process has no part in it, and must not touch the socket (a child of a fork) */
    bool used_by_others;    /* another process uses it, so no process with this slot has a part in it */
    bool cork_later;        /* the program has set TCP_CORK, which would delay the handshake */
    int low_water;          /* SO_RCVLOWAT as the program set it; 0: not set */
    int error;              /* with CONNECTION_FAILED: the program's errno; 0: it gets the end of a stream */
    uint8_t wants;          /* POLLIN, POLLOUT or both: what a handshake waits for */
    bool nothing_follows;   /* FINAL was the last byte before the peer's FIN */
    bool size_is_known;     /* FIONREAD or MSG_PEEK have said how much rx_plain has: the program may stop there */
    uint32_t linger_left;   /* after close: how many bytes are not acknowledged, + 1; 0: not known yet */
    uint64_t deadline_ms;   /* CLOCK_MONOTONIC: when the handshake fails; after close: when linger ends */
    uint64_t buffer_at_ms;  /* when buffering begins, if the handshake is not complete by then */
    int32_t rx_index, tx_index; /* of the pool's buffers; CONNECTION_NO_BUFFER: none */
    struct span rx_plain;       /* in the receive buffer: opened, not delivered yet */
    struct span rx_cipher;      /* in the receive buffer, behind rx_plain: not opened yet */
    struct span tx;             /* in the send buffer: pending, for the kernel */
    struct span prehandshake;   /* in the send buffer, behind tx: plaintext, until the handshake is complete */
    uint32_t looked_at;         /* Unix time, low half: when bytes came, or a send last looked for them */
    uint32_t opened_at;         /* Unix time, low half: when the handshake was complete */
    uint64_t rx_total;          /* bytes taken from the kernel since the beginning */
    uint64_t tx_total; /* bytes put into tx since the beginning; a blocking send waits until its own are sent */
    uint64_t tx_total_at_receive;                        /* tx_total when the program last tried to receive */
    struct process_thread diallers[CONNECTION_DIALLERS]; /* threads that are inside connect(2); id 0: free */
    struct process_thread receiver, sender; /* threads that wait in the kernel without the lock (unlocked.h) */
    uint32_t deferred;                      /* bytes that a receive has put off (unlocked.h); 0: none */
    uint32_t exchange; /* index in the pool of keyexchange.c, + 1; 0: none. Never set by another process */
    struct flow sent, received;
    struct sockaddr_in6 self, peer; /* or sockaddr_in, by family */
    uint32_t holder_count;          /* processes that have it, including those that a fork is about to make */
    uint32_t expected_count;        /* of these, children of a fork that have not entered themselves yet */
    struct holder holders[CONNECTION_HOLDERS];
    struct channel channel;
};

/* The connection's rule, and the channel's configuration for this rule, in the state of its binding. */
const struct pfswrap_seal_config *connection_config(const struct connection *connection);
const struct policy_rule *connection_rule(const struct connection *connection);

/* The receive buffer and the send buffer; taken from the pool if there is none yet. NULL: no memory. */
uint8_t *connection_rx(struct connection *connection);
uint8_t *connection_tx(struct connection *connection);

/* A buffer of CONNECTION_BUFFER_BYTES for the length of a call; NULL: no memory. */
uint8_t *connection_borrow(int32_t *index);
uint8_t *connection_borrowed(int32_t index); /* the same buffer again */
void connection_return(int32_t index);

/* Gives empty buffers, and the state of a handshake that has ended, back to their pools. */
void connection_trim(struct connection *connection);

/*
 * Around connect(2) of the kernel: while a thread is inside, other threads must not conclude that there is no
 * connection. begin returns false if too many threads are inside. is_dialled says whether another thread is. A
 * thread that has ended, or left by siglongjmp(3) and calls again, does not count.
 */
bool connection_begin_dial(struct connection *connection);
void connection_end_dial(struct connection *connection);
bool connection_is_dialled(const struct connection *connection);

/* Initializes a block of memory, except for the lock. */
void connection_init(struct connection *connection, const struct binding *binding, bool initiator,
                     bool nonblocking);

/*
 * Copies a connection from its slot to private memory, and back. The slot is locked. fetch checks the copy, and
 * calls connection_lose() if it is not valid, or if there is no memory for its buffers. store wipes the private
 * memory.
 */
void connection_fetch(struct connection *connection, struct connection *slot, const struct binding *binding);
void connection_store(struct connection *connection);

/* Poisons a connection whose state is lost: every call fails with ECONNRESET. */
void connection_lose(struct connection *connection);

/* In a child of a fork: gives all buffers and states of handshakes back. No call of the child's only thread may be
 * under way. */
void connection_free_buffers(void);

/* The phase in one word, for the trace. */
const char *connection_phase_name(const struct connection *connection);

/* Wipes the connection, except for the lock, and gives its buffers back. */
void connection_clear(struct connection *connection);

/*
 * The connection fails: the program's calls return `error`, the peer sees a closed connection, and the audit log
 * gets `reason`. Bytes that have arrived are read and discarded, and the socket `fd` is shut down.
 */
void connection_fail(struct connection *connection, int fd, int error, const char *reason);

/* The same, but the peer's stream has ended without FINAL. The log says `truncated`. */
void connection_truncate(struct connection *connection, int fd, int error, const char *reason);

/*
 * The client of an accepted connection has closed it before it sent a byte: a health check, for instance. The
 * program gets the end of a stream, as without the shim. Its bytes are discarded. The socket is not touched.
 */
void connection_end_unused(struct connection *connection, int fd);

/*
 * The program has disconnected the socket (connect(2) to AF_UNSPEC), and the kernel has reset the connection. The
 * socket is not touched, since the program may connect it again.
 */
void connection_disconnect(struct connection *connection);

/* connection_fail() with an enum pfswrap_seal_error. */
void connection_fail_seal(struct connection *connection, int fd, int seal_error);

/*
 * handshake.c: continues with everything that comes before data, as far as possible without waiting. Afterwards the
 * phase is CONNECTION_OPEN, CONNECTION_FAILED, CONNECTION_NONE (the socket is not sealed, and the caller must call
 * endpoint_abandon()), or an earlier one; then `wants` says which event to wait for.
 */
void handshake_advance(struct connection *connection, int fd);
static inline bool handshake_is_under_way(const struct connection *connection)
{
    return connection->phase >= CONNECTION_CONNECTING && connection->phase <= CONNECTION_HANDSHAKE;
}

/* Whether something is left to do even if the program makes no further call. */
static inline bool connection_is_unfinished(const struct connection *connection)
{
    return handshake_is_under_way(connection) || span_length(connection->tx) > 0 ||
           (connection->finishing && !connection->fin_sent);
}

/*
 * Whether the kernel's FIN must wait until the peer has acknowledged everything: the socket is shut down for
 * reading, and more may come. A byte that comes after the FIN would make the kernel reset the connection (RFC
 * 1122, 4.2.2.13).
 */
static inline bool connection_holds_fin(const struct connection *connection)
{
    return connection->read_shut || (connection->end_shown && channel_trailer_due(&connection->channel));
}

/* Bytes that fit in the pre-handshake buffer. All of them together must fit in the frames of one batch. */
static inline uint32_t handshake_buffer_bytes(const struct connection *connection)
{
    const uint32_t trailers = channel_pads(&connection->channel) ? CONNECTION_BATCH * CHANNEL_PADDING_TRAILER : 0;
    return CONNECTION_PREHANDSHAKE_MAX - trailers;
}

/*
 * Whether the pre-handshake buffer would take bytes now. On an accepted connection it does so from the beginning,
 * as the kernel's buffer would. On a connecting one it begins at buffer_at_ms: a program concludes from a writable
 * socket that it is connected.
 */
static inline bool handshake_buffers_sends(const struct connection *connection)
{
    return connection->buffering && span_length(connection->prehandshake) < handshake_buffer_bytes(connection);
}

/* connect(2) has returned 0: begins the seal's handshake, if the kernel still knows the peer. */
void handshake_connected(struct connection *connection, int fd);

/* Begins the seal's handshake on a connected socket. `self` and `peer` are filled in, if the caller knows them. */
void handshake_begin(struct connection *connection, int fd);

/*
 * send.c: sends what is pending. Returns 1 if nothing is left, and 0 if the kernel did not take everything. After
 * an error the connection is broken, and the return value is 1.
 */
int send_flush(struct connection *connection, int fd);

/* Seals the pre-handshake buffer, after the handshake. */
void send_prehandshake(struct connection *connection, int fd);

/* Appends what the channel has to send (handshake messages, FINAL) to what is pending, and sends it. */
void send_owed(struct connection *connection, int fd);

/* Sends what is pending, then FINAL and the kernel's FIN. True: they are sent, or can never be sent. */
bool send_finish(struct connection *connection, int fd);

/* report.c: the audit events of a sealed connection. */
void connection_report_opened(const struct connection *connection);
void connection_report_refused(const struct connection *connection, const char *reason);
void connection_report_closed(const struct connection *connection, const char *end, const char *reason);
void connection_report_plain(const struct connection *connection);
void connection_report_left(const struct connection *connection);

/*
 * The same for a connection that was imported and is not usable here. `reason` is one of connection_lost_reasons.
 * These events and `left` are counted if there are many (report_counted.h).
 */
void connection_report_lost(const char *reason);
enum {
    CONNECTION_LOST_FOREIGN,
    CONNECTION_LOST_NUMBERS,
    CONNECTION_LOST_POLICY,
    CONNECTION_LOST_SEGMENT,
    CONNECTION_LOST_MEMORY,
    CONNECTION_LOST_DESCRIPTOR,
    CONNECTION_LOST_REASONS
};
extern const char *const connection_lost_reasons[CONNECTION_LOST_REASONS];
extern const char connection_left_reason[];

/* For unproved.h. `others`: how many more were dropped before. Without a connection: only those are reported. */
void connection_report_dropped(const struct connection *connection, unsigned others);

#endif
