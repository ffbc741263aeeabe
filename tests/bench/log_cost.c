/*
 * What the audit log costs for one TLS handshake: the addresses of its socket and the event, as shim/tls/report.c
 * writes it, by the policy in a file.
 *
 * log_cost POLICY EVENTS: prints microseconds of the processor for an event.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "audit/addresses.h"
#include "audit/audit.h"
#include "policy/policy.h"

static int fail(const char *what)
{
    (void)fprintf(stderr, "log_cost: %s\n", what);
    return EXIT_FAILURE;
}

/* Both ends of a TCP connection on the loopback. Returns 0, or -1. */
static int connect_ends(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return -1;
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_connected = ends[0] >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
                              listen(listener, 1) == 0 &&
                              getsockname(listener, (struct sockaddr *)&address, &length) == 0 &&
                              connect(ends[0], (struct sockaddr *)&address, sizeof address) == 0;
    ends[1] = is_connected ? accept(listener, NULL, NULL) : -1;
    (void)close(listener);
    return ends[1] < 0 ? -1 : 0;
}

static void report(int fd, bool is_resumed)
{
    struct audit_addresses addresses = {{0}, {0}};
    if (audit_has_handshakes())
        audit_addresses_read(&addresses, fd);
    const struct audit_field fields[] = {
        AUDIT_S("role", "server"),
        AUDIT_S("local", addresses.local),
        AUDIT_S("peer", addresses.peer),
        AUDIT_S("server_name", "shop.example.org"),
        AUDIT_S("version", "TLSv1.3"),
        AUDIT_S("group", "X25519"),
        AUDIT_S("cipher", "TLS_AES_256_GCM_SHA384"),
        AUDIT_B("resumed", is_resumed),
        AUDIT_S("verified", "none"),
        AUDIT_S("rule", "tls"),
    };
    audit_event("handshake", fields, sizeof fields / sizeof fields[0]);
}

static double processor_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
    static struct policy policy;
    static struct policy_error error;
    static const uint8_t key[32] = {16};
    int ends[2];
    const long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (count < 1)
        return fail("expected POLICY and how many events");
    if (policy_load(&policy, argv[1], &error) != 0)
        return fail(error.text);
    if (connect_ends(ends) != 0)
        return fail("the loopback has no connection");
    if (audit_start(&policy, policy.log_chain[0] != '\0' ? key : NULL) != 0)
        return fail("the log cannot be written");
    const double begin = processor_us();
    for (long i = 0; i < count; i++)
        report(ends[1], i % 4 == 0);
    (void)printf("%.4f\n", (processor_us() - begin) / (double)count);
    return EXIT_SUCCESS;
}
