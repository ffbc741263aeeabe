/*
 * Formats events as lines of JSON and counts those that could not be written. entry.c has the form of the journal,
 * and sink.c writes. See audit.h.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit/audit.h"
#include "audit/chain.h"
#include "audit/count.h"
#include "audit/line.h"
#include "audit/summary.h"
#include "base/process.h"
#include "base/workspace.h"
#include "counters/counters.h"

enum { LINE_ROOM = AUDIT_LINE_MAX - 4 }; /* the rest is for `"}` and the newline */

static void line_put_field(struct line *line, const struct audit_field *field)
{
    enum { NUMBER_MAX = 24 };
    if (field->type == AUDIT_STRING && field->value.string == NULL)
        return;
    /* A key is added only if a number fits behind it. */
    if (line->length + strlen(field->key) + NUMBER_MAX + 8 > line->room)
        return;
    line_puts(line, ",\"");
    line_puts(line, field->key);
    line_puts(line, "\":");
    switch (field->type) {
    case AUDIT_STRING:
        line_put_string(line, field->value.string);
        break;
    case AUDIT_NUMBER:
        line_put_number(line, field->value.number);
        break;
    case AUDIT_BOOLEAN:
        line_puts(line, field->value.boolean ? "true" : "false");
        break;
    }
}

/* A line of at most room + 3 bytes. */
static size_t format(char *text, size_t room, int64_t time_ns, long pid, const char *program, const char *event,
                     const struct audit_field *fields, size_t count)
{
    struct line line = {.text = text, .room = room};
    line_puts(&line, "{\"time\":\"");
    line_put_time(&line, time_ns);
    line_puts(&line, "\"");
    struct audit_field common[] = {AUDIT_S("event", event), AUDIT_N("pid", pid), AUDIT_S("program", program)};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        line_put_field(&line, &common[i]);
    for (size_t i = 0; i < count; i++)
        line_put_field(&line, &fields[i]);
    text[line.length++] = '}';
    text[line.length++] = '\n';
    return line.length;
}

size_t audit_format(char *text, int64_t time_ns, long pid, const char *program, const char *event,
                    const struct audit_field *fields, size_t count)
{
    return format(text, LINE_ROOM, time_ns, pid, program, event, fields, count);
}

/* A copy of the program's name, because daemons overwrite the memory of argv[0] with a title. */
static char program_name[256];

/* The policy until the event "policy" has been written, then NULL. */
static _Atomic(const struct policy *) unannounced;

/* Events that could not be written since the last one that could, and whether that is a reason to refuse. */
static atomic_ulong lost;
static bool refuses;

static int64_t time_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Returns 0, or a negative errno value. */
static int line_write(pid_t pid, const char *event, const struct audit_field *fields, size_t count)
{
    char *line = workspace_take();
    if (line == NULL) {
        audit_sink_fail(-ENOMEM);
        return -ENOMEM;
    }
    const bool is_chained = chain_is_on();
    if (is_chained && !chain_begin()) {
        workspace_give(line);
        audit_sink_fail(-EDEADLK);
        return -EDEADLK;
    }
    const int64_t time_ns = time_now_ns();
    size_t length = audit_sink_takes_entries()
                        ? audit_format_entry(line, time_ns, (long)pid, program_name, event, fields, count)
                        : format(line, is_chained ? LINE_ROOM - CHAIN_ROOM : LINE_ROOM, time_ns, (long)pid,
                                 program_name, event, fields, count);
    if (is_chained)
        length = chain_close_line(line, length);
    const int error = audit_sink_write(line, length);
    if (is_chained)
        chain_end(error == 0);
    workspace_give(line);
    return error;
}

/* Writes how many events are missing, if that is possible by now. */
static void lost_write(pid_t pid)
{
    const unsigned long missing = atomic_exchange(&lost, 0);
    const struct audit_field fields[] = {AUDIT_N("events", (long long)missing)};
    if (missing == 0)
        return;
    if (line_write(pid, "lost", fields, 1) != 0)
        atomic_fetch_add(&lost, missing);
    else if (pid == process_id())
        audit_count("lost", NULL, 0);
}

/* A line that stands for `events` events was written, or could not be written. */
static void note_line(pid_t pid, int error, unsigned long events)
{
    if (error != 0)
        atomic_fetch_add(&lost, events);
    else if (atomic_load_explicit(&lost, memory_order_relaxed) > 0)
        lost_write(pid);
}

static int event_write(const char *event, const struct audit_field *fields, size_t count)
{
    const pid_t pid = process_running_id();
    const int error = line_write(pid, event, fields, count);
    if (pid == process_id()) { /* a child of vfork() changes nothing in this memory */
        audit_count(event, fields, count);
        counters_note_log(error != 0);
    }
    note_line(pid, error, 1);
    return error;
}

/* --- events that are counted --- */

/* Memory for a line with a count: in a workspace, since it is too large for the stack. */
struct count_line {
    struct summary_count counted;
    struct audit_field fields[SUMMARY_FIELDS_MAX + 3];
    char since[64], until[64];
};
_Static_assert(sizeof(struct count_line) <= WORKSPACE_BYTES, "it has room in a workspace");

