/*
 * The state file has one line. Who changes it has locked it (flock(2)), and writes it in one call, over the one
 * that was there: a serial number that goes up has at least as many digits. See peers_serial.h.
 */
#include "config/peers_serial.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include <sodium.h>

#include "base/filter.h"
#include "base/raw_file.h"
#include "base/raw_syscall.h"
#include "seal/file_trust.h"

enum { LINE_BYTES = 160, LOCK_TRIES = 200, LOCK_PAUSE_NS = 10 * 1000 * 1000 };

#define LINE_FORMAT "pfswrap peers serial=%" PRIu64 " digest=%s\n"

static struct signed_peers last; /* what this process had; written by the one who reads policies */

__attribute__((format(printf, 3, 4))) static int fail(const struct policy *policy, struct policy_error *error,
                                                      const char *format, ...)
{
    const struct policy_seal_keys *seal = &policy->seal;
    va_list arguments;
    int used = snprintf(error->text, sizeof error->text, "%.*s:%u: ", PATH_MAX, policy->path,
                        seal->peers_state_line != 0 ? seal->peers_state_line : seal->peers_line);
    va_start(arguments, format);
    (void)vsnprintf(error->text + used, sizeof error->text - (size_t)used, format, arguments);
    va_end(arguments);
    return -1;
}

/* Compares with a version that was used. `where`: who remembers it. Returns 0, or -1 with *error filled. */
static int compare(const struct policy *policy, const struct signed_peers *version,
                   const struct signed_peers *before, const char *where, struct policy_error *error)
{
    if (version->serial < before->serial)
        return fail(policy, error, "peers %.400s: serial %" PRIu64 " is older than %" PRIu64 " in %.400s",
                    policy->seal.peers, version->serial, before->serial, where);
    if (version->serial == before->serial && memcmp(version->digest, before->digest, sizeof version->digest) != 0)
        return fail(policy, error,
                    "peers %.400s: serial %" PRIu64 " was that of another content in %.400s, expected a higher one",
                    policy->seal.peers, version->serial, where);
    return 0;
}

/* Reads "pfswrap peers serial=NUMBER digest=BASE64". An empty file is one that has no number yet. */
static int parse(const char *text, size_t length, struct signed_peers *before)
{
    static const char first[] = SIGNED_PEERS_WORDS "serial=", second[] = " digest=";
    size_t decoded;
    *before = (struct signed_peers){0};
    if (length == 0)
        return 0;
    if (length <= sizeof first || memcmp(text, first, sizeof first - 1) != 0 || text[length - 1] != '\n')
        return -1;
    const char *const number = text + sizeof first - 1;
    const size_t digits = strspn(number, "0123456789");
    const char *const digest = number + digits + sizeof second - 1;
    before->serial = signed_peers_read_serial(number, digits);
    if (before->serial == 0 || memcmp(number + digits, second, sizeof second - 1) != 0)
        return -1;
    return sodium_base642bin(before->digest, sizeof before->digest, digest, (size_t)(text + length - 1 - digest),
                             NULL, &decoded, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
                   decoded == sizeof before->digest
               ? 0
               : -1;
}

/* Reads the open state file. Returns 0, or -1 with *error filled. */
static int read_state(const struct policy *policy, int fd, struct signed_peers *before, struct policy_error *error)
{
    char text[LINE_BYTES + 1] = {0}, reason[256];
    struct stat status = {0};
    long length = raw_fstat(fd, &status);
    if (length == 0 && (!S_ISREG(status.st_mode) || status.st_size >= LINE_BYTES))
        return fail(policy, error, "peers-state %s: expected a regular file of at most %d bytes",
                    policy->seal.peers_state, LINE_BYTES - 1);
    if (length == 0 && file_trust_check(fd, &status, FILE_SETTINGS, reason, sizeof reason) != 0)
        return fail(policy, error, "peers-state %s: %s", policy->seal.peers_state, reason);
    if (length == 0)
        length = raw_pread(fd, text, LINE_BYTES, 0);
    if (length < 0)
        return fail(policy, error, "peers-state %s: %s", policy->seal.peers_state, strerror((int)-length));
    if (parse(text, (size_t)length, before) != 0)
        return fail(policy, error, "peers-state %s: expected one line %sserial=NUMBER digest=BASE64",
                    policy->seal.peers_state, SIGNED_PEERS_WORDS);
    return 0;
}

/* Opens the state file. Returns a descriptor, or a negative errno value. */
static int open_state(const struct policy *policy, int flags)
{
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, policy->seal.peers_state,
                                flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    return (int)fd;
}

/*
 * Other processes hold the lock for a moment only. Others than this user and root cannot open the file (0600), so
 * they cannot hold it either. Returns 0, or a negative errno value.
 */
static long lock(int fd, int how)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    long result = filter_allows(SYS_flock) ? -EWOULDBLOCK : -EPERM;
    for (int i = 0; i < LOCK_TRIES && result == -EWOULDBLOCK; i++) {
        result = raw_syscall(SYS_flock, fd, how | LOCK_NB);
        if (result == -EWOULDBLOCK)
            (void)raw_syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
    }
    return result;
}

