/*
 * See arguments.h.
 */
#include "arguments.h"

#include <stdio.h>
#include <string.h>

#include "message.h"

static bool set_flag(const struct arguments_flag *flags, const char *name)
{
    for (; flags->name != NULL; flags++)
        if (strcmp(flags->name, name) == 0)
            return *flags->is_set = true;
    return false;
}

/* Reads argv[i], and its value. Returns how many elements these are, or -1 after a message. */
static int read_option(int i, int argc, char **argv, const struct arguments *arguments)
{
    char name[32];
    const char *const equals = strchr(argv[i], '=');
    if (set_flag(arguments->flags, argv[i]))
        return 1;
    (void)snprintf(name, sizeof name, "%.*s", equals != NULL ? (int)(equals - argv[i]) : (int)sizeof name - 1,
                   argv[i]);
    if (equals == NULL && i + 1 == argc) {
        message("option %.80s of %s is unknown or has no value, %s", argv[i], arguments->command, arguments->usage);
        return -1;
    }
    const int result = arguments->set(arguments->options, name, equals != NULL ? equals + 1 : argv[i + 1]);
    if (result > 0)
        message("unknown option %.80s of %s, %s", name, arguments->command, arguments->usage);
    return result != 0 ? -1 : equals != NULL ? 1 : 2;
}

int arguments_read(int argc, char **argv, const struct arguments *arguments)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
        if (strcmp(argv[i], "--") == 0)
            return i + 1;
        const int count = read_option(i, argc, argv, arguments);
        if (count < 0)
            return -1;
        i += count;
    }
    return i;
}
