/*
 * pfswrap report [OPTION...] LOG...: what the audit log proves, for each control that an auditor asks about. The
 * short text goes to standard output, or the JSON with --json; the page goes to the file of --html.
 */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "moment.h"
#include "verify.h"
#include "../arguments.h"
#include "../commands.h"
#include "../message.h"

enum {
    GAP_DEFAULT = 6 * 3600,
    CRYPTOPERIOD_DEFAULT = 25 * 3600 /* docs/WIRE.md, 2.11: an hour, and a day to renew */
};

static const char usage[] =
    "expected pfswrap report [--html FILE] [--json] [--policy FILE]... [--scan FILE]... [--since TIME] [--until "
    "TIME] [--gap TIME] [--cryptoperiod TIME] [--title TEXT] LOG..., or pfswrap report --verify KEY-FILE [--json] "
    "LOG...";

struct options {
    const char *html, *title, *verify;
    const char *policies[POLICIES_MAX], *scans[SCAN_FILES_MAX];
    size_t policy_count, scan_count;
    bool is_json;
    int64_t since, until, gap, cryptoperiod;
};

static int wrong(const char *option, const char *value, const char *expected)
{
    message("%s %.80s is wrong, expected %s", option, value, expected);
    return -1;
}

/* As struct arguments says. */
static int set_option(void *closure, const char *option, const char *value)
{
    struct options *const options = closure;
    static const char time_form[] = "a time such as 2026-11-22 or 2026-11-22T03:12:04Z";
    static const char duration_form[] = "a number with s, m, h or d, such as 6h";
    if (strcmp(option, "--html") == 0) {
        options->html = value;
    } else if (strcmp(option, "--verify") == 0) {
        options->verify = value;
    } else if (strcmp(option, "--title") == 0) {
        options->title = value;
    } else if (strcmp(option, "--policy") == 0) {
        if (options->policy_count == POLICIES_MAX)
            return wrong(option, value, "at most 32 policies");
        options->policies[options->policy_count++] = value;
    } else if (strcmp(option, "--scan") == 0) {
        if (options->scan_count == SCAN_FILES_MAX)
            return wrong(option, value, "at most 32 scans");
        options->scans[options->scan_count++] = value;
    } else if (strcmp(option, "--since") == 0) {
        return moment_read(value, &options->since) ? 0 : wrong(option, value, time_form);
    } else if (strcmp(option, "--until") == 0) {
        return moment_read(value, &options->until) ? 0 : wrong(option, value, time_form);
    } else if (strcmp(option, "--gap") == 0) {
        return duration_read(value, &options->gap) ? 0 : wrong(option, value, duration_form);
    } else if (strcmp(option, "--cryptoperiod") == 0) {
        return duration_read(value, &options->cryptoperiod) ? 0 : wrong(option, value, duration_form);
    } else {
        return 1;
    }
    return 0;
}

/* Returns the index of the first LOG in argv, or -1 after a message. */
static int parse_options(int argc, char **argv, struct options *options)
{
    const struct arguments_flag flags[] = {{"--json", &options->is_json}, {NULL, NULL}};
    const struct arguments arguments = {"report", usage, flags, options, set_option};
    const int i = arguments_read(argc, argv, &arguments);
    if (i < argc)
        return i;
    message("report takes one LOG or more, %s", usage);
    return -1;
}

/* Writes the page, and puts it in place when it is whole. "-" is standard output. Returns an exit status. */
static int write_page(const struct report *report, const char *path)
{
    if (strcmp(path, "-") == 0) {
        report_write_html(report, stdout);
        return out_finish();
    }
    char *name;
    if (asprintf(&name, "%s.XXXXXX", path) < 0) {
        message("not enough memory for the page");
        return 1;
    }
    const int fd = mkstemp(name);
    FILE *const file = fd >= 0 && fchmod(fd, 0640) == 0 ? fdopen(fd, "w") : NULL;
    int result = -1;
    if (file != NULL) {
        report_write_html(report, file);
        const bool is_written = ferror(file) == 0 && fflush(file) == 0;
        result = fclose(file) == 0 && is_written ? rename(name, path) : -1;
    }
    if (result < 0) {
        message("%s cannot be written: %s", path, strerror(errno));
        if (fd >= 0)
            (void)unlink(name);
    }
    free(name);
    return result < 0 ? 1 : 0;
}

/* A log that could not be read to its end is a finding, and a message. */
static void tell_problems(const struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        if (sources->list[i].problem[0] != '\0')
            message("%s was not read to its end: %s", sources->list[i].path, sources->list[i].problem);
}

static void add_record(void *context, const struct record *record, const char *origin)
{
    evidence_add(context, record, origin);
}

int command_report(int argc, char **argv)
{
    static struct report report;
    const struct source_receiver receiver = {.context = &report.evidence, .add = add_record};
    struct progress progress;
    struct options options = {.title = "Encryption in transit: evidence from the audit log of pfswrap",
                              .since = MOMENT_NONE,
                              .until = INT64_MAX,
                              .gap = (int64_t)GAP_DEFAULT * MOMENT_SECOND,
                              .cryptoperiod = (int64_t)CRYPTOPERIOD_DEFAULT * MOMENT_SECOND};
    const int first = parse_options(argc, argv, &options);
    if (first < 0)
        return 2;
    if (options.verify != NULL)
        return report_verify(argv + first, (size_t)(argc - first), options.verify, options.is_json);
    report.title = options.title;
    report.made = (int64_t)time(NULL) * MOMENT_SECOND;
    report.evidence.since = options.since;
    report.evidence.until = options.until;
    report.evidence.gap_limit = options.gap;
    report.evidence.cryptoperiod = options.cryptoperiod;
    if (scans_load(&report.scans, options.scans, options.scan_count) < 0)
        return 1;
    evidence_start(&report.evidence);
    if (sources_open(&report.sources, argv + first, (size_t)(argc - first)) < 0)
        return 1;
    sources_read(&report.sources, &receiver, &progress);
    evidence_finish(&report.evidence);
    if (policies_load(&report.policies, &report.evidence, options.policies, options.policy_count) < 0)
        return 1;
    findings_collect(&report.findings, &report.evidence, &report.sources, &report.policies);
    controls_judge(report.verdicts, &report.evidence, &report.findings, &report.scans);
    tell_problems(&report.sources);
    int status = options.html != NULL ? write_page(&report, options.html) : 0;
    if (options.is_json)
        report_write_json(&report);
    else if (options.html == NULL || strcmp(options.html, "-") != 0)
        report_write_text(&report);
    if (out_finish() != 0)
        status = 1;
    return status != 0 || !sources_are_whole(&report.sources) ? 1 : 0;
}
