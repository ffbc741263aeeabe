/*
 * A secretstream by OpenSSL's ChaCha20 and Poly1305. The build takes these two from libcrypto.a, with nothing else
 * of libcrypto: no constructor runs, no environment variable is read, and all of their names are local to this
 * object (scripts/cipher-object). So a program's own libcrypto is another one.
 *
 * The construction is libsodium's (secretstream_xchacha20poly1305.c), which is almost ChaCha20-Poly1305 of RFC
 * 8439, 2.8, for the message `tag, 63 zeros, data`:
 *
 *   block 0 of the key stream   the key of Poly1305, as in RFC 8439, 2.6
 *   block 1                     encrypts the tag and the zeros; only the first byte is sent
 *   block 2 and later           encrypt the data
 *   Poly1305 of                 the additional data, zeros up to 16 bytes; block 1 encrypted; the data encrypted;
 *                               length % 16 zeros; the length of the additional data; 64 + length
 *
 * RFC 8439 has -length % 16 zeros in that place, so both are equal only where length % 16 is 0 or 8. After a
 * message, the first 8 bytes of the MAC are added to the nonce, and its counter is incremented.
 */
#if defined(PFSWRAP_CIPHER_OPENSSL) && !defined(__x86_64__)
#error "OpenSSL's code is used on x86-64 only"
#endif

#include "seal/cipher_openssl.h"

#ifdef PFSWRAP_CIPHER_OPENSSL

#include <cpuid.h>
#include <openssl/opensslv.h>
#include <string.h>

#include "seal/wipe.h"

/*
 * OpenSSL's names, which its own header files for applications do not declare: include/crypto/chacha.h and
 * include/crypto/poly1305.h of its sources, 1.1.0 to 3.5. Counter: the number of the block and three words of
 * nonce, in the order of RFC 8439. The functions need no alignment.
 */
void ChaCha20_ctr32(uint8_t *out, const uint8_t *in, size_t length, const void *key, const void *counter);
size_t Poly1305_ctx_size(void);
void Poly1305_Init(void *context, const uint8_t key[32]);
void Poly1305_Update(void *context, const uint8_t *in, size_t length);
void Poly1305_Final(void *context, uint8_t mac[CIPHER_MAC_BYTES]);

/* And what they use of libcrypto: this object has its own, so that the linker takes no more. */
void OPENSSL_cleanse(void *memory, size_t size);
extern uint32_t OPENSSL_ia32cap_P[];

enum {
    BLOCK = 64,            /* bytes of a block of ChaCha20 */
    DATA = 2 * BLOCK,      /* where the key stream of the data begins */
    SHORT_MAX = 2 * BLOCK, /* bytes of data that are encrypted together with blocks 0 and 1 */
    MAC_BLOCK = 16,        /* bytes of a block of Poly1305 */
    CONTEXT_BYTES = 256,
    INONCE_BYTES = 8, /* of the nonce, behind the counter of messages */
    COUNTER_BYTES = 4,
    KEY_BYTES = sizeof((cipher_stream *)0)->k,
};
_Static_assert(sizeof((cipher_stream *)0)->nonce == COUNTER_BYTES + INONCE_BYTES, "the nonce of RFC 8439");
_Static_assert(crypto_secretstream_xchacha20poly1305_ABYTES == CIPHER_OVERHEAD, "a tag and a MAC");

void OPENSSL_cleanse(void *memory, size_t size)
{
    sodium_memzero(memory, size);
}

/* What one call needs. It is wiped at its end. */
struct work {
    uint8_t context[CONTEXT_BYTES] __attribute__((aligned(16)));
    uint8_t blocks[DATA + SHORT_MAX]; /* of the key stream; then short data, encrypted or decrypted */
    uint32_t counter[4];
    uint8_t rest[3 * MAC_BLOCK];
    uint8_t mac[CIPHER_MAC_BYTES];
};

static void count_from(struct work *work, const cipher_stream *stream, uint32_t block)
{
    work->counter[0] = block;
    memcpy(work->counter + 1, stream->nonce, sizeof stream->nonce);
}

/*
 * Makes blocks 0 and 1, and begins the MAC. Returns the byte that encrypts the tag. Short data is encrypted or
 * decrypted in the same call: the assembler computes up to eight blocks in the time of two.
 */
static uint8_t begin(struct work *work, const cipher_stream *stream, const uint8_t *data, size_t length)
{
    const size_t with_it = length <= SHORT_MAX ? length : 0;

    memset(work->blocks, 0, DATA);
    if (with_it > 0)
        memcpy(work->blocks + DATA, data, with_it);
    count_from(work, stream, 0);
    ChaCha20_ctr32(work->blocks, work->blocks, DATA + with_it, stream->k, work->counter);
    Poly1305_Init(work->context, work->blocks);
    return work->blocks[BLOCK];
}

