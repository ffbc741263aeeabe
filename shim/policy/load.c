/*
 * Opens a policy file, checks who can have written it, and passes it to the parser. Calls neither malloc(3) nor a
 * stdio stream, because it runs before the main() of other programs.
 */
#include "policy/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal/file_trust.h"
#include "base/raw_syscall.h"

__attribute__((format(printf, 3, 4))) static int load_fail(struct policy_error *error, const char *path,
                                                           const char *format, ...)
{
    va_list arguments;
    int used = snprintf(error->text, sizeof error->text, "%.*s: ", PATH_MAX, path);
    va_start(arguments, format);
    (void)vsnprintf(error->text + used, sizeof error->text - (size_t)used, format, arguments);
    va_end(arguments);
    return -1;
}

/* Sets policy->path to the absolute form of `path`, so that a later chdir(2) does not matter. Returns 0, or -1. */
static int path_resolve(struct policy *policy, const char *path, struct policy_error *error)
{
    size_t used = 0;
    if (path[0] != '/') {
        if (getcwd(policy->path, sizeof policy->path) == NULL)
            return load_fail(error, path, "cannot find out the working directory (%m), expected an absolute path");
        used = strlen(policy->path);
        if (used > 1 && used < sizeof policy->path - 1)
            policy->path[used++] = '/';
    }
    if (used + strlen(path) >= sizeof policy->path)
        return load_fail(error, path, "path is too long, expected at most %d bytes", PATH_MAX - 1);
    memcpy(policy->path + used, path, strlen(path) + 1);
    return 0;
}

/* A user who can write the policy can disable it: only root and the user of this process may. Returns 0, or -1. */
static int file_check(int fd, const char *path, struct policy_error *error)
{
    struct stat status;
    char reason[256];
    if (fstat(fd, &status) < 0)
        return load_fail(error, path, "cannot be examined: %m");
    if (!S_ISREG(status.st_mode))
        return load_fail(error, path, "is not a regular file, expected a policy file");
    if (file_trust_check(fd, &status, FILE_SETTINGS, reason, sizeof reason) != 0)
        return load_fail(error, path, "%s", reason);
    return 0;
}

static int parse(struct policy_parser *parser, struct policy *policy, const char *path, struct policy_error *error)
{
    parser->policy = policy;
    parser->error = error;
    parser->file = path;
    return policy_parser_run(parser);
}

static bool has_environment; /* it is read once: later calls are in a thread of a reload */

static void read_environment(void)
{
    if (!has_environment)
        policy_read_environment();
    has_environment = true;
}

/* *policy has the values of the built-in policy. */
static int load_file(struct policy *policy, const char *path, struct policy_error *error)
{
    if (strcmp(path, "builtin") == 0)
        return 0;
    error->text[0] = '\0';
    if (path_resolve(policy, path, error) < 0)
        return -1;
    path = policy->path;
    /* O_NONBLOCK: without it, open(2) would wait at a FIFO for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return load_fail(error, path, "cannot be opened: %m, expected a policy file");
    int result = file_check(fd, path, error);
    if (result == 0) {
        struct policy_parser parser = {0};
        policy_reader_open(&parser.reader, fd);
        result = parse(&parser, policy, path, error);
        (void)crypto_generichash_final(&parser.reader.digest, policy->digest, sizeof policy->digest);
    }
    (void)raw_syscall(SYS_close, fd);
    return result;
}

int policy_load(struct policy *policy, const char *path, struct policy_error *error)
{
    policy_builtin(policy);
    read_environment();
    return load_file(policy, path, error);
}

int policy_load_first(struct policy *policy, const char *path, struct policy_error *error)
{
    policy_set_defaults(policy);
    read_environment();
    return load_file(policy, path, error);
}

int policy_parse(struct policy *policy, const char *path, const char *text, size_t size, struct policy_error *error)
{
    struct policy_parser parser = {0};
    policy_builtin(policy);
    policy_read_environment();
    error->text[0] = '\0';
    (void)snprintf(policy->path, sizeof policy->path, "%s", path);
    policy_reader_open_text(&parser.reader, text, size);
    return parse(&parser, policy, path, error);
}
