/*
 * Reads a unit of systemd with its drop-ins: found in the same folders, joined in the same order (systemd.unit(5)).
 * Nothing here asks a running systemd, so it works on any machine, and in a chroot or an image.
 */
#ifndef PFSWRAP_TOOLS_UNIT_FILE_H
#define PFSWRAP_TOOLS_UNIT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum { UNIT_SETTINGS_MAX = 1024, UNIT_FILES_MAX = 64 };

/* A KEY=VALUE of the section [Service], in the order in which systemd reads them. Continuation lines are joined. */
struct unit_setting {
    char *key;
    char *value;      /* without blanks around it; empty: resets a list */
    const char *file; /* where it is */
    unsigned line;
};

struct unit {
    char name[NAME_MAX + 1]; /* "nginx.service" */
    char *files[UNIT_FILES_MAX];
    size_t file_count; /* the first is the unit itself */
    struct unit_setting settings[UNIT_SETTINGS_MAX];
    size_t setting_count;
};

/* The name of the drop-in that `pfswrap unit` prints. unit_load() leaves it out, so the command can be repeated. */
#define UNIT_DROP_IN "pfswrap.conf"

/*
 * Reads the unit `name`, with or without ".service", or the file at a path with a slash. Returns 0, or -1 with a
 * message in problem[0..size). *unit must be zero. Its memory lives as long as the process.
 */
int unit_load(struct unit *unit, const char *name, char *problem, size_t size);

/* The last value of a key that has one value; NULL: none, or an empty one. */
const char *unit_value(const struct unit *unit, const char *key);

/* The same as a boolean (systemd.syntax(7)); false if there is none. */
bool unit_is_true(const struct unit *unit, const char *key);

/*
 * The next setting of a list, from index *at on, which moves behind it; NULL: there are no more. What a later empty
 * value has reset is left out. *at begins with 0.
 */
const struct unit_setting *unit_next(const struct unit *unit, const char *key, size_t *at);

/* Whether a word of the list of that key begins with `word` and ends there, or with one of the characters in
 * `ends`. */
bool unit_lists(const struct unit *unit, const char *key, const char *word, const char *ends);

#endif
