/*
 * The keys of [policy]: the mode, the audit log, what happens to programs that a protected one executes, io_uring,
 * and whether the policy is read again.
 */
#include "policy/parser.h"

#include <string.h>

static int set_mode(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_mode);
    if (choice < 0)
        return -1;
    parser->policy->mode = (enum policy_mode)choice;
    return 0;
}

/* The journal's socket: behind a colon, or the usual one. */
static int set_log_journald(struct policy_parser *parser, const char *path)
{
    struct policy *policy = parser->policy;
    policy->log = POLICY_LOG_JOURNALD;
    if (path[0] == '\0')
        return policy_value_path(parser, POLICY_JOURNAL_SOCKET, policy->log_path);
    if (path[1] != '/')
        return policy_fail(parser, "log = journald%.80s, expected journald:/PATH of a socket", path);
    if (strlen(path + 1) >= POLICY_SOCKET_MAX)
        return policy_fail(parser, "log has a socket's path of %zu bytes, expected at most %d", strlen(path + 1),
                           POLICY_SOCKET_MAX - 1);
    return policy_value_path(parser, path + 1, policy->log_path);
}

static int set_log(struct policy_parser *parser, const char *value)
{
    struct policy *policy = parser->policy;
    if (strcmp(value, "stderr") == 0) {
        policy->log = POLICY_LOG_STDERR;
    } else if (strcmp(value, "syslog") == 0) {
        policy->log = POLICY_LOG_SYSLOG;
    } else if (strcmp(value, "journald") == 0 || strncmp(value, "journald:", 9) == 0) {
        return set_log_journald(parser, value + 8);
    } else if (value[0] == '/') {
        policy->log = POLICY_LOG_FILE;
        return policy_value_path(parser, value, policy->log_path);
    } else {
        return policy_fail(parser, "log = %.80s, expected stderr, syslog, journald or an absolute path", value);
    }
    return 0;
}

static int set_log_failure(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_log_failure);
    if (choice < 0)
        return -1;
    parser->policy->log_failure = (enum policy_log_failure)choice;
    return 0;
}

static int set_log_handshakes(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_log_handshakes);
    if (choice < 0)
        return -1;
    parser->policy->log_handshakes = (enum policy_log_handshakes)choice;
    return 0;
}

static int set_log_repeats(struct policy_parser *parser, const char *value)
{
    enum { LINES_MAX = 1000000 };
    parser->policy->log_repeats = 0;
    if (strcmp(value, "all") == 0 ||
        policy_value_number(parser, value, 1, LINES_MAX, &parser->policy->log_repeats) == 0)
        return 0;
    return policy_fail(parser, "log-repeats = %.80s, expected all or a whole number from 1 to %d", value,
                       LINES_MAX);
}

static int set_log_interval(struct policy_parser *parser, const char *value)
{
    enum { LEAST_MS = 1000 };
    uint32_t interval_ms;
    if (policy_value_duration(parser, value, &interval_ms) < 0)
        return -1;
    if (interval_ms < LEAST_MS)
        return policy_fail(parser, "log-interval = %.80s, expected 1s or more", value);
    parser->policy->log_interval_ms = interval_ms;
    return 0;
}

static int set_log_chain(struct policy_parser *parser, const char *value)
{
    parser->policy->log_chain_line = parser->reader.line;
    return policy_value_path(parser, value, parser->policy->log_chain);
}

static int set_children(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_children);
    if (choice < 0)
        return -1;
    parser->policy->children = (enum policy_children)choice;
    return 0;
}

static int set_io_uring(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_io_uring);
    if (choice < 0)
        return -1;
    parser->policy->io_uring = (enum policy_io_uring)choice;
    return 0;
}

static int set_reload(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_reload);
    if (choice < 0)
        return -1;
    parser->policy->reload = (enum policy_reload)choice;
    return 0;
}

const struct policy_key policy_keys_policy[] = {
    {"mode", false, set_mode},
    {"log", false, set_log},
    {"log-failure", false, set_log_failure},
    {"log-handshakes", false, set_log_handshakes},
    {"log-repeats", false, set_log_repeats},
    {"log-interval", false, set_log_interval},
    {"log-chain", false, set_log_chain},
    {"children", false, set_children},
    {"io-uring", false, set_io_uring},
    {"reload", false, set_reload},
    {NULL, false, NULL},
};