/* The first 80 bytes of the MAC's input. `tag` is encrypted. */
static void authenticate_head(struct work *work, const uint8_t ad[CIPHER_AD_BYTES], uint8_t tag)
{
    uint8_t *head = work->blocks + BLOCK - MAC_BLOCK;

    memset(head, 0, MAC_BLOCK);
    memcpy(head, ad, CIPHER_AD_BYTES);
    work->blocks[BLOCK] = tag;
    Poly1305_Update(work->context, head, MAC_BLOCK + BLOCK);
}

static void store_length(uint8_t *bytes, uint64_t length)
{
    for (size_t i = 0; i < sizeof length; i++)
        bytes[i] = (uint8_t)(length >> (8 * i));
}

/* The rest of the MAC's input, and the MAC, which is then in work->mac. */
static void authenticate_data(struct work *work, const uint8_t *ciphertext, size_t length)
{
    const size_t odd = length % MAC_BLOCK, whole = length - odd;

    if (whole > 0)
        Poly1305_Update(work->context, ciphertext, whole);
    memset(work->rest, 0, sizeof work->rest);
    if (odd > 0)
        memcpy(work->rest, ciphertext + whole, odd);
    store_length(work->rest + 2 * odd, CIPHER_AD_BYTES);
    store_length(work->rest + 2 * odd + MAC_BLOCK / 2, BLOCK + length);
    Poly1305_Update(work->context, work->rest, 2 * odd + MAC_BLOCK);
    Poly1305_Final(work->context, work->mac);
}

/* Encrypts or decrypts the data, after begin(). */
static void crypt(struct work *work, const cipher_stream *stream, uint8_t *out, const uint8_t *in, size_t length)
{
    if (length > SHORT_MAX) {
        count_from(work, stream, DATA / BLOCK);
        ChaCha20_ctr32(out, in, length, stream->k, work->counter);
    } else if (length > 0) {
        memcpy(out, work->blocks + DATA, length);
    }
}

/* A new key and nonce: their old values, encrypted. The counter then begins at 1. */
static void rekey(struct work *work, cipher_stream *stream)
{
    uint8_t *both = work->rest;

    memcpy(both, stream->k, KEY_BYTES);
    memcpy(both + KEY_BYTES, stream->nonce + COUNTER_BYTES, INONCE_BYTES);
    count_from(work, stream, 0);
    ChaCha20_ctr32(both, both, KEY_BYTES + INONCE_BYTES, stream->k, work->counter);
    memcpy(stream->k, both, KEY_BYTES);
    memcpy(stream->nonce + COUNTER_BYTES, both + KEY_BYTES, INONCE_BYTES);
    memset(stream->nonce, 0, COUNTER_BYTES);
    stream->nonce[0] = 1;
}

/* After a message with work->mac. */
static void advance(struct work *work, cipher_stream *stream, uint8_t tag)
{
    for (size_t i = 0; i < INONCE_BYTES; i++)
        stream->nonce[COUNTER_BYTES + i] ^= work->mac[i];
    sodium_increment(stream->nonce, COUNTER_BYTES);
    if ((tag & crypto_secretstream_xchacha20poly1305_TAG_REKEY) != 0 ||
        sodium_is_zero(stream->nonce, COUNTER_BYTES))
        rekey(work, stream);
}

void openssl_cipher_push(cipher_stream *stream, uint8_t *out, const uint8_t *data, size_t length,
                         const uint8_t ad[CIPHER_AD_BYTES], uint8_t tag)
{
    struct work work;

    out[0] = begin(&work, stream, data, length) ^ tag;
    authenticate_head(&work, ad, out[0]);
    crypt(&work, stream, out + 1, data, length);
    authenticate_data(&work, out + 1, length);
    memcpy(out + 1 + length, work.mac, CIPHER_MAC_BYTES);
    advance(&work, stream, tag);
    wipe_inline(&work, sizeof work);
}

bool openssl_cipher_pull(cipher_stream *stream, uint8_t *out, uint8_t *tag, const uint8_t *in, size_t length,
                         const uint8_t ad[CIPHER_AD_BYTES])
{
    struct work work;
    const uint8_t opened = begin(&work, stream, in + 1, length) ^ in[0];
    bool authentic;

    authenticate_head(&work, ad, in[0]);
    authenticate_data(&work, in + 1, length);
    authentic = crypto_verify_16(work.mac, in + 1 + length) == 0;
    if (authentic) {
        crypt(&work, stream, out, in + 1, length);
        advance(&work, stream, opened);
        *tag = opened;
    }
    wipe_inline(&work, sizeof work);
    return authentic;
}

const char *openssl_cipher_name(void)
{
    return OPENSSL_VERSION_TEXT;
}

