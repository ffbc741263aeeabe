/* See files.h. */
#include "reload/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/raw_file.h"
#include "base/raw_syscall.h"

static dev_t root_device;
static ino_t root_inode;

static void look(const char *path, struct file_identity *identity)
{
    struct stat status = {0};
    memset(identity, 0, sizeof *identity);
    if (path[0] == '\0' || raw_stat(path, &status) != 0)
        return;
    identity->device = status.st_dev;
    identity->inode = status.st_ino;
    identity->size = (uint64_t)status.st_size;
    identity->changed_s = status.st_ctim.tv_sec;
    identity->changed_ns = (uint32_t)status.st_ctim.tv_nsec;
    identity->modified_s = status.st_mtim.tv_sec;
    identity->modified_ns = (uint32_t)status.st_mtim.tv_nsec;
}

static void look_at_signature(const char *path, struct file_identity *identity)
{
    char signature[PATH_MAX];
    const int length = snprintf(signature, sizeof signature, "%s" SIGNATURE_SUFFIX, path);
    look(length >= 0 && (size_t)length < sizeof signature ? signature : "", identity);
}

void files_look(const struct policy *policy, struct file_identities *identities)
{
    size_t count = 0;
    memset(identities, 0, sizeof *identities);
    look(policy->path, &identities->files[count++]);
    look(policy->seal.peers, &identities->files[count++]);
    if (policy->seal.signer_count > 0)
        look_at_signature(policy->seal.peers, &identities->files[count++]);
    for (size_t i = 0; i < policy->seal.identity_count; i++)
        look(policy_agent_name(policy->seal.identities[i]) == NULL ? policy->seal.identities[i] : "",
             &identities->files[count++]);
    for (size_t i = 0; i < policy->seal.psk_count; i++)
        look(policy_agent_name(policy->seal.psks[i]) == NULL ? policy->seal.psks[i] : "",
             &identities->files[count++]);
    look(policy->tls.ca_file, &identities->files[count]);
}

bool files_are_equal(const struct file_identities *one, const struct file_identities *other)
{
    return memcmp(one, other, sizeof *one) == 0;
}

bool files_peers_are_whole(const struct policy *policy)
{
    char last = '\n';
    if (policy->seal.peers[0] == '\0')
        return true;
    const long fd =
        raw_syscall(SYS_openat, AT_FDCWD, policy->seal.peers, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    int64_t end = 0;
    if (fd < 0)
        return true; /* its reader says why it cannot be opened */
    if (raw_lseek((int)fd, -1, SEEK_END, &end) == 0)
        (void)raw_pread((int)fd, &last, 1, (uint64_t)end);
    (void)raw_syscall(SYS_close, fd);
    return last == '\n';
}

void files_remember_root(void)
{
    struct stat status = {0};
    if (raw_stat("/", &status) != 0)
        return;
    root_device = status.st_dev;
    root_inode = status.st_ino;
}

bool files_have_same_root(void)
{
    struct stat status = {0};
    return raw_stat("/", &status) == 0 && status.st_dev == root_device && status.st_ino == root_inode;
}
