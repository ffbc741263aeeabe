/*
 * What the interposed calls have in common that write text to a descriptor.
 */
#ifndef PFSWRAP_SOCKET_STDIO_H
#define PFSWRAP_SOCKET_STDIO_H

/*
 * Writes `length` bytes of `text` with write(2), and frees `text`. If `length` is negative, there is no text.
 * Returns `length`, or -1 with the errno of write(2).
 */
int stdio_put(int fd, char *text, int length);

#endif
