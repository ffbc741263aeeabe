/*
 * The least of HTTP/1.1 (RFC 9112) that Prometheus needs: one request on each connection, GET or HEAD, without a
 * body. Everything else gets a short error, and what takes longer than two seconds is cut. See exporter.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "exporter.h"
#include "message.h"

enum { REQUEST_MAX = 4096, REQUEST_MS = 2000, ANSWER_MS = 10000, WAITING_MAX = 16 };

/* "ADDRESS:PORT" or "[IPV6]:PORT". Returns the length of the address, or 0 after a message. */
static socklen_t parse_address(const char *text, struct sockaddr_storage *address)
{
    char host[INET6_ADDRSTRLEN] = "", *end = NULL;
    const char *colon = strrchr(text, ':');
    const bool is_ipv6 = text[0] == '[';
    const char *first = is_ipv6 ? text + 1 : text;
    const size_t length = colon != NULL ? (size_t)(colon - first) - (is_ipv6 && colon > first ? 1 : 0) : 0;
    const long port = colon != NULL && colon[1] >= '0' && colon[1] <= '9' ? strtol(colon + 1, &end, 10) : -1;
    if (colon != NULL && length > 0 && length < sizeof host && (!is_ipv6 || colon[-1] == ']'))
        memcpy(host, first, length);
    memset(address, 0, sizeof *address);
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
    const int parsed =
        is_ipv6 ? inet_pton(AF_INET6, host, &ipv6->sin6_addr) : inet_pton(AF_INET, host, &ipv4->sin_addr);
    if (parsed != 1 || end == NULL || *end != '\0' || port < 0 || port > UINT16_MAX) {
        message("%.80s is no address, expected ADDRESS:PORT, as in 127.0.0.1:9782 or [::1]:9782", text);
        return 0;
    }
    address->ss_family = is_ipv6 ? AF_INET6 : AF_INET;
    if (is_ipv6)
        ipv6->sin6_port = htons((uint16_t)port);
    else
        ipv4->sin_port = htons((uint16_t)port);
    return is_ipv6 ? sizeof *ipv6 : sizeof *ipv4;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for the event until the time. False: it has not come. */
static bool wait_for(int fd, short event, int64_t until_ms)
{
    struct pollfd wanted = {.fd = fd, .events = event};
    for (;;) {
        const int64_t left = until_ms - now_ms();
        if (left <= 0)
            return false;
        const int ready = poll(&wanted, 1, (int)left);
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

/* Reads a request up to its empty line. Returns its length; 0: it is not complete in time; -1: it is too long. */
static ssize_t read_request(int fd, char request[REQUEST_MAX])
{
    const int64_t until = now_ms() + REQUEST_MS;
    size_t used = 0;
    while (used < REQUEST_MAX - 1) {
        if (!wait_for(fd, POLLIN, until))
            return 0;
        const ssize_t got = recv(fd, request + used, REQUEST_MAX - 1 - used, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return 0;
        used += got > 0 ? (size_t)got : 0;
        request[used] = '\0';
        if (strlen(request) != used) /* a zero byte is no text */
            return -1;
        if (strstr(request, "\r\n\r\n") != NULL)
            return (ssize_t)used;
    }
    return -1;
}

static void send_all(int fd, const char *bytes, size_t length)
{
    const int64_t until = now_ms() + ANSWER_MS;
    for (size_t done = 0; done < length && wait_for(fd, POLLOUT, until);) {
        const ssize_t taken = send(fd, bytes + done, length - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (taken < 0 && errno != EAGAIN && errno != EINTR)
            return;
        done += taken > 0 ? (size_t)taken : 0;
    }
}

static void answer(int fd, const char *status, const char *type, const char *body, size_t length, bool with_body)
{
    char head[512];
    const int size = snprintf(head, sizeof head,
                              "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                              "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                              status, type, length);
    send_all(fd, head, (size_t)size);
    if (with_body)
        send_all(fd, body, length);
}

static void answer_error(int fd, const char *status)
{
    char body[128];
    const int length = snprintf(body, sizeof body, "%s\n", status);
    answer(fd, status, "text/plain; charset=utf-8", body, (size_t)length, true);
}

/* The target of "GET TARGET HTTP/1.x", in place; NULL: the first line is not one. */
static char *target_of(char *request, bool *is_head)
{
    char *line_end = strstr(request, "\r\n");
    *line_end = '\0';
    *is_head = strncmp(request, "HEAD ", 5) == 0;
    char *target = request + (*is_head ? 5 : 4), *space = strchr(target, ' ');
    if ((!*is_head && strncmp(request, "GET ", 4) != 0) || space == NULL)
        return NULL;
    *space = '\0';
    const bool is_http_1 = strcmp(space + 1, "HTTP/1.1") == 0 || strcmp(space + 1, "HTTP/1.0") == 0;
    return is_http_1 && target[0] == '/' ? target : NULL;
}

static void serve_one(int fd, struct series_set *set, const char *folder)
{
    char request[REQUEST_MAX];
    bool is_head = false;
    const ssize_t length = read_request(fd, request);
    if (length == 0)
        return;
    if (length < 0) {
        answer_error(fd, "400 Bad Request");
        return;
    }
    const char *target = target_of(request, &is_head);
    if (target == NULL) {
        answer_error(fd, "405 Method Not Allowed");
    } else if (strcmp(target, "/metrics") == 0) {
        size_t size = 0;
        char *text = exporter_text(set, folder, &size);
        if (text == NULL)
            answer_error(fd, "500 Internal Server Error");
        else
            answer(fd, "200 OK", "text/plain; version=0.0.4; charset=utf-8", text, size, !is_head);
        free(text);
    } else if (strcmp(target, "/") == 0) {
        static const char page[] = "pfswrap exporter: the metrics are at /metrics\n";
        answer(fd, "200 OK", "text/plain; charset=utf-8", page, sizeof page - 1, !is_head);
    } else {
        answer_error(fd, "404 Not Found");
    }
}

int exporter_serve(struct series_set *set, const char *folder, const char *address)
{
    struct sockaddr_storage where;
    const int yes = 1;
    const socklen_t length = parse_address(address, &where);
    if (length == 0)
        return 2;
    const int listener = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(listener, (const struct sockaddr *)&where, length) != 0 || listen(listener, WAITING_MAX) != 0) {
        message("cannot listen on %.80s: %s", address, strerror(errno));
        return STATUS_REFUSED;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && (errno == EBADF || errno == EINVAL || errno == ENOTSOCK))
            break;
        if (fd < 0) {
            const struct timespec pause = {.tv_nsec = 100000000}; /* EMFILE and the like do not pass at once */
            (void)nanosleep(&pause, NULL);
            continue;
        }
        serve_one(fd, set, folder);
        (void)shutdown(fd, SHUT_WR);
        (void)close(fd);
    }
    message("cannot accept connections on %.80s: %s", address, strerror(errno));
    return STATUS_REFUSED;
}
