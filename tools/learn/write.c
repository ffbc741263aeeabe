/*
 * See write.h. policy_print() writes the policy, and the comments go in front of the lines that they are about. All
 * text of a log is cleaned (tally_clean()), so that it cannot end a comment's line.
 */
#include "write.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policy/registry.h"
#include "../message.h"
#include "../report/moment.h"

enum { USERS_SHOWN = 20, WIDTH = 118, SENTENCE = 4096, NAME_SHOWN = 60 };

/* Writes a sentence behind the prefix on each line, broken at blanks. */
static void put(FILE *file, const char *prefix, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void put(FILE *file, const char *prefix, const char *format, ...)
{
    char text[SENTENCE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const size_t width = WIDTH - strlen(prefix);
    const char *at = text;
    do {
        size_t length = strlen(at);
        if (length > width) {
            length = width;
            while (length > 0 && at[length] != ' ')
                length--;
            if (length == 0)
                length = strcspn(at, " ");
        }
        (void)fprintf(file, "%s%.*s\n", prefix, (int)length, at);
        at += length + strspn(at + length, " ");
    } while (*at != '\0');
}

static void put_user(FILE *file, const char *prefix, const struct tally_entry *user)
{
    char *const *const parts = user->parts;
    char first[MOMENT_TEXT], last[MOMENT_TEXT];
    const bool is_server = strcmp(parts[USER_ROLE], "server") == 0,
               is_parent = strcmp(parts[USER_ROLE], "parent") == 0;
    const char *const place = parts[USER_PLACE][0] != '\0' ? parts[USER_PLACE] : "an unknown address";
    const char *const assumption = assumption_words[strtoul(parts[USER_ASSUMED], NULL, 10) % ASSUMPTION_COUNT];
    const bool once = user->first == user->last;
    put(file, prefix, "- %s%s%s%s%s: %llu %s, %s%s%s%s%s%s%s%s", parts[USER_PROGRAM],
        is_parent   ? " executes "
        : is_server ? " at "
                    : " to ",
        place, is_server && parts[USER_PEER][0] != '\0' ? " from " : "", parts[USER_PEER],
        (unsigned long long)user->count, user->count == 1 ? "time" : "times", once ? "" : "from ",
        moment_write(first, user->first), once ? "" : " to ", once ? "" : moment_write(last, user->last),
        parts[USER_WORDS][0] != '\0' ? " (" : "", parts[USER_WORDS], parts[USER_WORDS][0] != '\0' ? ")" : "",
        assumption[0] != '\0' ? "." : "");
    if (assumption[0] != '\0')
        put(file, prefix, "  ASSUMED: %s", assumption + (strncmp(assumption, "assumed ", 8) == 0 ? 8 : 0));
}

void proposal_write_users(FILE *file, const char *prefix, const struct proposal *proposal, size_t most)
{
    const struct tally *const users = &proposal->users;
    for (size_t i = 0; i < users->count && i < most; i++)
        put_user(file, prefix, &users->entries[i]);
    uint64_t rest = users->left_out;
    for (size_t i = most; i < users->count; i++)
        tally_sum(&rest, users->entries[i].count);
    if (rest > 0)
        put(file, prefix, "- and %llu more connections", (unsigned long long)rest);
}

size_t learned_write_repairs(FILE *file, const char *prefix, const struct proposals *proposals)
{
    size_t count = 0;
    for (size_t i = 0; i < proposals->count; i++) {
        const struct proposal *const proposal = proposals->list[i];
        char text[PROPOSAL_TEXT];
        const bool is_change = need_is_change(proposal->need);
        if (proposal_connections(proposal) == 0 || proposal->need == NEED_UPGRADED ||
            (is_change && proposal->is_accepted && proposal->need != NEED_VERSION))
            continue;
        count++;
        if (!is_change)
            put(file, prefix, "%zu. %s", count, need_words[proposal->need]);
        else if (proposal->is_accepted)
            put(file, prefix, "%zu. Update these, so that min-version = 1.3 can return:", count);
        else
            put(file, prefix, "%zu. Refused, as you decided: they would need %s.", count,
                proposal_write(text, proposal));
        proposal_write_users(file, prefix, proposal, USERS_SHOWN);
    }
    return count;
}

/* How many bytes of a text to show: at most `most`, and whole characters of UTF-8. */
static int cut(const char *text, size_t most)
{
    size_t length = strlen(text);
    if (length > most)
        for (length = most; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80;)
            length--;
    return (int)length;
}

/* What the log is, and what it does not say. */
static void put_head(FILE *file, const struct learned *learned)
{
    const struct facts *const facts = learned->facts;
    char first[MOMENT_TEXT], last[MOMENT_TEXT];
    uint64_t lines = 0, damaged = 0;
    for (size_t i = 0; i < EVENT_COUNT; i++)
        tally_sum(&lines, facts->events[i]);
    for (size_t i = 0; i < DAMAGE_COUNT; i++)
        tally_sum(&damaged, learned->sources->damaged[i]);
    put(file, "; ", "Proposed by pfswrap learn from %llu events, %s to %s (UTC).", (unsigned long long)lines,
        moment_write(first, facts->first), moment_write(last, facts->last));
    put(file, "; ", "Read each comment before you use it: a writer of the log can have a line proposed.");
    (void)fprintf(file, ";\n; Programs:");
    for (size_t i = 0; i < facts->programs.count && i < USERS_SHOWN; i++)
        (void)fprintf(file, "%s %.*s", i > 0 ? "," : "", cut(facts->programs.entries[i].parts[0], NAME_SHOWN),
                      facts->programs.entries[i].parts[0]);
    (void)fprintf(file, "%s\n", facts->programs.count > USERS_SHOWN ? ", and more" : "");
    if (facts->programs.count > 1)
        put(file, "; ",
            "A change is for all programs of this policy. pfswrap learn --program NAME makes a policy for one.");
    if (learned->base_path != NULL)
        put(file, "; ", "All other lines are those of %.200s, with mode = enforce.", learned->base_path);
    else
        put(file, "; ",
            "ASSUMED: the policy that was audited logged plaintext, or would have refused it. If it had plaintext "
            "= starttls or allow, or rules, name it with --policy: the log does not have its lines.");
    if (damaged > 0)
        put(file, "; ", "%llu damaged lines of the log were not used.", (unsigned long long)damaged);
    if (facts->events[EVENT_UNJUDGED] > 0)
        put(file, "; ", "%llu connections could not be judged, so nothing is proposed for them (event unjudged).",
            (unsigned long long)facts->events[EVENT_UNJUDGED]);
    if (facts->events[EVENT_LOST] > 0)
        put(file, "; ", "Events are missing in the log (event lost): more connections may need a change.");
    if (facts->events[EVENT_UNPROTECTED] > 0)
        put(file, "; ", "%llu programs or calls ran unprotected (event unprotected): no policy changes that.",
            (unsigned long long)facts->events[EVENT_UNPROTECTED]);
    if (facts->events[EVENT_REFUSED] > 0 || facts->enforced > 0)
        put(file, "; ",
            "A part of the log is of mode = enforce. Refused connections of that part are not proposed.");
    const uint64_t left_out = facts->wire.left_out + facts->library.left_out + facts->refusals.left_out +
                              facts->plain.left_out + facts->children.left_out + learned->proposals->left_out;
    if (left_out > 0)
        put(file, "; ", "%llu events had no room in the tables, and are in no comment.",
            (unsigned long long)left_out);
}

static void put_proposal(FILE *file, const struct proposal *proposal)
{
    char text[PROPOSAL_TEXT];
    put(file, "; ", "%s, needed by:", proposal_write(text, proposal));
    proposal_write_users(file, "; ", proposal, USERS_SHOWN);
}

/* The comments in front of a key: the accepted proposals that changed it. */
static void put_key(FILE *file, const struct proposals *proposals, const char *line)
{
    static const struct {
        enum need need;
        const char *key;
    } keys[] = {{NEED_VERSION, "min-version ="},     {NEED_GROUP, "groups ="}, {NEED_SUITE, "ciphersuites ="},
                {NEED_TICKETS, "session-tickets ="}, {NEED_DTLS, "dtls ="},    {NEED_CHILDREN, "children ="}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        for (size_t j = 0; strncmp(line, keys[i].key, strlen(keys[i].key)) == 0 && j < proposals->count; j++) {
            const struct proposal *const proposal = proposals->list[j];
            if (proposal->need == keys[i].need && proposal->is_accepted && proposal_connections(proposal) > 0)
                put_proposal(file, proposal);
        }
}

/* The comments in front of a rule: those were inserted in the order of the proposals. */
static void put_rule(FILE *file, const struct proposals *proposals, size_t number)
{
    for (size_t i = 0; i < proposals->count; i++) {
        const struct proposal *const proposal = proposals->list[i];
        const bool is_rule = proposal->need == NEED_STARTTLS || proposal->need == NEED_PLAINTEXT;
        if (is_rule && proposal->is_accepted && number-- == 0)
            put_proposal(file, proposal);
    }
}

static void put_policy(FILE *file, const struct learned *learned, char *text)
{
    size_t rules = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "; policy in force", 17) == 0)
            continue;
        if (line[0] == '[') {
            (void)fputc('\n', file);
            if (strncmp(line, "[listen ", 8) == 0 || strncmp(line, "[connect ", 9) == 0)
                put_rule(file, learned->proposals, rules++);
        }
        put_key(file, learned->proposals, line);
        (void)fprintf(file, "%s\n", line);
    }
}

