/*
 * The bytes that a relay moves between the program and the peer, in both directions. For relay_run.c, which waits
 * for events. Runs in the relay's process only (relay_run.c), with the connection's lock held, and never waits.
 */
#ifndef PFSWRAP_TRANSFER_RELAY_FLOW_H
#define PFSWRAP_TRANSFER_RELAY_FLOW_H

#include <stdbool.h>

#include "connection/endpoint.h"
#include "transfer/relay_program.h"

/* One direction: up is from the program to the peer, down is from the peer to the program. */
enum relay_direction {
    RELAY_FLOWING,
    RELAY_ENDING, /* up: the program sends no more, and the peer does not know yet */
    RELAY_ENDED,
    RELAY_BROKEN, /* an error, which the other end receives as an error */
};

struct relay {
    struct endpoint *endpoint;
    struct connection *connection; /* valid while it is locked */
    int fd;                        /* the socket of the connection */
    int end;                       /* the relay's end of the socket pair; the program has the other */
    int epoll;
    bool plain;        /* the peer of a `prefer` rule does not seal: bytes are passed on as they are */
    bool program_shut; /* the program sends no more */
    bool program_gone; /* the program's end is closed everywhere */
    bool outlived;     /* another process had the program's end longer than the program */
    struct relay_program program;
    enum relay_direction up, down;
    struct span left; /* bytes from the peer that the program's end has not taken yet */
};

/*
 * Moves bytes in both directions until nothing moves any more. A handshake goes on first. Returns false if the
 * relay has nothing more to bring to the program: the connection is broken, or both directions have ended.
 */
bool relay_flow(struct relay *relay);

#endif
