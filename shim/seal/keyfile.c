/*
 * Reads key files and peers files: the only I/O of shim/seal. The checks are made on the open file that is then
 * read, so nobody can exchange it in between. It must be a regular file that belongs to this user or to root, and
 * its permissions must fit its content.
 *
 * This code also runs in the shared object, where calls of read(2) and close(2) would reach the functions that it
 * interposes. fopen(3), pread(2) and fclose(3) are not interposed, and what libc calls inside them is not either.
 * No byte goes through the stream's buffer, which would keep a copy of a secret.
 */
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal/keyfile.h"
#include "seal/keyring.h"

enum { KEY_FILE_MAX = 4096 };

static int check_file(int fd, const struct stat *status, const char *path, enum file_trust use,
                      struct pfswrap_keys_error *error)
{
    char reason[sizeof error->text / 2];

    if (!S_ISREG(status->st_mode)) {
        keys_error_set(error, "%s: not a regular file", path);
        return -1;
    }
    if (file_trust_check(fd, status, use, reason, sizeof reason) != 0) {
        keys_error_set(error, "%s: %s", path, reason);
        return -1;
    }
    return 0;
}

/*
 * Opens and checks a file. Returns NULL with *error filled if it must not be used, or if it is larger
 * than `largest` bytes. The first check is there for a FIFO, on which fopen() would wait for a writer.
 */
static FILE *open_checked(bool is_wanted, const char *path, enum file_trust use, off_t largest, size_t *size,
                          struct pfswrap_keys_error *error)
{
    struct stat status;
    FILE *file = NULL;

    if (!is_wanted || path == NULL) {
        keys_error_set(error, "an argument is missing");
        return NULL;
    }
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        keys_error_set(error, "%s: not a regular file", path);
        return NULL;
    }
    file = fopen(path, "re"); /* e: O_CLOEXEC */
    if (file == NULL && errno == EACCES) {
        keys_error_set(error, "%s: %s, expected a file that user %u can read", path, strerror(errno),
                       (unsigned)geteuid());
    } else if (file == NULL || fstat(fileno(file), &status) != 0) {
        keys_error_set(error, "%s: %s", path, strerror(errno));
    } else if (check_file(fileno(file), &status, path, use, error) == 0) {
        if (status.st_size <= largest) {
            *size = (size_t)status.st_size;
            return file;
        }
        keys_error_set(error, "%s: %lld bytes, expected at most %lld", path, (long long)status.st_size,
                       (long long)largest);
    }
    if (file != NULL)
        (void)fclose(file);
    return NULL;
}

/* Reads to the end or to `size` bytes. Returns the number, or -1 with errno. */
static ssize_t read_all(FILE *file, char *buffer, size_t size)
{
    enum { INTERRUPTED_MAX = 100 }; /* a system call filter may answer EINTR each time */
    size_t have = 0;
    int interrupted = 0;

    while (have < size) {
        const ssize_t n = pread(fileno(file), buffer + have, size - have, (off_t)have);

        if (n == 0)
            break;
        if (n < 0 && (errno != EINTR || ++interrupted == INTERRUPTED_MAX))
            return -1;
        have += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)have;
}

/*
 * Reads the lines behind the key: empty ones and comments, of which `# created DATE` says when the key was made.
 * Returns 0, or -1 with *error filled.
 */
static int parse_comments(const char *text, const char *end, const char *path, int64_t *created,
                          struct pfswrap_keys_error *error)
{
    static const char word[] = "# created ";

    for (unsigned line = 1; text < end; line++) {
        const char *const newline = memchr(text, '\n', (size_t)(end - text));
        const char *const next = newline != NULL ? newline + 1 : end;
        size_t length = (size_t)((newline != NULL ? newline : end) - text);

        while (length > 0 && strchr("\r \t", text[length - 1]) != NULL && text[length - 1] != '\0')
            length--;
        if (length > 0 && text[0] != '#') {
            keys_error_set(error, "%s: expected one key and nothing after it but comments", path);
            return -1;
        }
        if (length >= sizeof word - 1 && memcmp(text, word, sizeof word - 1) == 0 &&
            (*created = keyring_read_date(text + sizeof word - 1, length - (sizeof word - 1))) < 0) {
            keys_error_set(error, "%s:%u: expected # created YYYY-MM-DDThh:mm:ssZ", path, line);
            return -1;
        }
        text = next;
    }
    return 0;
}

/*
 * Converts one key on the first line; further lines must be empty or comments. *created: as they say, or unchanged.
 * Returns 0, or -1 with *error filled.
 */
