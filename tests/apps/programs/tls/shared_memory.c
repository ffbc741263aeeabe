// link: -lssl -lcrypto
/*
 * Keeps libssl's objects in memory that processes share, as kamailio does: one process does the handshake, another
 * one continues with the same connections. Prints the version and what arrived. Usage: shared_memory CERTIFICATE
 * KEY
 */
#include "../lib/peer.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { ARENA = 64 << 20, ROUNDS_MAX = 20 };

/* Nothing is freed: each block has its size in front. */
static struct arena {
    size_t used;
    max_align_t bytes[];
} * arena;

static void *arena_alloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    size_t units = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) + 1;
    size_t at = __atomic_fetch_add(&arena->used, units, __ATOMIC_RELAXED);
    if ((at + units) * sizeof(max_align_t) > ARENA - sizeof *arena)
        return NULL;
    memcpy(&arena->bytes[at], &size, sizeof size);
    return &arena->bytes[at + 1];
}

static void arena_free(void *block, const char *file, int line)
{
    (void)block, (void)file, (void)line;
}

static void *arena_realloc(void *block, size_t size, const char *file, int line)
{
    void *fresh = arena_alloc(size, file, line);
    size_t old = 0;
    if (fresh == NULL || block == NULL)
        return fresh;
    memcpy(&old, (max_align_t *)block - 1, sizeof old);
    memcpy(fresh, block, old < size ? old : size);
    return fresh;
}

static SSL *side(const char *certificate, const char *key, BIO *transport)
{
    SSL_CTX *context = SSL_CTX_new(certificate != NULL ? TLS_server_method() : TLS_client_method());
    if (context == NULL || SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) != 1)
        fail("SSL_CTX_new");
    if (certificate != NULL && (SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) != 1 ||
                                SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1))
        fail("SSL_CTX_use_certificate_file");
    SSL *ssl = SSL_new(context);
    if (ssl == NULL)
        fail("SSL_new");
    SSL_set_bio(ssl, transport, transport);
    if (certificate != NULL)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

static int shake_hands(SSL *client, SSL *server)
{
    for (int i = 0; i < ROUNDS_MAX; i++) {
        int ours = SSL_do_handshake(client);
        int theirs = SSL_do_handshake(server);
        if (ours == 1 && theirs == 1)
            return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    static const char word[] = "from process to process";
    arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (argc != 3 || arena == MAP_FAILED || CRYPTO_set_mem_functions(arena_alloc, arena_realloc, arena_free) != 1)
        return 64;
    BIO *near = NULL;
    BIO *far = NULL;
    if (BIO_new_bio_pair(&near, 0, &far, 0) != 1)
        fail("BIO_new_bio_pair");
    SSL *client = side(NULL, NULL, near);
    SSL *server = side(argv[1], argv[2], far);

    pid_t child = fork();
    if (child == 0)
        _exit(shake_hands(client, server));
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        fail("the handshake in another process");
    char buffer[64] = "";
    int written = SSL_write(client, word, sizeof word);
    int received = SSL_read(server, buffer, sizeof buffer);
    printf("%s: %d written, %d received: %s\n", SSL_get_version(client), written, received, buffer);
    return strcmp(buffer, word) == 0 ? 0 : 1;
}
