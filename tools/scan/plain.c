/*
 * Plaintext, and the seal: what the port answers to a request in clear, and what `pfswrap seal probe` says.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "contact.h"

enum { PLAIN_MAX = 512, PROBE_OUTPUT = 4096, PROBE_FACTOR = 40 };

bool scan_seal_is_required(const struct scan_target *target)
{
    return target->rule != NULL && target->rule->seal == POLICY_SEAL_REQUIRE &&
           target->rule->layer == POLICY_LAYER_SOCKET;
}

static enum scan_policy policy_of(const struct scan_target *target)
{
    const struct policy_rule *const rule = target->rule;
    const enum policy_plaintext plaintext = rule != NULL && rule->plaintext != POLICY_PLAINTEXT_UNSET
                                                ? rule->plaintext
                                                : target->policy->wire.plaintext;
    return scan_seal_is_required(target) || plaintext == POLICY_PLAINTEXT_REFUSE ? SCAN_FORBIDS : SCAN_ALLOWS;
}

/* A record of TLS: an alert, which is what most servers of TLS answer to HTTP. */
static bool is_tls(const char *bytes, size_t length)
{
    return length >= 2 && (bytes[0] == 21 || bytes[0] == 22) && bytes[1] == 3;
}

void scan_plain(struct scan_target *target)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    char bytes[PLAIN_MAX], detail[SCAN_DETAIL];
    const int fd = contact_open(target);
    if (fd < 0) {
        (void)snprintf(detail, sizeof detail, "cannot connect: %s", strerror(-fd));
        (void)scan_add(target, "plaintext", "plaintext", SCAN_UNCLEAR, policy_of(target), detail);
        return;
    }
    target->is_reached = true;
    const long deadline = contact_now() + target->timeout_ms;
    const int count = contact_send(fd, request, sizeof request - 1, deadline)
                          ? contact_receive(fd, bytes, sizeof bytes - 1, deadline)
                          : 0;
    close(fd);
    if (count <= 0) {
        (void)scan_add(target, "plaintext", "plaintext", count == 0 ? SCAN_REFUSED : SCAN_UNCLEAR,
                       policy_of(target),
                       count == 0 ? "the server closed the connection" : "no answer to a request of HTTP in time");
        return;
    }
    bytes[count] = '\0';
    bytes[strcspn(bytes, "\r\n")] = '\0';
    if (is_tls(bytes, (size_t)count)) {
        (void)scan_add(target, "plaintext", "plaintext", SCAN_REFUSED, policy_of(target), "an answer of TLS");
        return;
    }
    (void)snprintf(detail, sizeof detail, "answers \"%.100s\"", bytes);
    (void)scan_add(target, "plaintext", "plaintext", SCAN_ACCEPTED, policy_of(target), detail);
}

void scan_seal(struct scan_target *target)
{
    static const char name[] = "pfswrap-seal";
    static char output[PROBE_OUTPUT];
    char path[PATH_MAX + sizeof name], timeout[16];
    const bool has_rule = target->rule != NULL && target->rule->seal != POLICY_SEAL_OFF;
    const bool is_inside = has_rule && target->rule->layer == POLICY_LAYER_TLS;
    if (target->starttls != NULL) {
        (void)scan_add(target, "seal", "the seal", SCAN_NOT_PROBED, has_rule ? SCAN_ALLOWS : SCAN_SAYS_NOTHING,
                       "the probe does not speak another protocol first");
        return;
    }
    const ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    char *const slash = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;
    if (slash == NULL)
        return;
    memcpy(slash + 1, name, sizeof name);
    (void)snprintf(timeout, sizeof timeout, "%dms", target->timeout_ms / 3);
    char *const argv[] = {path,
                          (char *)"probe",
                          (char *)"--json",
                          (char *)"--timeout",
                          timeout,
                          target->text,
                          is_inside ? (char *)"--tls" : NULL,
                          NULL};
    char *const inside[] = {
        path, (char *)"probe", (char *)"--tls", (char *)"--json", (char *)"--timeout", timeout, target->text, NULL};
    const int status =
        child_run(is_inside ? inside : argv, PROBE_FACTOR * target->timeout_ms, NULL, output, sizeof output);
    const char *const words = is_inside ? "the seal inside TLS" : "the seal";
    const enum scan_policy policy = has_rule ? SCAN_ALLOWS : SCAN_SAYS_NOTHING;
    if (status == 0)
        (void)scan_add(target, "seal", words, SCAN_ACCEPTED, policy,
                       has_rule ? "" : "no rule of the policy seals here");
    else if (status == 3)
        (void)scan_add(target, "seal", words, SCAN_REFUSED, policy,
                       has_rule ? "a rule of the policy seals here" : "");
    else
        (void)scan_add(target, "seal", words, SCAN_NOT_PROBED, policy,
                       status == CHILD_MISSING ? "pfswrap-seal is not installed" : "pfswrap seal probe failed");
}