/* The policy as policy_print() writes it; NULL after a message. */
static char *print(const struct policy *policy)
{
    const int fd = memfd_create("policy", MFD_CLOEXEC);
    const int printed = fd >= 0 ? policy_print(policy, fd) : -errno;
    const off_t size = fd >= 0 && printed == 0 ? lseek(fd, 0, SEEK_END) : -1;
    char *const text = size > 0 ? calloc(1, (size_t)size + 1) : NULL;
    const bool is_read = text != NULL && pread(fd, text, (size_t)size, 0) == size;
    if (!is_read)
        message("the policy cannot be printed: %s", strerror(printed != 0 ? -printed : errno));
    if (fd >= 0)
        close(fd);
    if (is_read)
        return text;
    free(text);
    return NULL;
}

static void put_upgraded(FILE *file, const struct proposals *proposals)
{
    for (size_t i = 0; i < proposals->count; i++)
        if (proposals->list[i]->need == NEED_UPGRADED) {
            (void)fprintf(file, "\n; Changes by itself under mode = enforce, nothing to do:\n");
            proposal_write_users(file, "; ", proposals->list[i], USERS_SHOWN);
        }
}

char *learned_write(const struct learned *learned, size_t *size)
{
    char *text = NULL, *const policy = print(learned->policy);
    FILE *const file = policy != NULL ? open_memstream(&text, size) : NULL;
    if (file == NULL) {
        free(policy);
        return NULL;
    }
    put_head(file, learned);
    put_policy(file, learned, policy);
    (void)fprintf(file, "\n; Repair instead:\n");
    if (learned_write_repairs(file, "; ", learned->proposals) == 0)
        (void)fprintf(file, "; nothing\n");
    put_upgraded(file, learned->proposals);
    free(policy);
    if (fclose(file) == 0)
        return text;
    message("not enough memory for the policy");
    free(text);
    return NULL;
}