static const char *time_text(char text[64], int64_t time_ns)
{
    struct line line = {.text = text, .room = 63};
    line_put_time(&line, time_ns);
    text[line.length] = '\0';
    return text;
}

/* Writes a line with a count. The counters have these events already. */
static void count_write(struct count_line *work)
{
    const char *event;
    size_t count = summary_key_read(&work->counted.key, &event, work->fields);
    work->fields[count++] = AUDIT_N("count", (long long)work->counted.count);
    work->fields[count++] = AUDIT_S("since", time_text(work->since, work->counted.since_ns));
    work->fields[count++] = AUDIT_S("until", time_text(work->until, work->counted.last_ns));
    const int error = line_write(process_id(), event, work->fields, count);
    counters_note_log(error != 0);
    note_line(process_id(), error, (unsigned long)work->counted.count);
}

/* Without memory, the counts stay for the next time. */
static void write_counts(bool is_last)
{
    enum { ROUNDS_MAX = 4096 }; /* other threads go on counting */
    struct count_line *const work = workspace_take();
    for (int i = 0; work != NULL && i < ROUNDS_MAX && summary_take(&work->counted, is_last); i++)
        count_write(work);
    workspace_give(work);
}

bool audit_has_handshakes(void)
{
    return !summary_leaves_out();
}

void audit_finish(const char *reason)
{
    const int error = errno;
    const bool sums = summary_is_on(), chains = chain_is_on();
    const struct audit_field fields[] = {AUDIT_S("reason", reason)};
    if ((sums || chains) && !process_is_vfork_child()) {
        if (sums)
            write_counts(true);
        /* A process without lines needs no end. */
        if (chains && chain_length() > 0)
            (void)event_write("end", fields, 1);
    }
    errno = error;
}

/* Whether the event needs no line of its own. */
static bool is_summed(const char *event, const struct audit_field *fields, size_t count)
{
    if (!summary_is_on() || process_is_vfork_child())
        return false;
    if (summary_is_due()) {
        write_counts(false);
        summary_begin_interval();
    }
    if (summary_add(event, fields, count, time_now_ns()) == SUMMARY_WRITE)
        return false;
    audit_count(event, fields, count);
    return true;
}

static int announce(void)
{
    const struct policy *policy = atomic_exchange(&unannounced, NULL);
    if (policy == NULL)
        return 0;
    struct audit_field fields[7] = {
        AUDIT_S("policy", policy->path),
        AUDIT_S("mode", policy->mode == POLICY_ENFORCE ? "enforce" : "audit"),
        AUDIT_S("version", PFSWRAP_VERSION),
    };
    size_t count = 3;
    if (policy->log_handshakes != POLICY_LOG_HANDSHAKES_ALL)
        fields[count++] =
            AUDIT_S("log_handshakes", policy->log_handshakes == POLICY_LOG_HANDSHAKES_OFF ? "off" : "summary");
    if (policy->log_repeats != 0)
        fields[count++] = AUDIT_N("log_repeats", (long long)policy->log_repeats);
    if (policy->findings.http || policy->findings.certificates)
        fields[count++] = AUDIT_S("findings", !policy->findings.certificates ? "http"
                                              : policy->findings.http        ? "http, certificates"
                                                                             : "certificates");
    if (policy->tls.transparency != POLICY_TRANSPARENCY_OFF)
        fields[count++] = AUDIT_S("certificate_transparency",
                                  policy->tls.transparency == POLICY_TRANSPARENCY_REQUIRE ? "require" : "log");
    return event_write("policy", fields, count);
}

int audit_start(const struct policy *policy, const uint8_t *chain_key)
{
    int error = errno;
    if (chain_key != NULL)
        chain_start(chain_key);
    refuses = policy->log_failure == POLICY_LOG_FAILURE_REFUSE;
    (void)snprintf(program_name, sizeof program_name, "%s", program_invocation_short_name);
    summary_start(policy);
    audit_sink_quiet(refuses); /* the caller reports it */
    int failure = audit_sink_open(policy);
    atomic_store(&unannounced, policy);
    /* On standard error a process without other events writes nothing. */
    if (policy->log != POLICY_LOG_STDERR && (failure == 0 || !refuses))
        failure = announce();
    if (refuses)
        audit_sink_quiet(false);
    errno = error;
    return refuses ? failure : 0;
}

const char *audit_refusal(void)
{
    if (!refuses || atomic_load_explicit(&lost, memory_order_relaxed) == 0)
        return NULL;
    const int error = errno;
    lost_write(process_running_id());
    errno = error;
    return atomic_load(&lost) > 0 ? "the audit log cannot be written" : NULL;
}

void audit_lose(void)
{
    audit_sink_fail(-ENOMEM);
    counters_note_log(true);
    atomic_fetch_add(&lost, 1);
}

void audit_event(const char *event, const struct audit_field *fields, size_t count)
{
    int error = errno;
    if (atomic_load_explicit(&unannounced, memory_order_relaxed) != NULL)
        (void)announce();
    if (!is_summed(event, fields, count))
        (void)event_write(event, fields, count);
    errno = error;
}
