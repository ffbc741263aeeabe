/*
 * Parses the options of `pfswrap seal`. Options that name keys become the text of a policy, so that they have the
 * checks and the messages of policies. See options.h.
 */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../message.h"

static const char usage[] =
    "expected pfswrap seal connect|listen|probe [OPTION...] ADDRESS:PORT, see pfswrap-seal(1)";

/* The policy that options stand for: lines of [seal], and lines of the rule. */
struct text {
    char seal[PATH_MAX * 2], rule[PATH_MAX];
};

enum {
    CONNECTS = 1 << SEAL_CONNECT,
    LISTENS = 1 << SEAL_LISTEN,
    PROBES = 1 << SEAL_PROBE,
    TALKS = CONNECTS | LISTENS
};

enum id {
    POLICY,
    IDENTITY,
    PEERS,
    PEER,
    PSK,
    SERVICE,
    REKEY,
    POST_QUANTUM,
    PADDING,
    HANDSHAKE_TIMEOUT,
    ANY,
    TLS,
    TLS_CA,
    TLS_NAME,
    TLS_NO_VERIFY,
    TLS_CERT,
    TLS_KEY,
    TIMEOUT,
    ECHO_BACK,
    KEEP,
    WAIT,
    JSON,
    VERBOSE,
};

static const struct option {
    const char *name;
    enum id id;
    int commands;
    bool takes_value;
} all[] = {
    {"--policy", POLICY, TALKS, true},
    {"--identity", IDENTITY, TALKS, true},
    {"--peers", PEERS, TALKS, true},
    {"--peer", PEER, TALKS, true},
    {"--psk", PSK, TALKS, true},
    {"--service", SERVICE, TALKS, true},
    {"--rekey", REKEY, TALKS, true},
    {"--post-quantum", POST_QUANTUM, TALKS, true},
    {"--padding", PADDING, TALKS, true},
    {"--handshake-timeout", HANDSHAKE_TIMEOUT, TALKS, true},
    {"--any", ANY, LISTENS, false},
    {"--tls", TLS, TALKS | PROBES, false},
    {"--tls-ca", TLS_CA, CONNECTS, true},
    {"--tls-name", TLS_NAME, CONNECTS | PROBES, true},
    {"--tls-no-verify", TLS_NO_VERIFY, CONNECTS, false},
    {"--tls-cert", TLS_CERT, LISTENS, true},
    {"--tls-key", TLS_KEY, LISTENS, true},
    {"--timeout", TIMEOUT, PROBES, true},
    {"--echo", ECHO_BACK, LISTENS, false},
    {"--keep", KEEP, LISTENS, false},
    {"--wait", WAIT, CONNECTS, false},
    {"--json", JSON, PROBES, false},
    {"--verbose", VERBOSE, TALKS | PROBES, false},
    {"-v", VERBOSE, TALKS | PROBES, false},
};

static const char *const command_names[] = {
    [SEAL_CONNECT] = "connect", [SEAL_LISTEN] = "listen", [SEAL_PROBE] = "probe"};

static int fail_usage(const char *problem, const char *word)
{
    message("seal: %s %.80s, %s", problem, word, usage);
    return 2;
}

/* Appends "KEY = VALUE" to the text, whose size is `size`. A value with a line break would be more than one line.
 */
static int add_line(char *text, size_t size, const char *key, const char *value)
{
    const size_t used = strlen(text);
    const int length = snprintf(text + used, size - used, "%s = %s\n", key, value);
    return value[0] == '\0' || strchr(value, '\n') != NULL || length < 0 || (size_t)length >= size - used ? -1 : 0;
}

/* The same for a file. A policy has absolute paths only; on a command line, a path may begin in this folder. */
static int add_file(char *text, size_t size, const char *key, const char *path)
{
    char folder[PATH_MAX], absolute[2 * PATH_MAX];
    if (path[0] == '/' || path[0] == '$')
        return add_line(text, size, key, path);
    if (path[0] == '\0' || getcwd(folder, sizeof folder) == NULL)
        return -1;
    const int length = snprintf(absolute, sizeof absolute, "%s/%s", folder, path);
    return length < 0 || (size_t)length >= sizeof absolute ? -1 : add_line(text, size, key, absolute);
}

