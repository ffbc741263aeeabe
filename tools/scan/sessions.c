/*
 * Resumption and early data need complete handshakes, and so keys: openssl(1) makes them, if it is installed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "scan.h"
#include "starttls.h"

enum { OUTPUT_MAX = 64 * 1024, ARGUMENTS_MAX = 24, PATH_TEXT = 64 };

static char output[OUTPUT_MAX];

struct client {
    const struct scan_target *target;
    const char *version;       /* "-tls1_3" */
    const char *save, *resume; /* files of a session; NULL: none */
    const char *early;         /* a file with early data */
    struct child_input until;
};

/* Runs openssl s_client; its output is in output[]. Returns as child_run(). */
static int run(const struct client *client)
{
    char *argv[ARGUMENTS_MAX] = {
        (char *)"openssl",       (char *)"s_client", (char *)"-connect",       (char *)client->target->text,
        (char *)client->version, (char *)"-cipher",  (char *)"ALL:@SECLEVEL=0"};
    size_t count = 7;
    argv[count++] = (char *)(client->target->name != NULL ? "-servername" : "-noservername");
    if (client->target->name != NULL)
        argv[count++] = (char *)client->target->name;
    if (client->target->starttls != NULL) {
        argv[count++] = (char *)"-starttls";
        argv[count++] = (char *)starttls_name(client->target->starttls);
    }
    if (client->save != NULL) {
        argv[count++] = (char *)"-sess_out";
        argv[count++] = (char *)client->save;
    }
    if (client->resume != NULL) {
        argv[count++] = (char *)"-sess_in";
        argv[count++] = (char *)client->resume;
    }
    if (client->early != NULL) {
        argv[count++] = (char *)"-early_data";
        argv[count++] = (char *)client->early;
    }
    return child_run(argv, 2 * client->target->timeout_ms, &client->until, output, sizeof output);
}

static bool has_session(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && status.st_size > 0;
}

static bool was_made(void)
{
    return strstr(output, "Cipher is (NONE)") == NULL &&
           (strstr(output, "New, TLS") != NULL || strstr(output, "Reused, TLS") != NULL);
}

/* Gets a session. Returns true if there is one; false after a row that says why there is none. */
static bool get_session(struct scan_target *target, const struct client *client, const char *id, const char *words,
                        enum scan_policy policy)
{
    (void)unlink(client->save);
    const int status = run(client);
    if (has_session(client->save))
        return true;
    if (status == CHILD_MISSING)
        (void)scan_add(target, id, words, SCAN_NOT_PROBED, policy, "openssl(1) is not installed");
    else if (!was_made())
        (void)scan_add(target, id, words, SCAN_NOT_PROBED, policy, "openssl(1) could not make a handshake");
    else
        (void)scan_add(target, id, words, SCAN_REFUSED, policy, "no session to resume in time");
    return false;
}

static void resume(struct scan_target *target, const char *file, bool is_tls13)
{
    const char *const version = is_tls13 ? "-tls1_3" : "-tls1_2";
    const char *const id = is_tls13 ? "tls13.resumption" : "tls12.resumption";
    const char *const words = is_tls13 ? "TLS 1.3, resumption" : "TLS 1.2, resumption";
    const bool is_allowed =
        is_tls13 && target->policy->tls.session_tickets == POLICY_TICKETS_ALLOW && !scan_seal_is_required(target);
    const enum scan_policy policy = is_allowed ? SCAN_ALLOWS : SCAN_FORBIDS;
    const struct client first = {target, version, file, NULL, NULL, {NULL, file}};
    const struct client second = {target, version, NULL, file, NULL, {"Verif", NULL}};
    if (!get_session(target, &first, id, words, policy))
        return;
    (void)run(&second);
    if (strstr(output, "Reused, TLS") != NULL)
        (void)scan_add(target, id, words, SCAN_ACCEPTED, policy, "");
    else
        (void)scan_add(target, id, words, was_made() ? SCAN_REFUSED : SCAN_UNCLEAR, policy,
                       was_made() ? "a full handshake instead" : "no handshake with the session");
}

static void send_early_data(struct scan_target *target, const char *file, const char *data)
{
    static const char id[] = "tls13.early-data", words[] = "TLS 1.3, early data (0-RTT)";
    const struct client first = {target, "-tls1_3", file, NULL, NULL, {NULL, file}};
    const struct client second = {target, "-tls1_3", NULL, file, data, {"Early data was", NULL}};
    if (!get_session(target, &first, id, words, SCAN_FORBIDS))
        return;
    if (strstr(output, "Max Early Data: 0") != NULL) {
        (void)scan_add(target, id, words, SCAN_REFUSED, SCAN_FORBIDS, "the ticket allows none");
        return;
    }
    (void)run(&second);
    if (strstr(output, "Early data was accepted") != NULL)
        (void)scan_add(target, id, words, SCAN_ACCEPTED, SCAN_FORBIDS, "");
    else if (strstr(output, "Early data was") != NULL)
        (void)scan_add(target, id, words, SCAN_REFUSED, SCAN_FORBIDS, "not accepted");
    else
        (void)scan_add(target, id, words, SCAN_UNCLEAR, SCAN_FORBIDS, "no handshake with the session");
}

static bool is_accepted(const struct scan_target *target, const char *id)
{
    for (size_t i = 0; i < target->count; i++)
        if (strcmp(target->rows[i].id, id) == 0)
            return target->rows[i].result == SCAN_ACCEPTED;
    return false;
}

void scan_sessions(struct scan_target *target)
{
    char folder[] = "/tmp/pfswrap-scan-XXXXXX", session[PATH_TEXT], data[PATH_TEXT];
    const bool has_tls13 = is_accepted(target, "version.TLSv1.3"), has_tls12 = is_accepted(target, "tls12.any");
    if ((!has_tls13 && !has_tls12) || mkdtemp(folder) == NULL)
        return;
    (void)snprintf(session, sizeof session, "%s/session", folder);
    (void)snprintf(data, sizeof data, "%s/data", folder);
    FILE *const file = fopen(data, "we");
    if (file != NULL) {
        (void)fputs("GET / HTTP/1.0\r\n\r\n", file);
        (void)fclose(file);
    }
    if (has_tls13) {
        resume(target, session, true);
        send_early_data(target, session, data);
    }
    if (has_tls12)
        resume(target, session, false);
    (void)unlink(session);
    (void)unlink(data);
    (void)rmdir(folder);
}
