/*
 * pfswrap learn [OPTION...] LOG...: proposes a policy from logs of mode = audit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "write.h"
#include "../arguments.h"
#include "../commands.h"
#include "../message.h"
#include "../report/moment.h"

static const char usage[] =
    "expected pfswrap learn [--yes] [--output FILE] [--policy FILE] [--program NAME] [--since TIME] "
    "[--until TIME] LOG...";

struct options {
    const char *output, *policy, *program;
    int64_t since, until;
    bool takes_all;
};

/* As struct arguments says. */
static int set_option(void *closure, const char *option, const char *value)
{
    struct options *const options = closure;
    const bool is_since = strcmp(option, "--since") == 0;
    if (strcmp(option, "--output") == 0) {
        options->output = value;
    } else if (strcmp(option, "--policy") == 0) {
        options->policy = value;
    } else if (strcmp(option, "--program") == 0) {
        options->program = value;
    } else if (is_since || strcmp(option, "--until") == 0) {
        if (moment_read(value, is_since ? &options->since : &options->until))
            return 0;
        message("%s %.80s is wrong, expected a time such as 2026-11-22 or 2026-11-22T03:12:04Z", option, value);
        return -1;
    } else {
        return 1;
    }
    return 0;
}

/* Returns the index of the first LOG in argv, or -1 after a message. */
static int parse_options(int argc, char **argv, struct options *options)
{
    const struct arguments_flag flags[] = {{"--yes", &options->takes_all}, {NULL, NULL}};
    const struct arguments arguments = {"learn", usage, flags, options, set_option};
    const int i = arguments_read(argc, argv, &arguments);
    if (i < 0)
        return -1;
    if (i == argc) {
        message("learn takes one LOG or more, %s", usage);
        return -1;
    }
    for (int j = i; j < argc; j++)
        if (!options->takes_all && strcmp(argv[j], "-") == 0) {
            message("standard input is a log and cannot have answers, expected --yes as well");
            return -1;
        }
    return i;
}

/* The policy from which the proposal begins. Returns 0, or -1 after a message. */
static int load_base(struct policy *base, const char *path)
{
    static struct policy_error error;
    policy_builtin(base);
    if (path != NULL && policy_load(base, path, &error) < 0) {
        message("%s", error.text);
        return -1;
    }
    if (path == NULL)
        base->log = POLICY_LOG_SYSLOG;
    base->mode = POLICY_ENFORCE;
    if (base->wire.plaintext == POLICY_PLAINTEXT_LOG)
        base->wire.plaintext = POLICY_PLAINTEXT_REFUSE;
    return 0;
}

/* The proposal must be what pfswrap check accepts. Returns 0, or -1 after a message. */
static int check(const char *text, size_t size)
{
    static struct policy policy;
    static struct policy_error error;
    if (policy_parse(&policy, "the proposal", text, size, &error) == 0)
        return 0;
    message("%s", error.text);
    return -1;
}

/* Writes the file, and puts it in place when it is whole. Returns 0, or -1 after a message. */
static int write_file(const char *path, const char *text, size_t size)
{
    char *name;
    if (asprintf(&name, "%s.XXXXXX", path) < 0) {
        message("not enough memory for the policy");
        return -1;
    }
    const int fd = mkstemp(name);
    bool is_written = fd >= 0 && fchmod(fd, 0644) == 0;
    for (size_t done = 0; is_written && done < size;) {
        const ssize_t count = write(fd, text + done, size - done);
        is_written = count > 0 || (count < 0 && errno == EINTR);
        done += count > 0 ? (size_t)count : 0;
    }
    is_written = is_written && fsync(fd) == 0;
    if (fd >= 0)
        is_written = close(fd) == 0 && is_written;
    is_written = is_written && rename(name, path) == 0;
    if (!is_written)
        message("%s cannot be written: %s", path, strerror(errno));
    if (!is_written && fd >= 0)
        (void)unlink(name);
    free(name);
    return is_written ? 0 : -1;
}

/* Returns an exit status. */
static int finish(const struct learned *learned, const struct options *options)
{
    size_t size;
    char *const text = learned_write(learned, &size);
    int result = text != NULL ? check(text, size) : -1;
    if (result == 0 && options->output != NULL) {
        result = write_file(options->output, text, size);
        if (result == 0) {
            out("Written: %s. Repair instead:\n", options->output);
            if (learned_write_repairs(stdout, "", learned->proposals) == 0)
                out("nothing\n");
        }
    } else if (result == 0) {
        out("%s", text);
    }
    free(text);
    return out_finish() != 0 || result < 0 || !sources_are_whole(learned->sources) ? 1 : 0;
}

static void add_record(void *context, const struct record *record, const char *origin)
{
    facts_add(context, record, origin);
}

int command_learn(int argc, char **argv)
{
    static struct policy base, policy;
    static struct facts facts;
    const struct source_receiver receiver = {.context = &facts, .add = add_record};
    static struct proposals proposals;
    struct options options = {.since = MOMENT_NONE, .until = INT64_MAX};
    struct sources sources = {0};
    struct progress progress;
    const int first = parse_options(argc, argv, &options);
    if (first < 0)
        return 2;
    if (load_base(&base, options.policy) < 0 || sources_open(&sources, argv + first, (size_t)(argc - first)) < 0)
        return 1;
    facts.base = &base;
    facts.program = options.program;
    facts.since = options.since;
    facts.until = options.until;
    facts_start(&facts);
    sources_read(&sources, &receiver, &progress);
    for (size_t i = 0; i < sources.count; i++)
        if (sources.list[i].problem[0] != '\0')
            message("%s was not read to its end: %s", sources.list[i].path, sources.list[i].problem);
    if (facts.programs.count == 0) {
        message("the log has no event%s%.80s, expected one of mode = audit", options.program != NULL ? " of " : "",
                options.program != NULL ? options.program : "");
        return 1;
    }
    proposals_make(&proposals, &facts);
    if (!options.takes_all && proposals_ask(&proposals) < 0)
        return 1;
    policy = base;
    proposals_apply(&proposals, &policy);
    const struct learned learned = {&facts, &proposals, &sources, options.policy, &policy};
    return finish(&learned, &options);
}