static int parse_key(uint8_t key[PFSWRAP_KEY_BYTES], const char *text, size_t length, const char *path,
                     int64_t *created, struct pfswrap_keys_error *error)
{
    const size_t line = strcspn(text, "\r\n \t");

    if (pfswrap_key_decode(key, text, line) != 0) {
        keys_error_set(error,
                       "%s:1: expected a key of %d characters in base64, found %zu characters that are not a key",
                       path, PFSWRAP_KEY_TEXT_BYTES - 1, line);
        return -1;
    }
    return parse_comments(text + line, text + length, path, created, error);
}

static int load_key(struct pfswrap_keyring *keyring, const char *path, struct pfswrap_keys_error *error,
                    int (*add)(struct pfswrap_keyring *, const uint8_t *), const char *full)
{
    uint8_t key[PFSWRAP_KEY_BYTES];
    char text[KEY_FILE_MAX + 1] = {0};
    size_t size = 0;
    int result = -1;
    FILE *const file = open_checked(keyring != NULL, path, FILE_SECRET, KEY_FILE_MAX, &size, error);
    struct stat status = {0};
    int64_t created;
    ssize_t length;

    if (file == NULL)
        return -1;
    (void)fstat(fileno(file), &status);
    created = status.st_mtime; /* of a file that does not say it */
    if ((length = read_all(file, text, KEY_FILE_MAX)) < 0)
        keys_error_set(error, "%s: %s", path, strerror(errno));
    else if (parse_key(key, text, (size_t)length, path, &created, error) == 0 && (result = add(keyring, key)) != 0)
        keys_error_set(error, "%s: %s", path, full);
    if (result == 0)
        keyring_set_created(keyring, add == pfswrap_keyring_add_psk, created);
    (void)fclose(file);
    sodium_memzero(key, sizeof key);
    sodium_memzero(text, sizeof text);
    return result;
}

int keyfile_load_secret(uint8_t key[PFSWRAP_KEY_BYTES], const char *path, struct pfswrap_keys_error *error)
{
    char text[KEY_FILE_MAX + 1] = {0};
    size_t size = 0;
    int64_t created;
    int result = -1;
    FILE *const file = open_checked(true, path, FILE_SECRET, KEY_FILE_MAX, &size, error);
    ssize_t length;

    if (file == NULL)
        return -1;
    if ((length = read_all(file, text, KEY_FILE_MAX)) < 0)
        keys_error_set(error, "%s: %s", path, strerror(errno));
    else
        result = parse_key(key, text, (size_t)length, path, &created, error);
    (void)fclose(file);
    sodium_memzero(text, sizeof text);
    return result;
}

int pfswrap_keyring_load_identity(struct pfswrap_keyring *keyring, const char *path,
                                  struct pfswrap_keys_error *error)
{
    return load_key(keyring, path, error, pfswrap_keyring_add_identity,
                    "the keyring has this identity already, or 16 others");
}

int pfswrap_keyring_load_psk(struct pfswrap_keyring *keyring, const char *path, struct pfswrap_keys_error *error)
{
    return load_key(keyring, path, error, pfswrap_keyring_add_psk,
                    "the keyring has this psk already, or 16 others");
}

int keyfile_map(struct keyfile *file, const char *path, enum file_trust use, off_t largest,
                struct pfswrap_keys_error *error)
{
    size_t size = 0;
    FILE *const stream = open_checked(true, path, use, largest, &size, error);
    ssize_t length = -1;

    if (stream == NULL)
        return -1;
    file->mapped = size + 1;
    file->text = mmap(NULL, file->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (file->text != MAP_FAILED && fstat(fileno(stream), &file->status) == 0)
        length = read_all(stream, file->text, size);
    if (length < 0)
        keys_error_set(error, "%s: %s", path, strerror(errno));
    (void)fclose(stream);
    file->length = length > 0 ? (size_t)length : 0;
    if (length < 0 && file->text != MAP_FAILED)
        keyfile_unmap(file);
    return length < 0 ? -1 : 0;
}

void keyfile_unmap(struct keyfile *file)
{
    sodium_memzero(file->text, file->mapped);
    (void)munmap(file->text, file->mapped);
}

int pfswrap_keyring_load_peers(struct pfswrap_keyring *keyring, const char *path, struct pfswrap_keys_error *error)
{
    struct keyfile file;
    int result;

    if (keyring == NULL) {
        keys_error_set(error, "an argument is missing");
        return -1;
    }
    if (keyfile_map(&file, path, FILE_SETTINGS, PEERS_FILE_MAX, error) != 0)
        return -1;
    result = pfswrap_keyring_parse_peers(keyring, file.text, file.length, path, error);
    keyfile_unmap(&file);
    return result;
}
