/*
 * System calls are made by number: libc's functions change the ids of every thread (nptl(7)), and here only the one
 * that executes is meant, which may be a child of vfork().
 */
#include "socket/credentials.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

static const char variable[] = "PFSWRAP_IDS";

static bool set_users(uid_t real, uid_t effective, uid_t saved)
{
    return syscall(SYS_setresuid, real, effective, saved) == 0;
}

static bool set_groups(gid_t real, gid_t effective, gid_t saved)
{
    return syscall(SYS_setresgid, real, effective, saved) == 0;
}

bool credentials_level(struct credentials *credentials)
{
    struct credentials *c = credentials;
    *c = (struct credentials){0};
    if (getresuid(&c->real_user, &c->effective_user, &c->saved_user) != 0 ||
        getresgid(&c->real_group, &c->effective_group, &c->saved_group) != 0)
        return false;
    if (c->real_user == c->effective_user && c->real_group == c->effective_group)
        return true;
    if (c->effective_user != 0 && c->real_user != 0)
        return false;
    (void)snprintf(c->text, sizeof c->text, "%s=%u:%u:%u:%u", variable, c->real_user, c->effective_user,
                   c->real_group, c->effective_group);
    c->levelled = true;
    if (set_users(0, 0, (uid_t)-1) && set_groups(c->effective_group, (gid_t)-1, (gid_t)-1))
        return true;
    credentials_restore(c);
    c->levelled = false;
    return false;
}

void credentials_restore(const struct credentials *credentials)
{
    const struct credentials *c = credentials;
    int error = errno;
    if (c->levelled && !(set_groups(c->real_group, c->effective_group, c->saved_group) &&
                         set_users(c->real_user, c->effective_user, c->saved_user)))
        pfswrap_die("cannot give the program its users and groups back after a failed exec");
    errno = error;
}

/* The four numbers of "REAL:EFFECTIVE:REAL:EFFECTIVE", users and then groups. Returns false for anything else. */
static bool ids_parse(const char *text, uint32_t ids[4])
{
    for (int i = 0; i < 4; i++) {
        char *end = NULL;
        unsigned long id = strtoul(text, &end, 10);
        if (end == text || id > UINT32_MAX || *end != (i < 3 ? ':' : '\0'))
            return false;
        ids[i] = (uint32_t)id;
        text = end + 1;
    }
    return true;
}

void credentials_take(void)
{
    const char *text = getenv(variable);
    uint32_t ids[4];
    if (text == NULL)
        return;
    if (!ids_parse(text, ids) || !set_groups(ids[2], ids[3], ids[3]) || !set_users(ids[0], ids[1], ids[1]))
        pfswrap_die("cannot take the users and groups that PFSWRAP_IDS names, expected the program that executed "
                    "this one to have them");
    (void)unsetenv(variable);
}
