/*
 * pfswrap unit [--policy FILE] UNIT: prints a drop-in that runs a service of systemd protected. Changes nothing,
 * and asks no running systemd. The commands of the unit are examined as `pfswrap run` would do it.
 */
#include "commands.h"
#include "image.h"
#include "libraries.h"
#include "message.h"
#include "policy/policy.h"
#include "preload.h"
#include "program.h"
#include "unit_command.h"
#include "unit_file.h"
#include "unit_sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "expected pfswrap unit [--policy FILE] UNIT";

/* What is the same for all commands of the unit. */
struct context {
    struct unit *unit;
    struct policy *policy;
    struct unit_places places;
};

/* The keys whose commands may run under pfswrap, in the order in which systemd runs them. */
static const char *const keys[] = {"ExecCondition", "ExecStartPre", "ExecStart",   "ExecStartPost",
                                   "ExecReload",    "ExecStop",     "ExecStopPost"};

enum decision {
    WRAP,
    LEAVE_PRESENT, /* pfswrap runs it already */
    LEAVE_LOCAL,   /* it opens no connection */
    LEAVE_REFUSED, /* pfswrap run would refuse it */
};

/* Whether the command is one of pfswrap's own. */
static bool is_present(const struct unit_command *command)
{
    const char *const slash = strrchr(command->path, '/');
    const char *const name = slash != NULL ? slash + 1 : command->path;
    return strcmp(name, "pfswrap") == 0 || strcmp(name, "pfswrap-tool") == 0;
}

static bool imports_sockets(const char *path)
{
    static const char *const functions[] = {"socket", "connect", "accept", "accept4"};
    struct image image;
    bool imports = false;
    if (image_open(&image, path) != 0)
        return true;
    imports = !image.is_native; /* its symbols are not read then */
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        imports |= image_symbol(&image, functions[i]) == IMAGE_SYMBOL_IMPORTED;
    image_close(&image);
    return imports;
}