int peers_serial_check(const struct policy *policy, const struct signed_peers *version, struct policy_error *error)
{
    struct signed_peers before = {0};
    if (compare(policy, version, &last, "this process", error) != 0)
        return -1;
    if (policy->seal.peers_state_line == 0)
        return 0;
    const int fd = open_state(policy, O_RDONLY);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return fail(policy, error, "peers-state %s: %s, expected a file that this user can read and write",
                    policy->seal.peers_state, strerror(-fd));
    (void)lock(fd, LOCK_SH); /* without it, a line that is being written may be read */
    int result = read_state(policy, fd, &before, error);
    (void)raw_syscall(SYS_close, fd);
    if (result == 0)
        result = compare(policy, version, &before, policy->seal.peers_state, error);
    return result;
}

static long write_state(int fd, const struct signed_peers *version)
{
    char digest[sodium_base64_ENCODED_LEN(SIGNED_PEERS_DIGEST_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    char text[LINE_BYTES];
    sodium_bin2base64(digest, sizeof digest, version->digest, sizeof version->digest,
                      sodium_base64_VARIANT_ORIGINAL);
    const int length = snprintf(text, sizeof text, LINE_FORMAT, version->serial, digest);
    const long written = raw_syscall(SYS_write, fd, text, (size_t)length);
    if (written != length)
        return written < 0 ? written : -ENOSPC;
    return filter_allows(SYS_fdatasync) ? raw_syscall(SYS_fdatasync, fd) : 0;
}

/* Writes the version to the locked state file, if it is newer than what is there. */
static int replace_state(const struct policy *policy, int fd, const struct signed_peers *version,
                         struct policy_error *error)
{
    struct signed_peers before = {0};
    const long locked = lock(fd, LOCK_EX);
    if (locked < 0)
        return fail(policy, error, "peers-state %s: cannot be locked: %s", policy->seal.peers_state,
                    strerror((int)-locked));
    if (read_state(policy, fd, &before, error) != 0 ||
        compare(policy, version, &before, policy->seal.peers_state, error) != 0)
        return -1;
    const long written = before.serial == version->serial ? 0 : write_state(fd, version);
    if (written < 0)
        return fail(policy, error, "peers-state %s: %s", policy->seal.peers_state, strerror((int)-written));
    return 0;
}

/* Whether the state file has this version already: then nothing is written, and nothing needs to be writable. */
static bool is_kept(const struct policy *policy, const struct signed_peers *version)
{
    static struct policy_error ignored;
    struct signed_peers before = {0};
    const int fd = open_state(policy, O_RDONLY);
    if (fd < 0)
        return false;
    const bool is_same = read_state(policy, fd, &before, &ignored) == 0 && before.serial == version->serial &&
                         memcmp(before.digest, version->digest, sizeof before.digest) == 0;
    (void)raw_syscall(SYS_close, fd);
    return is_same;
}

int peers_serial_keep(const struct policy *policy, const struct signed_peers *version, struct policy_error *error)
{
    if (compare(policy, version, &last, "this process", error) != 0)
        return -1;
    if (policy->seal.peers_state_line != 0 && !is_kept(policy, version)) {
        const int fd = open_state(policy, O_RDWR | O_CREAT);
        if (fd < 0)
            return fail(policy, error, "peers-state %s: %s, expected a file that this user can write",
                        policy->seal.peers_state, strerror(-fd));
        const int result = replace_state(policy, fd, version, error);
        (void)raw_syscall(SYS_close, fd);
        if (result != 0)
            return -1;
    }
    last = *version;
    return 0;
}
