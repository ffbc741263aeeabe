/*
 * The options of a command that has long ones only: --NAME, --NAME VALUE or --NAME=VALUE, in front of everything
 * else.
 */
#ifndef PFSWRAP_TOOLS_ARGUMENTS_H
#define PFSWRAP_TOOLS_ARGUMENTS_H

#include <stdbool.h>

/* An option without a value. */
struct arguments_flag {
    const char *name; /* "--json" */
    bool *is_set;
};

struct arguments {
    const char *command, *usage;        /* for messages */
    const struct arguments_flag *flags; /* ends with a name that is NULL */
    void *options;                      /* for `set` */
    /* Takes the value of an option. Returns 0; 1: there is no such option; -1 after a message. */
    int (*set)(void *options, const char *name, const char *value);
};

/*
 * Reads argv[1] and so on, up to "--" or what is no option ("-" is none). Returns the index behind, or -1 after a
 * message.
 */
int arguments_read(int argc, char **argv, const struct arguments *arguments);

#endif
