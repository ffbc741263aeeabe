/*
 * pfswrap run [--policy FILE] [--argv0 NAME] [--] PROGRAM [ARG...]: executes PROGRAM with libpfswrap.so and its
 * policy. ld.so would start a program without the library if it cannot preload it, and not report that; this
 * command refuses instead.
 */
#include "commands.h"
#include "config/keys.h"
#include "message.h"
#include "policy/policy.h"
#include "preload.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] = "expected pfswrap run [--policy FILE] [--argv0 NAME] [--] PROGRAM [ARG...]";

/* Parses the options. Returns the index of PROGRAM in argv, or -1 after a message. */
static int parse_options(int argc, char **argv, const char **policy, char **argv0)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strncmp(argv[i], "--policy=", 9) == 0) {
            *policy = argv[i] + 9;
        } else if (strcmp(argv[i], "--policy") == 0 && i + 1 < argc) {
            *policy = argv[++i];
        } else if (strcmp(argv[i], "--argv0") == 0 && i + 1 < argc) {
            *argv0 = argv[++i];
        } else if (strcmp(argv[i], "--policy") == 0 || strcmp(argv[i], "--argv0") == 0) {
            message("%s lacks a %s, %s", argv[i], argv[i][2] == 'p' ? "FILE" : "NAME", usage);
            return -1;
        } else {
            message("unknown option %.80s of run, %s", argv[i], usage);
            return -1;
        }
    }
    if (i < argc)
        return i;
    message("run lacks a PROGRAM, %s", usage);
    return -1;
}

/* Whether a file that the policy names can be read; if not, a message was written. */
static bool can_read(const struct policy *policy, const char *key, const char *path)
{
    if (path[0] == '\0')
        return true;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        message("%s: %s %s cannot be read: %s", policy->path, key, path, strerror(errno));
        return false;
    }
    close(fd);
    return true;
}

/*
 * Loads the policy `file`, or the one that policy_locate() finds for `program`, and the files that it names. The
 * program would load them again and end with the same message, but later. Returns 0, or -1 after a message.
 */
static int load_policy(struct policy *policy, const char *file, const char *program)
{
    static struct policy_error error;
    char path[PATH_MAX];
    if (file != NULL && file[0] == '\0') {
        message("--policy is empty, %s", usage);
        return -1;
    }
    if (file == NULL) {
        if (policy_locate(path, sizeof path, program) < 0) {
            message("the path of the policy is too long, expected at most %d bytes", PATH_MAX - 1);
            return -1;
        }
        file = path;
    }
    if (policy_load_first(policy, file, &error) < 0 || keys_load(policy, &error) < 0) {
        message("%s", error.text);
        return -1;
    }
    return can_read(policy, "ca-file", policy->tls.ca_file) &&
                   can_read(policy, "ct-log-list", policy->tls.ct_log_list)
               ? 0
               : -1;
}

/*
 * Whether a script's interpreter would run without the library. To the library in env(1), the interpreter is a
 * child, which children = allow leaves unprotected.
 */
static bool loses_interpreter(const struct policy *policy, const struct program *program)
{
    for (size_t i = 0; i < program->step_count; i++)
        if (policy->children == POLICY_CHILDREN_ALLOW && program->steps[i].kind == SCRIPT_ENV)
            return true;
    return false;
}

/* Executes the program, with the arguments as they were given. Returns only if that fails: an exit status. */
static int execute(const struct program *program, int argc, char **argv)
{
    const char *path = program->steps[0].path;
    if (program->steps[0].kind != SCRIPT_SHELL) {
        execv(path, argv);
    } else {
        /* as execvp(3) runs a script without #! */
        char **shell = calloc((size_t)argc + 2, sizeof *shell);
        if (shell == NULL)
            return STATUS_REFUSED;
        shell[0] = (char *)"sh";
        shell[1] = (char *)path;
        memcpy(shell + 2, argv + 1, (size_t)argc * sizeof *argv);
        execv(program->steps[1].path, shell);
        free(shell);
    }
    message("%s: %s", path, strerror(errno));
    return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUNNABLE;
}

