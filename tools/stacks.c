/*
 * Recognises TLS implementations: shared libraries by their sonames, those inside the executable by texts that they
 * contain. See stacks.h.
 */
#include "stacks.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *library; /* the beginning of the soname; the first match counts */
    const char *name;
    bool is_covered;
} shared_stacks[] = {
    {"libssl.so.3", "OpenSSL 3", true},
    {"libssl.so.1.1", "OpenSSL 1.1", true},
    {"libssl.so.", "OpenSSL or LibreSSL of another version", false},
    {"libgnutls.so.", "GnuTLS", true},
    {"libgnutls-openssl.so.", "GnuTLS with OpenSSL's names", false},
    {"libssl3.so", "NSS", false},
    {"libmbedtls.so", "Mbed TLS", false},
    {"libwolfssl.so", "wolfSSL", false},
    {"libbearssl.so", "BearSSL", false},
    {"libs2n.so", "s2n-tls", false},
    {"librustls", "rustls", false},
    {"libtls.so.", "LibreSSL", false},
    {"libjvm.so", "Java", false},
    {"libjli.so", "Java", false},
};

/* Implementations inside the executable; the first whose text is found counts. */
static const struct {
    const char *text, *name;
} inner_stacks[] = {
    {"\xff Go buildinf:", "Go's crypto/tls"},
    {"BoringSSL", "BoringSSL"},
    {"LibreSSL ", "LibreSSL"},
    {"OpenSSL 3.", "OpenSSL 3"},
    {"OpenSSL 1.1.", "OpenSSL 1.1"},
    {"OpenSSL 1.0.", "OpenSSL 1.0"},
    {"/rustls-", "rustls"},
    {"bed TLS ", "Mbed TLS"},
    {"wolfSSL", "wolfSSL"},
    {"s2n_connection", "s2n-tls"},
};

/* The text in front of an implementation's version. */
static const struct {
    const char *name;    /* the beginning of the implementation's name */
    const char *library; /* the library with the text; NULL if it is the implementation's own file */
    const char *before;  /* the text */
} versions[] = {
    {"OpenSSL", "libcrypto.so.", "OpenSSL "}, {"LibreSSL", "libcrypto.so.", "LibreSSL "},
    {"GnuTLS", NULL, "Enabled GnuTLS "},      {"NSS", NULL, "$Header: NSS "},
    {"Mbed TLS", NULL, "bed TLS "},           {"rustls", NULL, "/rustls-"},
};

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static bool needs(const struct image *image, const char *name)
{
    const char *needed;
    for (size_t i = 0; (needed = image_needed(image, i)) != NULL; i++) {
        const char *slash = strrchr(needed, '/');
        if (strcmp(slash != NULL ? slash + 1 : needed, name) == 0)
            return true;
    }
    return false;
}

static struct stack_found *add(struct stacks *stacks, const char *name, bool is_covered)
{
    if (stacks->count == STACKS_FOUND_MAX)
        return NULL;
    struct stack_found *found = &stacks->found[stacks->count++];
    memset(found, 0, sizeof *found);
    found->name = name;
    found->is_covered = is_covered;
    return found;
}

/* Length of the version at `at`: digits, dots, and a letter as in OpenSSL 1.1.1w. 0 if there is none. */
static size_t version_length(const uint8_t *at, size_t left)
{
    size_t length = 0;
    while (length < left && (at[length] == '.' || (at[length] >= '0' && at[length] <= '9') ||
                             (length > 0 && at[length] >= 'a' && at[length] <= 'z')))
        length++;
    return length > 2 && at[0] != '.' && memchr(at, '.', length) != NULL ? length : 0;
}

/*
 * Copies the version behind `before`. Other texts begin in the same way ("OpenSSL 3.0 provider"), so the first
 * version with three parts counts, or else the first one.
 */
static void version_read(char *version, size_t size, const struct image *image, const char *before)
{
    const uint8_t *end = image->bytes + image->size;
    const uint8_t *at = image->bytes;
    while (at < end && (at = memmem(at, (size_t)(end - at), before, strlen(before))) != NULL) {
        at += strlen(before);
        size_t length = version_length(at, (size_t)(end - at));
        const uint8_t *dot = length > 0 ? memchr(at, '.', length) : NULL;
        bool is_whole = dot != NULL && memchr(dot + 1, '.', length - (size_t)(dot + 1 - at)) != NULL;
        if (length == 0 || length >= size || (version[0] != '\0' && !is_whole))
            continue;
        memcpy(version, at, length);
        version[length] = '\0';
        if (is_whole)
            return;
    }
}

