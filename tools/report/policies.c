/*
 * Reads policies as text, and finds lines in them. See policies.h.
 */
#include "policies.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "moment.h"
#include "policy/policy.h"
#include "../message.h"

enum { LINE_MAX_SHOWN = 512 };

/* The policy as `pfswrap check` prints it; NULL after a message. */
static char *read_policy(const char *path)
{
    static struct policy policy;
    static struct policy_error error;
    if (policy_load(&policy, path, &error) < 0) {
        message("%s", error.text);
        return NULL;
    }
    const int fd = memfd_create("policy", MFD_CLOEXEC);
    const int printed = fd >= 0 ? policy_print(&policy, fd) : -errno;
    const off_t size = fd >= 0 && printed == 0 ? lseek(fd, 0, SEEK_END) : -1;
    char *const text = size > 0 ? malloc((size_t)size + 1) : NULL;
    if (text == NULL || pread(fd, text, (size_t)size, 0) != size) {
        message("%s cannot be printed: %s", path, strerror(printed != 0 ? -printed : errno));
        free(text);
        close(fd);
        return NULL;
    }
    text[size] = '\0';
    close(fd);
    return text;
}

static const char *last_part(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The policies that the log names, each once. */
static void find_named(struct policies *policies, const struct evidence *evidence)
{
    for (size_t i = 0; i < evidence->policies.count; i++) {
        const struct tally_entry *const entry = &evidence->policies.entries[i];
        size_t j = 0;
        while (j < policies->count && strcmp(policies->list[j].path, entry->parts[POLICY_PATH]) != 0)
            j++;
        if (j == POLICIES_MAX) {
            policies->is_full = true;
            continue;
        }
        struct held_policy *const policy = &policies->list[j];
        if (j == policies->count) {
            (void)snprintf(policy->path, sizeof policy->path, "%s", entry->parts[POLICY_PATH]);
            policy->last = policy->changed = MOMENT_NONE;
            policies->count++;
        }
        tally_sum(&policy->starts, entry->count);
        if (entry->last > policy->last)
            policy->last = entry->last;
    }
}

/* The policy of the log that a file is: one with the same path, else one with the same name. NULL: there is none.
 */
static struct held_policy *find_policy(struct policies *policies, const char *file)
{
    for (size_t i = 0; i < policies->count; i++)
        if (strcmp(policies->list[i].path, file) == 0)
            return &policies->list[i];
    for (size_t i = 0; i < policies->count; i++)
        if (strcmp(last_part(policies->list[i].path), last_part(file)) == 0)
            return &policies->list[i];
    return NULL;
}

int policies_load(struct policies *policies, const struct evidence *evidence, const char *const *files,
                  size_t count)
{
    find_named(policies, evidence);
    for (size_t i = 0; i < count; i++) {
        struct stat status;
        char *const text = read_policy(files[i]);
        struct held_policy *const policy = text != NULL ? find_policy(policies, files[i]) : NULL;
        if (text == NULL)
            return -1;
        if (policy == NULL || policy->text != NULL) {
            policies->unused[policies->unused_count++] = files[i];
            free(text);
            continue;
        }
        policy->file = files[i];
        policy->text = text;
        if (stat(files[i], &status) == 0)
            policy->changed = (int64_t)status.st_mtim.tv_sec * MOMENT_SECOND;
    }
    for (size_t i = 0; i < policies->count; i++)
        if (policies->list[i].text == NULL && strcmp(policies->list[i].path, "builtin") == 0)
            policies->list[i].text = read_policy("builtin");
    return 0;
}

/* Whether a list of "SECTION.KEY" has this one. */
static bool is_wanted(const char *wanted, const char *section, const char *key, size_t key_length)
{
    const char *const name = strchr(section, ' ') != NULL ? "rule" : section;
    const size_t name_length = strlen(name);
    for (const char *word = wanted; *word != '\0'; word += strspn(word, " ")) {
        const size_t length = strcspn(word, " ");
        if (length > name_length + 1 && strncmp(word, name, name_length) == 0 && word[name_length] == '.') {
            const char *const wanted_key = word + name_length + 1;
            const size_t wanted_length = length - name_length - 1;
            if ((wanted_length == 1 && *wanted_key == '*') ||
                (wanted_length == key_length && strncmp(wanted_key, key, key_length) == 0))
                return true;
        }
        word += length;
    }
    return false;
}

void policy_each_line(const struct held_policy *policy, const char *wanted,
                      void (*line)(void *context, const char *section, const char *line), void *context)
{
    char section[LINE_MAX_SHOWN] = "", text[LINE_MAX_SHOWN];
    for (const char *at = policy->text != NULL ? policy->text : ""; *at != '\0';) {
        const size_t length = strcspn(at, "\n");
        (void)snprintf(text, sizeof text, "%.*s", (int)length, at);
        at += length + (at[length] == '\n');
        if (text[0] == '[') {
            (void)snprintf(section, sizeof section, "%s", text + 1);
            section[strcspn(section, "]")] = '\0';
        } else if (text[0] != ';' && is_wanted(wanted, section, text, strcspn(text, " ="))) {
            line(context, section, text);
        }
    }
}
