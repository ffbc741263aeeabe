// link: -static-pie
/*
 * A server and a client that cannot be preloaded into: what proxies stand in front of.
 *
 *   static_echo serve PORT   sends back what each connection sends, up to its end; one connection after another
 *   static_echo send PORT    sends standard input, and prints what comes back, up to its end
 *
 * Addresses are 127.0.0.1. Exit status of send: 0 if both directions ended in order.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[1 << 16];

/* Copies everything up to the end. Returns 0, or -1 with errno. */
static int copy(int from, int to)
{
    for (;;) {
        const ssize_t length = read(from, buffer, sizeof buffer);
        if (length <= 0)
            return (int)length;
        for (ssize_t done = 0; done < length;) {
            const ssize_t taken = write(to, buffer + done, (size_t)(length - done));
            if (taken < 0)
                return -1;
            done += taken;
        }
    }
}

static int serve(int listener)
{
    for (;;) {
        const int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            return 1;
        if (copy(connection, connection) < 0)
            perror("static_echo: connection");
        close(connection);
    }
}

static int send_input(int connection)
{
    int status = 0;
    const pid_t sender = fork();
    if (sender == 0)
        _exit(copy(STDIN_FILENO, connection) < 0 || shutdown(connection, SHUT_WR) < 0 ? EXIT_FAILURE
                                                                                      : EXIT_SUCCESS);
    const int result = copy(connection, STDOUT_FILENO);
    if (result < 0)
        perror("static_echo: receive");
    if (sender < 0 || waitpid(sender, &status, 0) < 0)
        return 1;
    return result < 0 || status != 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const int one = 1, sock = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((in_port_t)atoi(argv[2])),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr *const where = (const struct sockaddr *)&address;
    if (strcmp(argv[1], "send") == 0) {
        if (connect(sock, where, sizeof address) == 0)
            return send_input(sock);
    } else if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
               bind(sock, where, sizeof address) == 0 && listen(sock, 16) == 0) {
        return serve(sock);
    }
    perror("static_echo");
    return 1;
}
