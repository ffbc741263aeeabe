/* See file_trust.h. The list's format is in Linux's include/uapi/linux/posix_acl_xattr.h. */
#include "seal/file_trust.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
    CAN_WRITE = 2, /* permissions, as in a mode and in an access control list */
    CAN_READ = 4,

    LIST_VERSION = 2,
    LIST_ENTRIES = 128,
    TAG_USER = 0x02,
    TAG_OWNING_GROUP = 0x04,
    TAG_GROUP = 0x08,
    TAG_MASK = 0x10,
};

struct list_entry {
    uint16_t tag, permissions;
    uint32_t id;
};

struct list {
    uint32_t version;
    struct list_entry entries[LIST_ENTRIES];
};

static bool is_on_read_only_mount(int fd)
{
    struct statfs system;
    return fstatfs(fd, &system) == 0 && ((unsigned long)system.f_flags & ST_RDONLY) != 0;
}

/* Whether this process is in the group. */
static bool is_member(uint32_t group)
{
    gid_t groups[1024]; /* more than any system gives a user; a process with more is in none of them */
    if (getegid() == group)
        return true;
    const int count = getgroups(sizeof groups / sizeof groups[0], groups);
    for (int i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

static bool user_is_trusted(uint32_t user)
{
    return user == 0 || user == geteuid();
}

/* What a check has found: who has which of the `unwanted` permissions. */
struct finding {
    int unwanted;
    bool members_may_read;
    char who[48]; /* "" : nobody has one */
};

/* A group, or a user by name, has these permissions. */
static void consider(struct finding *finding, bool is_user, uint32_t id, int permissions)
{
    int excess = permissions & finding->unwanted;
    if (excess == 0 || finding->who[0] != '\0' || (is_user && user_is_trusted(id)))
        return;
    if (!is_user && finding->members_may_read && is_member(id))
        excess &= ~CAN_READ;
    if (excess != 0)
        (void)snprintf(finding->who, sizeof finding->who, "%s %u can %s it", is_user ? "user" : "group",
                       (unsigned)id, (excess & CAN_WRITE) != 0 ? "write" : "read");
}

/* Reads the access control list. Returns the number of entries; 0: the file has none; -1: that is unknown. */
static int read_list(int fd, struct list *list)
{
    const ssize_t size = fgetxattr(fd, "system.posix_acl_access", list, sizeof *list);
    if (size < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
        return 0;
    if (size < (ssize_t)sizeof list->version || le32toh(list->version) != LIST_VERSION)
        return -1;
    return (int)(((size_t)size - sizeof list->version) / sizeof list->entries[0]);
}

/*
 * The owning group, and who is named in the access control list. If the file has a list, the group's bits of its
 * mode are the list's mask, the most that any of these may have.
 */
static void consider_group(int fd, const struct stat *status, struct finding *finding)
{
    struct list list;
    const int mask = (int)(status->st_mode >> 3) & 7;
    if ((mask & finding->unwanted) == 0)
        return;
    const int count = read_list(fd, &list);
    if (count <= 0)
        consider(finding, false, status->st_gid, mask);
    if (count < 0 && finding->who[0] == '\0')
        (void)snprintf(finding->who, sizeof finding->who, "its access control list cannot be read");
    for (int i = 0; i < count; i++) {
        const int permissions = le16toh(list.entries[i].permissions) & mask, tag = le16toh(list.entries[i].tag);
        if (tag == TAG_USER || tag == TAG_GROUP)
            consider(finding, tag == TAG_USER, le32toh(list.entries[i].id), permissions);
        else if (tag == TAG_OWNING_GROUP)
            consider(finding, false, status->st_gid, permissions);
    }
}

int file_trust_check(int fd, const struct stat *status, enum file_trust use, char *reason, size_t size)
{
    const bool is_fixed = is_on_read_only_mount(fd);
    struct finding finding = {.unwanted = (is_fixed ? 0 : CAN_WRITE) | (use == FILE_SECRET ? CAN_READ : 0),
                              .members_may_read = true};
    if (!is_fixed && !user_is_trusted(status->st_uid)) {
        (void)snprintf(reason, size, "owned by user %u, expected user %u or root, or a read-only mount",
                       (unsigned)status->st_uid, (unsigned)geteuid());
        return -1;
    }
    const int others = (int)status->st_mode & finding.unwanted;
    if (others != 0)
        (void)snprintf(finding.who, sizeof finding.who, "all users can %s it",
                       (others & CAN_WRITE) != 0 ? "write" : "read");
    else
        consider_group(fd, status, &finding);
    if (finding.who[0] == '\0')
        return 0;
    (void)snprintf(reason, size, "mode %04o: %s, expected %s", (unsigned)status->st_mode & 07777, finding.who,
                   use == FILE_SECRET
                       ? "0400 or 0600, or 0440 with a group of this process, since it holds a secret "
                         "(chmod 0400; Kubernetes: defaultMode: 0400 or fsGroup; Docker: mode: 0400)"
                       : "nobody but its owner and root (chmod go-w, or a read-only mount)");
    return -1;
}
