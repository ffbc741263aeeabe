/*
 * The descriptor stays open: after chroot(2) or setuid(2) the path may lead nowhere. Nothing is ever removed from
 * the file or written over, so a process needs to read it only for keys that it has not asked for before. A line
 * without an end is being written, or was cut by a full disk; each line begins on a new one. See key_state.h.
 */
#include "tls/key_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "audit/quiet_write.h"
#include "base/filter.h"
#include "base/large.h"
#include "base/mutex.h"
#include "base/raw_file.h"
#include "base/raw_syscall.h"
#include "config/cryptoperiod.h"
#include "fd/own.h"
#include "seal/file_trust.h"
#include "seal/keyring.h"

enum {
    KEYS_MAX = 64, /* whose times are kept in memory */
    CHUNK_BYTES = 4096,
    FILE_BYTES_MAX = 1 << 20,
    KEY_CHARACTERS = PFSWRAP_KEY_TEXT_BYTES - 1,
    DATE_CHARACTERS = sizeof "YYYY-MM-DDThh:mm:ssZ" - 1,
    LINE_CHARACTERS = KEY_CHARACTERS + 1 + DATE_CHARACTERS,
};

static struct mutex mutex; /* for everything below */
static struct descriptor *file;
static bool is_open;
static int open_error = -ENOENT; /* a negative errno value */
static size_t key_count;
LARGE static struct {
    uint8_t digest[POLICY_PIN_BYTES];
    int64_t first;
} keys[KEYS_MAX];
LARGE static char chunk[CHUNK_BYTES];

/* Opens it for appending; if that is refused, for reading. Returns a descriptor or a negative errno value. */
static int open_file(const char *path)
{
    enum { FLAGS = O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW };
    static const short calls[] = {SYS_openat,    RAW_FSTAT,   RAW_FSTATFS, SYS_fgetxattr,
                                  RAW_GETGROUPS, RAW_GETEUID, RAW_GETEGID}; /* also of file_trust_check() */
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (!filter_allows(calls[i]))
            return -EPERM;
    long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_APPEND | O_CREAT | FLAGS, 0644);
    if (fd == -EACCES || fd == -EROFS || fd == -EPERM) {
        const long readable = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | FLAGS, 0);
        fd = readable == -ENOENT ? fd : readable;
    }
    return (int)fd;
}

/* The mutex is locked. */
static void open_once(const struct policy_tls *tls)
{
    struct stat status = {0};
    char reason[8];
    if (is_open || tls->key_state[0] == '\0')
        return;
    const int fd = open_file(tls->key_state);
    open_error = fd < 0 ? fd : (int)raw_fstat(fd, &status);
    if (fd >= 0 && open_error == 0 &&
        (!S_ISREG(status.st_mode) || file_trust_check(fd, &status, FILE_SETTINGS, reason, sizeof reason) != 0))
        open_error = -EPERM;
    if (fd >= 0 && open_error == 0)
        open_error = own_take(fd, &file);
    else if (fd >= 0)
        (void)raw_syscall(SYS_close, fd);
    is_open = open_error == 0;
}

/* A whole line of the file: a time that is earlier than *first, and of this key, takes its place. */
static void take_line(const char *line, size_t length, const uint8_t *digest, int64_t *first)
{
    uint8_t key[PFSWRAP_KEY_BYTES];
    if (length != LINE_CHARACTERS || line[KEY_CHARACTERS] != ' ' ||
        pfswrap_key_decode(key, line, KEY_CHARACTERS) != 0 || memcmp(key, digest, sizeof key) != 0)
        return;
    const int64_t time = keyring_read_date(line + KEY_CHARACTERS + 1, DATE_CHARACTERS);
    if (time >= 0 && time < *first)
        *first = time;
}

/* Reads the file to its end. *first: INT64_MAX if it does not have the key. Returns 0 or a negative errno value. */
static int search(int fd, const uint8_t *digest, int64_t *first)
{
    char line[LINE_CHARACTERS];
    size_t length = 0;
    *first = INT64_MAX;
    for (uint64_t offset = 0; offset < FILE_BYTES_MAX;) {
        const long got = filter_allows(SYS_pread64) ? raw_pread(fd, chunk, sizeof chunk, offset) : -EPERM;
        if (got == -EINTR)
            continue;
        if (got <= 0)
            return (int)got;
        for (long i = 0; i < got; i++) {
            if (chunk[i] == '\n')
                take_line(line, length, digest, first);
            else if (length < sizeof line)
                line[length] = chunk[i];
            length = chunk[i] == '\n' ? 0 : length + 1;
        }
        offset += (uint64_t)got;
    }
    return -EFBIG;
}

static int append(int fd, const uint8_t *digest, int64_t now)
{
    char key[PFSWRAP_KEY_TEXT_BYTES], date[CRYPTOPERIOD_TIME_BYTES], line[LINE_CHARACTERS + 3];
    struct text text = {.count = 0};
    struct stat status = {0};
    bool is_torn = false;
    pfswrap_key_encode(key, digest);
    if (cryptoperiod_format_time(date, now) == NULL)
        return -EINVAL;
    const int length = snprintf(line, sizeof line, "\n%s %s\n", key, date);
    const long error = raw_fstat(fd, &status);
    if (error != 0)
        return (int)error;
    text_add(&text, line, (size_t)length);
    return write_quietly(fd, &status, &text, &is_torn);
}

/* The key is not among those in memory. The mutex is locked. */
static int find(int fd, const uint8_t *digest, int64_t now, int64_t *first)
{
    int error = search(fd, digest, first);
    if (error != 0)
        return error;
    if (*first > now) {
        error = append(fd, digest, now);
        *first = now;
    }
    if (error == 0 && key_count < KEYS_MAX) {
        memcpy(keys[key_count].digest, digest, sizeof keys[0].digest);
        keys[key_count].first = *first;
        key_count++;
    }
    return error;
}

void key_state_begin(const struct policy_tls *tls)
{
    const int saved = errno;
    mutex_lock(&mutex);
    open_once(tls);
    mutex_unlock(&mutex);
    errno = saved;
}

int key_state_first_use(const uint8_t digest[POLICY_PIN_BYTES], int64_t now, int64_t *first)
{
    const int saved = errno;
    int error = 0;
    size_t i = 0;
    *first = now;
    mutex_lock(&mutex);
    while (i < key_count && memcmp(keys[i].digest, digest, sizeof keys[i].digest) != 0)
        i++;
    if (i < key_count && keys[i].first <= now) {
        *first = keys[i].first;
    } else {
        key_count = i < key_count ? 0 : key_count; /* the clock went back: all are read again */
        const int fd = is_open ? own_acquire(file) : open_error;
        error = fd >= 0 ? find(fd, digest, now, first) : is_open ? -EBADF : open_error;
        if (is_open)
            own_release(file);
    }
    mutex_unlock(&mutex);
    errno = saved;
    return error;
}