static void version_find(struct stack_found *found, const struct image *program, const struct libraries *libraries)
{
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        if (!begins_with(found->name, versions[i].name))
            continue;
        const char *path = found->path;
        for (size_t j = 0; found->library[0] != '\0' && versions[i].library != NULL && j < libraries->count; j++)
            if (begins_with(libraries->entries[j].name, versions[i].library))
                path = libraries->entries[j].path;
        struct image image;
        if (found->library[0] == '\0') {
            version_read(found->version, sizeof found->version, program, versions[i].before);
        } else if (image_open(&image, path) == 0) {
            version_read(found->version, sizeof found->version, &image, versions[i].before);
            image_close(&image);
        }
        return;
    }
}

/* Finds the library that needs the implementation: the first in ld.so's list, which is nearest to the program. */
static void find_through(struct stack_found *found, const struct libraries *libraries)
{
    struct image image;
    for (size_t i = 0; i < libraries->count && found->through[0] == '\0'; i++) {
        if (image_open(&image, libraries->entries[i].path) < 0)
            continue;
        if (needs(&image, found->library))
            memcpy(found->through, libraries->entries[i].name, sizeof found->through);
        image_close(&image);
    }
}

static void find_shared(struct stacks *stacks, const struct image *program, const struct libraries *libraries)
{
    for (size_t i = 0; i < libraries->count; i++)
        for (size_t j = 0; j < sizeof shared_stacks / sizeof shared_stacks[0]; j++) {
            const struct library *library = &libraries->entries[i];
            if (!begins_with(library->name, shared_stacks[j].library))
                continue;
            struct stack_found *found = add(stacks, shared_stacks[j].name, shared_stacks[j].is_covered);
            if (found == NULL)
                return;
            memcpy(found->library, library->name, sizeof found->library);
            memcpy(found->path, library->path, sizeof found->path);
            if (!needs(program, library->name))
                find_through(found, libraries);
            break;
        }
}

/*
 * Finds an implementation inside the executable. The version of OpenSSL is not enough, because the executable may
 * only print it. An executable with TLS inside also contains a text of the handshake: the context string of TLS 1.3
 * (RFC 8446, section 4.4.3), or the labels of earlier versions (RFC 5246, sections 7.4.9 and 8.1). The dynamic
 * linker does not see calls within an executable, so a preloaded library cannot cover them.
 */
static void find_inner(struct stacks *stacks, const struct image *program)
{
    bool has_tls13 = image_contains(program, "TLS 1.3, server CertificateVerify");
    bool has_tls12 = image_contains(program, "master secret") && image_contains(program, "server finished");
    bool exports = image_symbol(program, "SSL_CTX_new") == IMAGE_SYMBOL_DEFINED;
    if (!has_tls13 && !has_tls12 && !exports)
        return;
    for (size_t i = 0; i < sizeof inner_stacks / sizeof inner_stacks[0]; i++)
        if (image_contains(program, inner_stacks[i].text)) {
            add(stacks, inner_stacks[i].name, false);
            return;
        }
    add(stacks, "a TLS implementation of unknown make", false);
}

static bool is_libc(const char *name)
{
    return begins_with(name, "libc.so.") || begins_with(name, "ld-linux") || begins_with(name, "libdl.so.");
}

static bool loads_at_run_time(const struct image *program, const struct libraries *libraries)
{
    struct image image;
    bool loads = image_symbol(program, "dlopen") == IMAGE_SYMBOL_IMPORTED;
    for (size_t i = 0; i < libraries->count && !loads; i++) {
        const struct library *library = &libraries->entries[i];
        if (is_libc(library->name) || image_open(&image, library->path) < 0)
            continue;
        loads = image_symbol(&image, "dlopen") == IMAGE_SYMBOL_IMPORTED;
        image_close(&image);
    }
    return loads;
}

void stacks_find(struct stacks *stacks, const struct image *image, const struct libraries *libraries)
{
    memset(stacks, 0, sizeof *stacks);
    find_shared(stacks, image, libraries);
    find_inner(stacks, image);
    for (size_t i = 0; i < stacks->count; i++)
        version_find(&stacks->found[i], image, libraries);
    stacks->loads_at_run_time = loads_at_run_time(image, libraries);
}
