/*
 * Key and peers files: the only I/O of shim/seal. A file is judged by the descriptor that is then read, so that
 * nobody can change it in between: a regular file, ours or root's, closed to group and others as its content asks.
 * Knows no protocol.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal/keyring.h"

enum {
    KEY_FILE_MAX = 4096,
    PEERS_FILE_MAX = 16 * 1024 * 1024,
    MODE_SECRET = 0077,  /* permission bits that the file of a secret must not have */
    MODE_TRUSTED = 0022, /* and those that one which decides whom we trust must not */
};

static int check_file(const struct stat *status, const char *path, mode_t forbidden,
                      struct pfswrap_keys_error *error)
{
    if (!S_ISREG(status->st_mode)) {
        keys_error_set(error, "%s: not a regular file", path);
        return -1;
    }
    if (status->st_uid != geteuid() && status->st_uid != 0) {
        keys_error_set(error, "%s: owned by user %u, expected user %u or root", path, (unsigned)status->st_uid,
                       (unsigned)geteuid());
        return -1;
    }
    if ((status->st_mode & forbidden) != 0) {
        keys_error_set(error, "%s: mode %04o, expected %s", path, (unsigned)status->st_mode & 07777,
                       forbidden == MODE_SECRET ? "0600 or less: it holds a secret"
                                                : "0644 or less: whoever can write it decides whom we trust");
        return -1;
    }
    return 0;
}

/* O_NONBLOCK: a FIFO in the file's place must not hold us up before fstat() tells. */
static int open_checked(const char *path, mode_t forbidden, off_t largest, size_t *size,
                        struct pfswrap_keys_error *error)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;

    if (fd < 0 && errno == EACCES) {
        keys_error_set(error, "%s: %s, expected a file that user %u can read", path, strerror(errno),
                       (unsigned)geteuid());
    } else if (fd < 0 || fstat(fd, &status) != 0) {
        keys_error_set(error, "%s: %s", path, strerror(errno));
    } else if (check_file(&status, path, forbidden, error) == 0) {
        if (status.st_size <= largest) {
            *size = (size_t)status.st_size;
            return fd;
        }
        keys_error_set(error, "%s: %lld bytes, expected at most %lld", path, (long long)status.st_size,
                       (long long)largest);
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Reads to the end or to `size` bytes. Returns the number, or -1 with errno. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t have = 0;

    while (have < size) {
        const ssize_t n = read(fd, buffer + have, size - have);

        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -1;
        have += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)have;
}

/* One key on one line; further lines may only be empty. */
static int parse_key(uint8_t key[PFSWRAP_KEY_BYTES], const char *text, size_t length, const char *path,
                     struct pfswrap_keys_error *error)
{
    const size_t line = strcspn(text, "\r\n \t");

    if (pfswrap_key_decode(key, text, line) != 0) {
        keys_error_set(error, "%s:1: expected a key as %d characters of base64, found %zu characters that are not",
                       path, PFSWRAP_KEY_TEXT_BYTES - 1, line);
        return -1;
    }
    if (line + strspn(text + line, "\r\n \t") != length) {
        keys_error_set(error, "%s: expected one key and nothing behind it", path);
        return -1;
    }
    return 0;
}

static int load_key(struct pfswrap_keyring *keyring, const char *path, struct pfswrap_keys_error *error,
                    int (*add)(struct pfswrap_keyring *, const uint8_t *), const char *full)
{
    uint8_t key[PFSWRAP_KEY_BYTES];
    char text[KEY_FILE_MAX + 1] = {0};
    size_t size = 0;
    int result = -1;
    const int fd = open_checked(path, MODE_SECRET, KEY_FILE_MAX, &size, error);
    ssize_t length;

    if (fd < 0)
        return -1;
    if ((length = read_all(fd, text, KEY_FILE_MAX)) < 0)
        keys_error_set(error, "%s: %s", path, strerror(errno));
    else if (parse_key(key, text, (size_t)length, path, error) == 0 && (result = add(keyring, key)) != 0)
        keys_error_set(error, "%s: %s", path, full);
    close(fd);
    sodium_memzero(key, sizeof key);
    sodium_memzero(text, sizeof text);
    return result;
}

int pfswrap_keyring_load_identity(struct pfswrap_keyring *keyring, const char *path,
                                  struct pfswrap_keys_error *error)
{
    return load_key(keyring, path, error, pfswrap_keyring_add_identity,
                    "this identity is there already, or there are 16");
}

int pfswrap_keyring_load_psk(struct pfswrap_keyring *keyring, const char *path, struct pfswrap_keys_error *error)
{
    return load_key(keyring, path, error, pfswrap_keyring_add_psk, "this psk is there already, or there are 16");
}

int pfswrap_keyring_load_peers(struct pfswrap_keyring *keyring, const char *path, struct pfswrap_keys_error *error)
{
    size_t size = 0;
    int result = -1;
    const int fd = open_checked(path, MODE_TRUSTED, PEERS_FILE_MAX, &size, error);
    char *text;
    ssize_t length;

    if (fd < 0)
        return -1;
    text = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (text == MAP_FAILED || (length = read_all(fd, text, size)) < 0)
        keys_error_set(error, "%s: %s", path, strerror(errno));
    else
        result = pfswrap_keyring_parse_peers(keyring, text, (size_t)length, path, error);
    if (text != MAP_FAILED)
        munmap(text, size + 1);
    close(fd);
    return result;
}