/*
 * The words of CPUID that OpenSSL's code looks at (OPENSSL_ia32cap(3)): 1 is ECX of leaf 1, and 2 is EBX of leaf 7.
 * There are four in OpenSSL 1.1.0 and ten in 3.5; more do no harm.
 */
uint32_t OPENSSL_ia32cap_P[16];

enum { WORD_1_ECX = 1, WORD_7_EBX = 2 };

enum {
    ECX_SSSE3 = 1 << 9,
    ECX_AVX = 1 << 28,
    EBX_AVX2 = 1 << 5,
    EBX_AVX512F = 1 << 16,
    EBX_AVX512IFMA = 1 << 21,
    EBX_AVX512BW = 1 << 30,
    XCR0_AVX512 = 0xe6, /* the system saves these registers (Intel's manual, volume 1, 15.2) */
};
#define EBX_AVX512VL (1U << 31)
#define EBX_AVX512 (EBX_AVX512F | EBX_AVX512BW | EBX_AVX512VL)

static const struct {
    uint32_t ecx, ebx;
} words[CIPHER_LEVELS] = {
    [CIPHER_SSSE3] = {ECX_SSSE3, 0},
    [CIPHER_AVX] = {ECX_SSSE3 | ECX_AVX, 0},
    [CIPHER_AVX2] = {ECX_SSSE3 | ECX_AVX, EBX_AVX2},
    [CIPHER_AVX512VL] = {ECX_SSSE3 | ECX_AVX, EBX_AVX2 | EBX_AVX512VL},
    [CIPHER_AVX512] = {ECX_SSSE3 | ECX_AVX, EBX_AVX2 | EBX_AVX512},
    [CIPHER_AVX512_IFMA] = {ECX_SSSE3 | ECX_AVX, EBX_AVX2 | EBX_AVX512 | EBX_AVX512IFMA},
};

/* Of words[].ebx, what this processor has of AVX-512. CPUID can take microseconds in a virtual machine. */
static uint32_t avx512_of_processor(void)
{
    unsigned eax, ebx, ecx, edx;
    uint32_t low, high;

    if (!sodium_runtime_has_avx512f() || __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0)
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & XCR0_AVX512) != XCR0_AVX512 || (ebx & EBX_AVX512) != EBX_AVX512)
        return 0;
    return ebx & (EBX_AVX512 | EBX_AVX512IFMA);
}

static bool processor_has(enum cipher_level level)
{
    const uint32_t avx512 = words[level].ebx & (EBX_AVX512 | EBX_AVX512IFMA);

    return ((words[level].ecx & ECX_SSSE3) == 0 || sodium_runtime_has_ssse3()) &&
           ((words[level].ecx & ECX_AVX) == 0 || sodium_runtime_has_avx()) &&
           ((words[level].ebx & EBX_AVX2) == 0 || sodium_runtime_has_avx2()) &&
           (avx512 == 0 || (avx512 & ~avx512_of_processor()) == 0);
}

bool openssl_cipher_set_level(enum cipher_level level)
{
    if (level <= CIPHER_LIBSODIUM || level >= CIPHER_LEVELS || Poly1305_ctx_size() > CONTEXT_BYTES ||
        !processor_has(level))
        return false;
    __atomic_store_n(&OPENSSL_ia32cap_P[WORD_1_ECX], words[level].ecx, __ATOMIC_RELAXED);
    __atomic_store_n(&OPENSSL_ia32cap_P[WORD_7_EBX], words[level].ebx, __ATOMIC_RELAXED);
    return true;
}

/*
 * Before AVX2, OpenSSL's code is faster for short messages only. AVX-512 is for the tests, until they have run on
 * such a processor.
 */
enum cipher_level openssl_cipher_best_level(void)
{
    return processor_has(CIPHER_AVX2) ? CIPHER_AVX2 : CIPHER_LIBSODIUM;
}

#else /* PFSWRAP_CIPHER_OPENSSL */

bool openssl_cipher_set_level(enum cipher_level level)
{
    (void)level;
    return false;
}

enum cipher_level openssl_cipher_best_level(void)
{
    return CIPHER_LIBSODIUM;
}

const char *openssl_cipher_name(void)
{
    return NULL;
}

void openssl_cipher_push(cipher_stream *stream, uint8_t *out, const uint8_t *data, size_t length,
                         const uint8_t ad[CIPHER_AD_BYTES], uint8_t tag)
{
    (void)stream, (void)out, (void)data, (void)length, (void)ad, (void)tag;
}

bool openssl_cipher_pull(cipher_stream *stream, uint8_t *out, uint8_t *tag, const uint8_t *in, size_t length,
                         const uint8_t ad[CIPHER_AD_BYTES])
{
    (void)stream, (void)out, (void)tag, (void)in, (void)length, (void)ad;
    return false;
}

#endif /* PFSWRAP_CIPHER_OPENSSL */
