/*
 * The list of file actions of posix_spawn(3). No C library has functions that read one, so spawn_actions_glibc.c
 * and spawn_actions_musl.c know its layout. Nothing here allocates memory or makes a system call.
 */
#ifndef PFSWRAP_SOCKET_SPAWN_ACTIONS_H
#define PFSWRAP_SOCKET_SPAWN_ACTIONS_H

#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>

enum spawn_kind { SPAWN_OTHER, SPAWN_CLOSE, SPAWN_DUP2, SPAWN_OPEN, SPAWN_CLOSEFROM };

struct spawn_action {
    enum spawn_kind kind; /* OTHER: it changes no descriptor */
    int fd;               /* that it closes, opens or duplicates; the first that it closes */
    int target;           /* of DUP2 */
};

/* A place in a list. */
struct spawn_iter {
    const void *at;
    int left; /* glibc: how many actions follow */
};

/* `actions` may be NULL: an empty list. spawn_next() returns false behind the last action. */
struct spawn_iter spawn_first(const posix_spawn_file_actions_t *actions);
bool spawn_next(struct spawn_iter *iter, struct spawn_action *action);

/* How many bytes spawn_build_begin() needs for a list of these actions and `more` others. */
size_t spawn_bytes(const posix_spawn_file_actions_t *actions, size_t more);

/* A list that is being made in `room`. It is in order after each call. */
struct spawn_build {
    posix_spawn_file_actions_t *list;
    void *room; /* the rest of it */
};
struct spawn_build spawn_build_begin(posix_spawn_file_actions_t *list, void *room);
void spawn_build_close(struct spawn_build *build, int fd);
void spawn_build_dup2(struct spawn_build *build, int fd, int target);

/* Adds all of `actions`. The list refers to the names of files in `actions`, or has copies of them. */
void spawn_build_all(struct spawn_build *build, const posix_spawn_file_actions_t *actions);

#endif
