/* Reads the file in parts, in the memory of a workspace. Allocates nothing. See trust.h. */
#include "config/trust.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/error_text.h"
#include "base/large.h"
#include "base/mutex.h"
#include "base/raw_file.h"
#include "base/workspace.h"

enum { PART_BYTES = 4096, WORD_BYTES = 48, FILE_BYTES_MAX = 16 * 1024 * 1024 };

static struct mutex mutex; /* for `approved` */
static struct trust approved;
static _Atomic uint32_t generation;

/* What was seen of the file so far. Only the beginning of a line matters. */
struct pem {
    char line[WORD_BYTES];
    size_t length;
    unsigned begun, ended;
    bool is_broken; /* a BEGIN in another block, or an END outside */
};

static bool is_at(const struct pem *pem, const char *word)
{
    return pem->length >= strlen(word) && memcmp(pem->line, word, strlen(word)) == 0;
}

static void take_line(struct pem *pem)
{
    const bool is_begin = is_at(pem, "-----BEGIN "), is_end = is_at(pem, "-----END ");
    pem->is_broken =
        pem->is_broken || (is_begin && pem->begun != pem->ended) || (is_end && pem->begun == pem->ended);
    pem->begun += is_begin;
    pem->ended += is_end;
    pem->length = 0;
}

static void take(struct pem *pem, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] == '\n')
            take_line(pem);
        else if (pem->length < sizeof pem->line)
            pem->line[pem->length++] = bytes[i];
}

/* Reads all of it. Returns 0 or a negative errno value. */
static int read_all(int fd, char *part, struct pem *pem, uint8_t digest[TRUST_DIGEST_BYTES])
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, TRUST_DIGEST_BYTES);
    for (uint64_t offset = 0; offset < FILE_BYTES_MAX;) {
        const long got = raw_pread(fd, part, PART_BYTES, offset);
        if (got == -EINTR)
            continue;
        if (got < 0)
            return (int)got;
        if (got == 0) {
            (void)crypto_generichash_final(&state, digest, TRUST_DIGEST_BYTES);
            take_line(pem); /* the last one may have no end */
            return 0;
        }
        (void)crypto_generichash_update(&state, (const unsigned char *)part, (size_t)got);
        take(pem, part, (size_t)got);
        offset += (uint64_t)got;
    }
    return -EFBIG;
}

/* Returns 0 or a negative errno value. */
static int look(const char *path, struct pem *pem, uint8_t digest[TRUST_DIGEST_BYTES])
{
    char *const part = workspace_take();
    const long fd = part != NULL
                        ? raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0)
                        : -ENOMEM;
    const int result = fd >= 0 ? read_all((int)fd, part, pem, digest) : (int)fd;
    if (fd >= 0)
        (void)raw_syscall(SYS_close, fd);
    workspace_give(part);
    return result;
}

int trust_read(const struct policy *policy, struct trust *trust, struct policy_error *error)
{
    struct pem pem = {.length = 0};
    *trust = (struct trust){.is_set = policy->tls.ca_file[0] != '\0'};
    if (!trust->is_set)
        return 0;
    const int result = look(policy->tls.ca_file, &pem, trust->digest);
    const char *problem = result < 0 ? error_text(-result) : NULL;
    if (problem == NULL && (pem.is_broken || pem.begun != pem.ended))
        problem = "a part of it is missing, expected each -----BEGIN with its -----END";
    if (problem == NULL && pem.begun == 0)
        problem = "it has no certificate, expected certificates in PEM";
    if (problem == NULL)
        return 0;
    (void)snprintf(error->text, sizeof error->text, "%.1500s: ca-file %.1500s: %s", policy->path,
                   policy->tls.ca_file, problem);
    return -1;
}

static bool is_equal(const struct trust *one, const struct trust *other)
{
    return one->is_set == other->is_set && memcmp(one->digest, other->digest, sizeof one->digest) == 0;
}

bool trust_is_approved(const struct trust *trust)
{
    mutex_lock(&mutex);
    const bool is_same = is_equal(trust, &approved);
    mutex_unlock(&mutex);
    return is_same;
}

void trust_approve(const struct trust *trust)
{
    mutex_lock(&mutex);
    approved = *trust;
    atomic_fetch_add(&generation, 1);
    mutex_unlock(&mutex);
}

uint32_t trust_generation(void)
{
    return atomic_load(&generation);
}

bool trust_file_is_approved(const struct policy *policy)
{
    struct pem pem = {.length = 0};
    struct trust now = {.is_set = true};
    return look(policy->tls.ca_file, &pem, now.digest) == 0 && trust_is_approved(&now);
}
