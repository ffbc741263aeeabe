/*
 * What a relayed descriptor, one end of a socket pair, answers in place of the TCP socket it stands for.
 */
#ifndef PFSWRAP_SOCKET_ADDRESS_H
#define PFSWRAP_SOCKET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Whether `fd` is one: the program's end, in this process or passed on to it. */
bool address_is_relayed(int fd);

/*
 * The kernel has refused an option of TCP or IP. Returns true if `fd` is relayed, and then the call has succeeded;
 * a value that is asked for (`value`, `*length`, both NULL: it is set) is zero, as of an option nobody has set.
 */
bool address_option_refused(int fd, int level, int option, void *value, socklen_t *length);

/* The kernel has answered SO_DOMAIN or SO_PROTOCOL: of a relayed one as TCP would. */
void address_option_answered(int fd, int option, void *value, socklen_t length);

#endif