/* The names of one key are one line of the policy. */
static int add_peer(char *peers, size_t size, const char *name)
{
    const size_t used = strlen(peers);
    const int length = snprintf(peers + used, size - used, "%s%s", used > 0 ? ", " : "", name);
    return name[0] == '\0' || length < 0 || (size_t)length >= size - used ? -1 : 0;
}

/* "500ms" or "2s": 1 ms to 60 s. Returns 0, or -1. */
static int read_time(const char *text, int *ms)
{
    char *end;
    const long number = strtol(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || number < 1 || number > 60000)
        return -1;
    if (strcmp(end, "ms") == 0)
        *ms = (int)number;
    else if (strcmp(end, "s") == 0 && number <= 60)
        *ms = (int)number * 1000;
    else
        return -1;
    return 0;
}

/* ADDRESS:PORT, [ADDRESS]:PORT or, for listen, PORT alone. Returns 0, or -1. */
static int read_address(struct seal_options *options, const char *text)
{
    const char *const colon = strrchr(text, ':'), *port = colon != NULL ? colon + 1 : text;
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    const bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    if (bracketed) {
        text++;
        length -= 2;
    }
    if ((length == 0 && (options->command != SEAL_LISTEN || bracketed)) || length >= sizeof options->host ||
        (!bracketed && memchr(text, ':', length) != NULL) || port[0] == '\0' ||
        strlen(port) >= sizeof options->port)
        return -1;
    memcpy(options->host, text, length);
    options->host[length] = '\0';
    (void)snprintf(options->port, sizeof options->port, "%s", port);
    return 0;
}

static const struct option *find_option(enum seal_command command, const char *word)
{
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, word) == 0 && (all[i].commands & (1 << command)) != 0)
            return &all[i];
    return NULL;
}

/* What is read before the policy can be made. */
struct given {
    struct text text;
    char peers[SEAL_NAMES_MAX];
    const char *policy;
};

/* Takes over one option. Returns 0, or -1 if the value is not valid. */
static int take_option(struct seal_options *options, struct given *given, enum id id, const char *value)
{
    char *const seal = given->text.seal;
    const size_t size = sizeof given->text.seal;
    switch (id) {
    case POLICY:
        given->policy = value;
        return 0;
    case IDENTITY:
        return add_file(seal, size, "identity", value);
    case PEERS:
        return add_file(seal, size, "peers", value);
    case PSK:
        return add_file(seal, size, "psk", value);
    case REKEY:
        return add_line(seal, size, "rekey", value);
    case HANDSHAKE_TIMEOUT:
        return add_line(seal, size, "handshake-timeout", value);
    case PEER:
        return add_peer(given->peers, sizeof given->peers, value);
    case SERVICE:
        return add_line(given->text.rule, sizeof given->text.rule, "service", value);
    case POST_QUANTUM:
        return add_line(given->text.rule, sizeof given->text.rule, "post-quantum", value);
    case PADDING:
        return add_line(given->text.rule, sizeof given->text.rule, "padding", value);
    case ANY:
        return add_line(given->text.rule, sizeof given->text.rule, "clients", "any");
    case TLS:
        options->tls = true;
        return 0;
    case TLS_CA:
        options->tls_ca = value;
        return 0;
    case TLS_NAME:
        options->tls_name = value;
        return 0;
    case TLS_NO_VERIFY:
        options->tls_verify = false;
        return 0;
    case TLS_CERT:
        options->tls_certificate = value;
        return 0;
    case TLS_KEY:
        options->tls_key = value;
        return 0;
    case TIMEOUT:
        return read_time(value, &options->timeout_ms);
    case ECHO_BACK:
        options->echo = true;
        return 0;
    case KEEP:
        options->keep = true;
        return 0;
    case WAIT:
        options->waits = true;
        return 0;
    case JSON:
        options->json = true;
        return 0;
    case VERBOSE:
        options->verbose = true;
        return 0;
    }
    return -1;
}

/* The policy that the options stand for. Its messages begin with "options:LINE". Returns 0, or 1 after a message.
 */
