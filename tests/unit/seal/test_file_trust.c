/*
 * Which files may hold a secret or settings: by owner, mode, group, access control list and mount. Most cases make
 * files of other users, and so need root.
 */
#include "../suite.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "seal/file_trust.h"

enum { USER = 1000, OTHER = 1001, GROUP = 2000, OTHER_GROUP = 2001 };

static char path[] = "/tmp/pfswrap-trust-XXXXXX";
static char reason[256];

static void make_file(void)
{
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(fd), 0);
}

static void remove_file(void)
{
    (void)unlink(path);
}

static void lay(uid_t owner, gid_t group, mode_t mode)
{
    ck_assert_int_eq(chown(path, owner, group), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

/* An access control list: the owner reads, the owning group has no rights, and `id` may do what `permissions` say.
 */
static bool add_to_list(uint16_t tag, uint32_t id, uint16_t permissions)
{
    struct {
        uint32_t version;
        struct {
            uint16_t tag, permissions;
            uint32_t id;
        } entries[5];
    } list = {2, {{1, 4, -1U}, {tag, permissions, id}, {4, 0, -1U}, {0x10, permissions, -1U}, {0x20, 0, -1U}}};
    if (tag == 8) { /* groups follow the owning group */
        list.entries[1].tag = 4;
        list.entries[1].permissions = 0;
        list.entries[1].id = -1U;
        list.entries[2].tag = 8;
        list.entries[2].permissions = permissions;
        list.entries[2].id = id;
    }
    return setxattr(path, "system.posix_acl_access", &list, sizeof list, 0) == 0;
}

/* What the check says to a process of that user, which is in `group`. */
static bool accepts(enum file_trust use, uid_t user, gid_t group)
{
    struct stat status;
    const gid_t groups[] = {group};
    const int fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(setgroups(1, groups), 0);
    ck_assert_int_eq(setegid(user), 0);
    ck_assert_int_eq(seteuid(user), 0);
    reason[0] = '\0';
    const bool accepted = file_trust_check(fd, &status, use, reason, sizeof reason) == 0;
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(setegid(0), 0);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(accepted, reason[0] == '\0');
    return accepted;
}

static void expect_reason(const char *text)
{
    ck_assert_msg(strstr(reason, text) != NULL, "expected '%s' in '%s'", text, reason);
}

START_TEST(its_user_and_root_may_own_a_file)
{
    lay(USER, USER, 0600);
    ck_assert(accepts(FILE_SECRET, USER, USER) && accepts(FILE_SETTINGS, USER, USER));
    lay(0, 0, 0400);
    ck_assert(accepts(FILE_SECRET, USER, USER) && accepts(FILE_SETTINGS, USER, USER));
    lay(OTHER, USER, 0600);
    ck_assert(!accepts(FILE_SECRET, USER, USER));
    expect_reason("owned by user 1001, expected user 1000 or root");
    ck_assert(!accepts(FILE_SETTINGS, USER, USER) && !accepts(FILE_SECRET, 0, 0));
}
END_TEST

START_TEST(all_users_may_read_settings_but_no_secret)
{
    lay(0, 0, 0644);
    ck_assert(accepts(FILE_SETTINGS, USER, USER) && !accepts(FILE_SECRET, USER, USER));
    expect_reason("mode 0644: all users can read it, expected 0400 or 0600");
    lay(0, 0, 0446);
    ck_assert(!accepts(FILE_SETTINGS, USER, USER));
    expect_reason("mode 0446: all users can write it, expected nobody but its owner and root");
}
END_TEST

START_TEST(a_group_may_read_a_secret_if_the_process_is_in_it)
{
    lay(0, GROUP, 0440);
    ck_assert(accepts(FILE_SECRET, USER, GROUP) && accepts(FILE_SECRET, 0, GROUP));
    ck_assert(!accepts(FILE_SECRET, USER, OTHER_GROUP));
    expect_reason("mode 0440: group 2000 can read it");
    lay(0, 0, 0440); /* an arbitrary user in group 0, as on OpenShift */
    ck_assert(accepts(FILE_SECRET, USER, 0) && !accepts(FILE_SECRET, USER, GROUP));
    lay(0, USER, 0440); /* the group of the process itself */
    ck_assert(accepts(FILE_SECRET, USER, OTHER_GROUP));
}
END_TEST

START_TEST(no_group_may_write)
{
    lay(0, GROUP, 0660);
    ck_assert(!accepts(FILE_SECRET, USER, GROUP));
    expect_reason("mode 0660: group 2000 can write it");
    ck_assert(!accepts(FILE_SETTINGS, USER, GROUP));
    expect_reason("chmod go-w, or a read-only mount");
}
END_TEST

START_TEST(a_list_that_names_the_user_is_as_good_as_a_mode)
{
    lay(0, 0, 0400);
    if (!add_to_list(2, USER, 4))
        return; /* the file system has no access control lists */
    ck_assert(accepts(FILE_SECRET, USER, USER));
    ck_assert(!accepts(FILE_SECRET, OTHER, OTHER)); /* the same file, and a process of another user */
    expect_reason("user 1000 can read it");
    ck_assert(add_to_list(2, OTHER, 4) && !accepts(FILE_SECRET, USER, USER));
    ck_assert(accepts(FILE_SETTINGS, USER, USER));
    ck_assert(add_to_list(2, OTHER, 6) && !accepts(FILE_SETTINGS, USER, USER));
    expect_reason("user 1001 can write it");
}
END_TEST

START_TEST(a_list_that_names_a_group_counts_its_members)
{
    lay(0, 0, 0400);
    if (!add_to_list(8, GROUP, 4))
        return; /* the file system has no access control lists */
    ck_assert(accepts(FILE_SECRET, USER, GROUP) && !accepts(FILE_SECRET, USER, OTHER_GROUP));
    expect_reason("group 2000 can read it");
    ck_assert(add_to_list(8, GROUP, 6) && !accepts(FILE_SETTINGS, USER, GROUP));
}
END_TEST

START_TEST(in_a_read_only_mount_nobody_can_write)
{
    char folder[] = "/tmp/pfswrap-trust-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    const bool has_mounts = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                            mount("tmpfs", folder, "tmpfs", 0, "size=64k") == 0;
    if (has_mounts) {
        char inside[64];
        (void)snprintf(inside, sizeof inside, "%s/file", folder);
        ck_assert_int_eq(close(open(inside, O_CREAT | O_WRONLY, 0600)), 0);
        remove_file();
        ck_assert_int_eq(symlink(inside, path), 0);
        lay(OTHER, GROUP, 0660);
        ck_assert(!accepts(FILE_SETTINGS, USER, GROUP));
        ck_assert_int_eq(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        ck_assert(accepts(FILE_SETTINGS, USER, GROUP) && accepts(FILE_SECRET, USER, GROUP));
        ck_assert(!accepts(FILE_SECRET, USER, OTHER_GROUP)); /* it can be read all the same */
        ck_assert_int_eq(umount(folder), 0);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("file trust");
    tcase_add_checked_fixture(cases, make_file, remove_file);
    if (geteuid() != 0) {
        (void)printf("1..0 # skip the cases make files of other users, which only root can\n");
        return 0;
    }
    tcase_add_test(cases, its_user_and_root_may_own_a_file);
    tcase_add_test(cases, all_users_may_read_settings_but_no_secret);
    tcase_add_test(cases, a_group_may_read_a_secret_if_the_process_is_in_it);
    tcase_add_test(cases, no_group_may_write);
    tcase_add_test(cases, a_list_that_names_the_user_is_as_good_as_a_mode);
    tcase_add_test(cases, a_list_that_names_a_group_counts_its_members);
    tcase_add_test(cases, in_a_read_only_mount_nobody_can_write);
    return run_suite(cases, "file_trust");
}
