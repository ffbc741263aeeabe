/*
 * Finds the processes under pfswrap. See protected.h.
 */
#include "protected.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"
#include "policy/reader.h"

const char *policy_state_word(enum policy_state state)
{
    switch (state) {
    case POLICY_STATE_CURRENT:
        return "current";
    case POLICY_STATE_CHANGED:
        return "changed";
    case POLICY_STATE_REMOVED:
        return "removed";
    case POLICY_STATE_BUILTIN:
        return "builtin";
    case POLICY_STATE_UNKNOWN:
        break;
    }
    return "unknown";
}

/* Opens a regular file, and nothing else: the path comes from the process, and to open a device may do something.
 */
static int open_regular(const char *path)
{
    char again[64];
    struct stat status = {0};
    const int found = open(path, O_PATH | O_CLOEXEC);
    if (found < 0)
        return -errno;
    (void)snprintf(again, sizeof again, "/proc/self/fd/%d", found);
    const bool is_regular = fstat(found, &status) == 0 && S_ISREG(status.st_mode);
    const int fd = is_regular ? open(again, O_RDONLY | O_CLOEXEC) : -1;
    const int error = is_regular ? -errno : -EINVAL;
    (void)close(found);
    return fd >= 0 ? fd : error;
}

/* The digest of a regular file, as policy_load() computes it. Returns 0 or a negative errno value. */
static int digest_file(const char *path, uint8_t digest[COUNTERS_DIGEST_BYTES])
{
    static uint8_t bytes[POLICY_FILE_MAX + 1];
    size_t used = 0;
    const int fd = open_regular(path);
    if (fd < 0)
        return fd;
    int error = 0;
    while (error == 0 && used < sizeof bytes) {
        const ssize_t got = read(fd, bytes + used, sizeof bytes - used);
        if (got < 0 && errno != EINTR)
            error = -errno;
        if (got == 0)
            break;
        used += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    if (error == 0)
        (void)crypto_generichash(digest, COUNTERS_DIGEST_BYTES, bytes, used, NULL, 0);
    return error;
}

/*
 * The file is looked for where the process would find it, in its own root. Its path may have been made unreadable
 * by safe_text(); then it is not found.
 */
static enum policy_state compare_policy(pid_t pid, const struct counters_about *about)
{
    char path[COUNTERS_PATH_MAX + 32];
    uint8_t digest[COUNTERS_DIGEST_BYTES];
    if (strcmp(about->policy, "builtin") == 0)
        return POLICY_STATE_BUILTIN;
    if (about->policy[0] != '/')
        return POLICY_STATE_UNKNOWN;
    (void)snprintf(path, sizeof path, "/proc/%d/root%s", (int)pid, about->policy);
    const int error = digest_file(path, digest);
    if (error == -ENOENT || error == -ENOTDIR)
        return POLICY_STATE_REMOVED;
    if (error != 0)
        return POLICY_STATE_UNKNOWN;
    return memcmp(digest, about->policy_digest, sizeof digest) == 0 ? POLICY_STATE_CURRENT : POLICY_STATE_CHANGED;
}

const char *protected_name(const struct protected_process *process)
{
    const bool is_known = process->result == SNAPSHOT_READ && process->snapshot.about.program[0] != '\0';
    return is_known ? process->snapshot.about.program : process->process.name;
}

/* Of several objects, the one that counts is the one that ld.so has preloaded: the one with counters of this pid.
 */
static void read_counters(struct protected_process *protected, const uint64_t *bases, int count)
{
    struct memory_source source = process_memory(&protected->process.pid);
    protected->result = SNAPSHOT_BROKEN;
    for (int i = 0; i < count; i++) {
        protected->result = snapshot_read(&protected->snapshot, &source, bases[i], protected->process.own_pid);
        if (protected->result == SNAPSHOT_READ)
            break;
    }
    if (protected->result == SNAPSHOT_READ)
    protected->policy = compare_policy(protected->process.pid, &protected->snapshot.about);
}

struct search {
    const struct protected_choice *choice;
    void (*call)(void *argument, const struct protected_process *process);
    void *argument;
    int found;
    bool is_denied; /* the last process may not be examined */
};

static void look_at(void *argument, pid_t pid)
{
    static struct protected_process protected;
    struct search *search = argument;
    uint64_t bases[PROCESS_OBJECTS_MAX];
    const int count = process_objects(pid, bases);
    search->is_denied = count == -EACCES || count == -EPERM;
    if (count <= 0 || !process_describe(&protected.process, pid))
        return;
    read_counters(&protected, bases, count);
    const char *program = search->choice->program;
    if (protected.result != SNAPSHOT_GONE &&
        (program == NULL || strcmp(program, protected_name(&protected)) == 0)) {
        search->found++;
        search->call(search->argument, &protected);
    }
    if (protected.result == SNAPSHOT_READ)
        snapshot_free(&protected.snapshot);
}

int protected_choose(struct protected_choice *choice, const char *text)
{
    char *end;
    *choice = (struct protected_choice){0};
    if (text[0] < '0' || text[0] > '9') {
        const char *slash = strrchr(text, '/');
        choice->program = slash != NULL ? slash + 1 : text;
        return 0;
    }
    errno = 0;
    const long pid = strtol(text, &end, 10);
    if (*end != '\0') { /* a program whose name begins with a digit */
        choice->program = text;
        return 0;
    }
    if (errno != 0 || pid < 1 || pid > INT32_MAX) {
        message("%.80s is no process id, expected PID or PROGRAM", text);
        return -1;
    }
    choice->pid = (pid_t)pid;
    return 0;
}

int protected_each(const struct protected_choice *choice,
                   void (*call)(void *argument, const struct protected_process *process), void *argument)
{
    struct search search = {.choice = choice, .call = call, .argument = argument};
    if (choice->pid != 0) {
        look_at(&search, choice->pid);
        if (search.is_denied)
            message("this user may not examine process %d, run as root", (int)choice->pid);
        return search.found;
    }
    const int error = process_each(look_at, &search);
    if (error != 0) {
        message("/proc cannot be read: %s", strerror(-error));
        return -1;
    }
    return search.found;
}