/* Libraries whose sockets are for the system itself: they do not make a program one that opens connections. */
static bool is_of_the_system(const char *name)
{
    static const char *const names[] = {"libc.so.",   "ld-linux",  "libpthread.", "libselinux.", "libsystemd.",
                                        "libudev.",   "libproc2.", "libprocps.",  "libaudit.",   "libcap",
                                        "libresolv.", "libpam",    "libattr.",    "libacl.",     "libmount.",
                                        "libblkid.",  "libdbus-"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Whether the program, or a library that it names, may open connections. A script may do anything. */
static bool may_connect(const struct program *program)
{
    const char *const path = program->steps[program->step_count - 1].path;
    struct image image;
    const char *needed;
    if (program->step_count != 1 || imports_sockets(path))
        return true;
    if (image_open(&image, path) != 0)
        return true;
    struct libraries *libraries = calloc(1, sizeof *libraries); /* 2 MiB, for no other command */
    bool may = libraries == NULL || libraries_list(libraries, program->file.interpreter, path) < 0;
    for (size_t i = 0; !may && (needed = image_needed(&image, i)) != NULL; i++)
        for (size_t j = 0; !is_of_the_system(needed) && j < libraries->count; j++)
            if (strcmp(libraries->entries[j].name, needed) == 0)
                may |= imports_sockets(libraries->entries[j].path);
    free(libraries);
    image_close(&image);
    return may;
}

/* Decides about a command, with a comment where it stays as it is. *found is the program's file, if it was looked
 * up. */
static enum decision decide(struct context *context, const char *key, const struct unit_command *command,
                            char *found)
{
    static struct program program;
    found[0] = '\0';
    if (is_present(command))
        return LEAVE_PRESENT;
    if (command->path[0] == '\0' || unit_has_own_root(context->unit)) {
        out("# %.*s: not examined, expected a program that pfswrap run does not refuse\n",
            (int)command->whole_length, command->whole);
        return WRAP;
    }
    program = (struct program){0};
    const int status = program_examine(&program, command->path);
    if (status == 0 && strchr(command->path, '/') == NULL)
        (void)snprintf(found, PATH_MAX, "%s", program.steps[0].path);
    if (status != 0) {
        out("# %s stays as it is: %s\n", key, program.refusal);
        return LEAVE_REFUSED;
    }
    if (strcmp(key, "ExecStart") == 0 || may_connect(&program))
        return WRAP;
    out("# %s=%.*s stays as it is: it opens no connection\n", key, (int)command->whole_length, command->whole);
    return LEAVE_LOCAL;
}

enum { COMMANDS_MAX = 64 };

/* Whether pfswrap can run a command of ExecStart; with a message. */
static bool is_startable(const struct context *context, const struct unit_command *command)
{
    static struct program program;
    if (is_present(command) || command->path[0] == '\0' || unit_has_own_root(context->unit))
        return true;
    program = (struct program){0};
    if (program_examine(&program, command->path) == 0)
        return true;
    message("%s: %s", context->unit->name, program.refusal);
    return false;
}

/* Reads all commands of a key before anything is printed. Returns 0, or 1 after a message. */
static int check_key(const struct context *context, const char *key)
{
    const struct unit_setting *setting;
    size_t count = 0, at = 0;
    bool is_good = true;
    while ((setting = unit_next(context->unit, key, &at)) != NULL) {
        struct unit_command command;
        const char *text = setting->value, *why = "";
        int result;
        while ((result = unit_command_read(&command, &text, context->unit->name, &why)) == 1 &&
               count++ < COMMANDS_MAX)
            if (strcmp(key, "ExecStart") == 0)
                is_good &= is_startable(context, &command);
        if (result == 0)
            continue;
        message("%s:%u: %s cannot be rewritten: %s", setting->file, setting->line, key,
                result < 0 ? why : "it has too many commands");
        return 1;
    }
    return is_good ? 0 : 1;
}

/* Prints all commands of a key, if pfswrap runs one of them. check_key() has read them. Returns 0, or 1: no memory.
 */
static int print_key(struct context *context, const char *key)
{
    char *lines[COMMANDS_MAX], found[PATH_MAX];
    const struct unit_setting *setting;
    size_t count = 0, wrapped = 0, at = 0;
    bool failed = false;
    while ((setting = unit_next(context->unit, key, &at)) != NULL) {
        struct unit_command command;
        const char *text = setting->value, *why;
        while (count < COMMANDS_MAX && unit_command_read(&command, &text, context->unit->name, &why) == 1) {
            const bool wraps = decide(context, key, &command, found) == WRAP;
            lines[count] = wraps ? unit_command_wrap(&command, context->places.pfswrap, context->policy->path,
                                                     found[0] != '\0' ? found : NULL)
                                 : strndup(command.whole, command.whole_length);
            failed |= lines[count++] == NULL;
            wrapped += wraps;
        }
    }
    if (failed)
        message("not enough memory for %s", key);
    else if (wrapped > 0)
        out("%s=\n", key);
    for (size_t i = 0; i < count; i++) {
        if (wrapped > 0 && !failed)
            out("%s=%s\n", key, lines[i]);
        free(lines[i]);
    }
    return failed ? 1 : 0;
}

/* Where the command and the library are. Returns 0, or 1 after a message. */
static int find_places(struct unit_places *places)
{
    static char tool[PATH_MAX], objects[PRELOAD_PATH_MAX];
    static const char installed[] = "/libexec/pfswrap/pfswrap-tool", command[] = "/bin/pfswrap";
    char problem[PATH_MAX + 128];
    if (preload_find(objects, OBJECT_OWN, problem, sizeof problem) < 0) {
        message("%s", problem);
        return 1;
    }
    const ssize_t length = readlink("/proc/self/exe", tool, sizeof tool - sizeof command);
    if (length <= 0)
        return 1;
    tool[length] = '\0';
    char *const end = length >= (ssize_t)sizeof installed ? tool + length - (sizeof installed - 1) : tool;
    if (strcmp(end, installed) == 0)
        memcpy(end, command, sizeof command);
    *strrchr(objects, '/') = '\0';
    *places = (struct unit_places){.pfswrap = tool, .objects = objects};
    return 0;
}

/* Reads the policy that is named, or that `pfswrap run` would use for the program. Returns 0, or 1 after a message.
 */
static int load_policy(struct context *context, const char *file)
{
    static struct policy_error error;
    static char path[PATH_MAX];
    struct unit_command command = {0};
    const char *why;
    size_t at = 0;
    const struct unit_setting *const start = unit_next(context->unit, "ExecStart", &at);
    if (start == NULL) {
        message("%s has no ExecStart, expected a service that starts a program", context->unit->name);
        return 1;
    }
    const char *text = start->value;
    (void)unit_command_read(&command, &text, context->unit->name, &why);
    if (file == NULL && policy_locate(path, sizeof path, command.path) < 0) {
        message("the path of the policy is too long, expected at most %d bytes", PATH_MAX - 1);
        return 1;
    }
    if (setenv("CREDENTIALS_DIRECTORY", UNIT_CREDENTIALS, 1) != 0 ||
        policy_load(context->policy, file != NULL ? file : path, &error) != 0) {
        message("%s", error.text);
        return 1;
    }
    if (strchr(context->policy->path, '$') == NULL)
        return 0;
    message("%s: systemd would replace the $, expected a path without it", context->policy->path);
    return 1;
}

/* Returns the index of UNIT in argv, or -1 after a message. */
static int parse_options(int argc, char **argv, const char **policy)
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
        } else {
            message("unknown option %.80s of unit, %s", argv[i], usage);
            return -1;
        }
    }
    if (argc - i == 1)
        return i;
    message("unit takes one UNIT, %s", usage);
    return -1;
}

static void print_head(const struct context *context)
{
    const struct unit *const unit = context->unit;
    out("# Runs %s under pfswrap. Made by pfswrap unit from %s", unit->name, unit->files[0]);
    out(unit->file_count > 1 ? " and %zu drop-ins.\n" : ".\n", unit->file_count - 1);
    out("# Save it as /etc/systemd/system/%s.d/" UNIT_DROP_IN
        ", then systemctl daemon-reload and restart the service.\n",
        unit->name);
    out("[Service]\n");
}

int command_unit(int argc, char **argv)
{
    static struct unit unit;
    static struct policy policy;
    struct context context = {.unit = &unit, .policy = &policy};
    char problem[PATH_MAX + 256] = "not enough memory";
    const char *file = NULL;
    const int first = parse_options(argc, argv, &file);
    if (first < 0)
        return 2;
    if (unit_load(&unit, argv[first], problem, sizeof problem) < 0) {
        message("%s", problem);
        return 1;
    }
    if (load_policy(&context, file) != 0 || find_places(&context.places) != 0)
        return 1;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (check_key(&context, keys[i]) != 0)
            return 1;
    print_head(&context);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (print_key(&context, keys[i]) != 0)
            return 1;
    unit_print_keys(&unit, &policy);
    unit_print_log(&unit, &policy);
    unit_print_sandbox(&unit, &policy, &context.places);
    return out_finish();
}