static int parse_given(struct seal_options *options, struct given *given)
{
    static char text[sizeof(struct text) + SEAL_NAMES_MAX + 256];
    static struct policy_error error;
    const bool listens = options->command == SEAL_LISTEN;
    if (given->peers[0] != '\0' &&
        add_line(given->text.rule, sizeof given->text.rule, listens ? "clients" : "peer", given->peers) != 0) {
        message("seal: the names after --peer are too long");
        return 2;
    }
    const int length = snprintf(text, sizeof text, "[seal]\n%s[%s options]\naddress = [::]:*\nseal = require\n%s%s",
                                given->text.seal, command_names[options->command],
                                options->tls ? "layer = tls\n" : "", given->text.rule);
    if (policy_parse(&options->policy, "options", text, (size_t)length, &error) == 0)
        return 0;
    message("seal: %s", error.text);
    return 1;
}

static int load_policy(struct seal_options *options, const char *file)
{
    static struct policy_error error;
    char path[PATH_MAX];
    if (file == NULL && policy_locate(path, sizeof path, "") < 0) {
        message("seal: the path of the policy is too long, expected at most %d bytes", PATH_MAX - 1);
        return 1;
    }
    if (policy_load(&options->policy, file != NULL ? file : path, &error) == 0)
        return 0;
    message("seal: %s", error.text);
    return 1;
}

/* What the options must have in common. Returns 0, or 2 after a message. */
static int check_combination(const struct seal_options *options, const struct given *given)
{
    if (given->policy != NULL && options->has_keys) {
        message("seal: --policy beside options that name keys, expected one of the two");
        return 2;
    }
    if (options->has_keys && options->command == SEAL_LISTEN && options->tls &&
        (options->tls_certificate == NULL || options->tls_key == NULL)) {
        message("seal: --tls without a certificate, expected --tls-cert FILE and --tls-key FILE");
        return 2;
    }
    return 0;
}

static bool names_keys(enum id id)
{
    return id == IDENTITY || id == PEERS || id == PEER || id == PSK || id == SERVICE || id == REKEY ||
           id == HANDSHAKE_TIMEOUT || id == ANY;
}

/* The options before ADDRESS. Returns 0 with *index set to the first word that is not one, or 2 after a message. */
static int read_options(struct seal_options *options, struct given *given, int argc, char **argv, int *index)
{
    int i = *index;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        const struct option *const option = find_option(options->command, argv[i]);
        if (option == NULL)
            return fail_usage("unknown option", argv[i]);
        if (option->takes_value && i + 1 == argc)
            return fail_usage("no value after", argv[i]);
        const char *const value = option->takes_value ? argv[++i] : "";
        if (take_option(options, given, option->id, value) != 0) {
            message("seal: %s %.80s is not valid, expected %s", option->name, value,
                    option->id == TIMEOUT ? "1ms to 60s" : "one that a policy may have (pfswrap.conf(5))");
            return 2;
        }
        options->has_keys |= names_keys(option->id);
    }
    *index = i;
    return 0;
}

int seal_options_read(struct seal_options *options, int argc, char **argv)
{
    static struct given given;
    int i = 1;
    *options = (struct seal_options){.tls_verify = true, .timeout_ms = 1000};
    if (argc < 1)
        return fail_usage("no command after", "seal");
    int command = SEAL_CONNECT;
    while (command <= SEAL_PROBE && strcmp(argv[0], command_names[command]) != 0)
        command++;
    if (command > SEAL_PROBE)
        return fail_usage("unknown command", argv[0]);
    options->command = (enum seal_command)command;
    if (read_options(options, &given, argc, argv, &i) != 0)
        return 2;
    if (i == argc)
        return fail_usage("no address after", command_names[command]);
    if (i + 1 < argc)
        return fail_usage("unexpected argument", argv[i + 1]);
    if (read_address(options, argv[i]) != 0) {
        message("seal: %.80s is no address, expected %s", argv[i],
                command == SEAL_LISTEN ? "ADDRESS:PORT, [ADDRESS]:PORT or PORT" : "ADDRESS:PORT or [ADDRESS]:PORT");
        return 2;
    }
    if (check_combination(options, &given) != 0)
        return 2;
    if (command == SEAL_PROBE)
        return 0;
    return options->has_keys ? parse_given(options, &given) : load_policy(options, given.policy);
}