/*
 * The object for what the kernel executes first. That is the program, which was examined, or its interpreter, or
 * else env(1), in which the object chooses the one for the program.
 */
static enum object_kind first_object(const struct program *program)
{
    if (program->step_count == 1)
        return program->file.object;
    const size_t first = program->steps[0].kind == SCRIPT_SHELL ? 1 : 0;
    return executable_check_path(AT_FDCWD, program->steps[first].path, NULL).object;
}

/* Finds and checks the object for the program, and the one for what is executed first. Returns 0, or -1 with a
 * message. */
static int find_objects(const struct program *program, char library[static PRELOAD_PATH_MAX])
{
    char problem[PATH_MAX + 128];
    const enum object_kind first = first_object(program);
    if ((first != program->file.object && preload_find(library, first, problem, sizeof problem) < 0) ||
        preload_find(library, program->file.object, problem, sizeof problem) < 0) {
        message("%s", problem);
        return -1;
    }
    return 0;
}

/* Whether ld.so would start the program without the library; with a message. */
static bool loses_library(const struct program *program, const char *library)
{
    const char *const path = program->steps[program->step_count - 1].path;
    struct executable shared = program->file;
    switch (executable_check_library(&shared, library)) {
    case EXECUTABLE_LIBRARY_BROKEN:
        message("%s is no shared object that can be mapped, expected a whole libpfswrap.so", library);
        return true;
    case EXECUTABLE_LIBRARY_NO_EXEC:
        message("%s must not be executed here, expected a file system without noexec: ld.so would ignore it",
                library);
        return true;
    case EXECUTABLE_LIMIT_AS:
        message("RLIMIT_AS leaves no room for %s in %s, expected %" PRIu64 " KiB or more (ulimit -v)", library,
                path, executable_room(&program->file, &shared, RLIMIT_AS) / 1024);
        return true;
    case EXECUTABLE_LIMIT_DATA:
        message("RLIMIT_DATA leaves no room for %s in %s, expected %" PRIu64 " KiB or more (ulimit -d)", library,
                path, executable_room(&program->file, &shared, RLIMIT_DATA) / 1024);
        return true;
    default:
        return false;
    }
}

/* Sets the variables for what is executed first. Returns 0, or -1 after a message. */
static int set_environment(const struct program *program, const struct policy *policy)
{
    char native[PRELOAD_PATH_MAX], problem[PATH_MAX + 128];
    if (preload_path(native, OBJECT_OWN, problem, sizeof problem) < 0) {
        message("%s", problem);
        return -1;
    }
    int error = preload_set(native, first_object(program));
    if (error == 0 && setenv("PFSWRAP_POLICY", policy->path, 1) != 0)
        error = -errno;
    if (error == 0)
        return 0;
    message("cannot set the environment: %s", strerror(-error));
    return -1;
}

int command_run(int argc, char **argv)
{
    static struct policy policy;
    static struct program program;
    char library[PRELOAD_PATH_MAX];
    const char *file = NULL;
    char *argv0 = NULL;

    int first = parse_options(argc, argv, &file, &argv0);
    if (first < 0)
        return STATUS_REFUSED;
    /* If real and effective ids differ, every program starts in secure-execution mode (ld.so(8)). */
    if (getauxval(AT_SECURE) != 0 || getuid() != geteuid() || getgid() != getegid()) {
        message("real and effective user or group differ, expected them equal: LD_PRELOAD would be ignored");
        return STATUS_REFUSED;
    }
    if (load_policy(&policy, file, argv[first]) < 0)
        return STATUS_REFUSED;
    if (program_examine(&program, argv[first]) != 0) {
        message("%s", program.refusal);
        return program.status;
    }
    if (loses_interpreter(&policy, &program)) {
        message(
            "%s is run through env, which children = allow leaves unprotected, expected children = protect in %s",
            program.steps[0].path, policy.path);
        return STATUS_REFUSED;
    }
    if (find_objects(&program, library) < 0 || loses_library(&program, library))
        return STATUS_REFUSED;
    if (set_environment(&program, &policy) < 0)
        return STATUS_REFUSED;
    if (argv0 != NULL)
        argv[first] = argv0;
    return execute(&program, argc - first, argv + first);
}
