/*
 * Old keys are wiped: from the channel, and from the whole stack below it. A test shows that the search finds a key
 * that is there.
 */
#include "../suite.h"
#include "pair.h"
#include "search.h"

#include <stdio.h>
#include <sys/mman.h>

#include "seal/channel.h"
#include "seal/cipher.h"
#include "seal/wipe.h"

static uint8_t frame[PFSWRAP_SEAL_CHUNK_MAX + PFSWRAP_SEAL_BEGIN_OVERHEAD], plaintext[PFSWRAP_SEAL_CHUNK_MAX];
static int frame_length;

static void *seal_once(void *argument)
{
    struct end *end = argument;
    size_t accepted;

    frame_length = pfswrap_seal_begin(&end->channel, plaintext, sizeof plaintext, frame, sizeof frame, &accepted);
    return NULL;
}

static void *open_once(void *argument)
{
    struct end *end = argument;
    struct pfswrap_seal_opened opened;

    (void)pfswrap_seal_open(&end->channel, &end->config, frame, (size_t)frame_length, plaintext, sizeof plaintext,
                            &opened);
    return NULL;
}

/* The key of Poly1305 for the next frame: the beginning of the key stream's block 0. */
static void remember_mac_key(struct secret *secret, const cipher_stream *stream)
{
    uint8_t key[32];

    crypto_stream_chacha20_ietf(key, sizeof key, stream->nonce, stream->k);
    remember(secret, key, sizeof key);
    sodium_memzero(key, sizeof key);
}

/* A pair that uses this level of the cipher; NULL if there is no such level here. */
static struct pair *pair_with_level(int level)
{
    struct pair *pair = pair_open();

    if (cipher_set_level((enum cipher_level)level))
        return pair;
    pair_free(pair);
    return NULL;
}

START_TEST(sealing_leaves_neither_the_old_key_nor_the_new_one_on_the_stack)
{
    struct pair *pair = pair_with_level(_i);
    struct channel *channel;
    struct secret before, after, mac_key;

    if (pair == NULL)
        return;
    channel = channel_of(&pair->client.channel);
    remember(&before, channel->push.stream.k, 32);
    remember_mac_key(&mac_key, &channel->push.stream);
    run_on_own_stack(seal_once, &pair->client);
    remember(&after, channel->push.stream.k, 32);
    ck_assert_int_gt(frame_length, 0);
    ck_assert(!finds(&before, stack, STACK_BYTES));
    ck_assert(!finds(&after, stack, STACK_BYTES));
    ck_assert(!finds(&mac_key, stack, STACK_BYTES));
    ck_assert(finds(&after, channel, sizeof(struct pfswrap_seal)));
    ck_assert(finds(&before, channel, sizeof(struct pfswrap_seal))); /* for a rollback, and only until sent() */
    ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, frame, (size_t)frame_length));
    ck_assert(!finds(&before, channel, sizeof(struct pfswrap_seal)));
    pair_free(pair);
}
END_TEST

START_TEST(opening_leaves_neither_the_old_key_nor_the_new_one_on_the_stack)
{
    struct pair *pair = pair_with_level(_i);
    struct channel *channel;
    struct secret before, after, mac_key;

    if (pair == NULL)
        return;
    channel = channel_of(&pair->server.channel);
    (void)seal_once(&pair->client);
    remember(&before, channel->pull.stream.k, 32);
    remember_mac_key(&mac_key, &channel->pull.stream);
    run_on_own_stack(open_once, &pair->server);
    remember(&after, channel->pull.stream.k, 32);
    ck_assert_int_ne(0, memcmp(before.masked, after.masked, 32));
    ck_assert(!finds(&before, stack, STACK_BYTES));
    ck_assert(!finds(&after, stack, STACK_BYTES));
    ck_assert(!finds(&mac_key, stack, STACK_BYTES));
    ck_assert(!finds(&before, channel, sizeof(struct pfswrap_seal)));
    pair_free(pair);
}
END_TEST

/* Seals and opens one frame, below an address that it stores. */
struct depth_job {
    cipher_stream sender, receiver;
    size_t length, shift; /* bytes of plaintext, and on the stack above the call */
    const uint8_t *top;
};

static void __attribute__((noinline)) seal_and_open(struct depth_job *job)
{
    static const uint8_t ad[CIPHER_AD_BYTES] = {0, 1, 2};
    uint8_t tag;

    job->top = __builtin_frame_address(0);
    cipher_push(&job->sender, frame, plaintext, job->length, ad, 2);
    (void)cipher_pull(&job->receiver, plaintext, &tag, frame, job->length, ad);
}

static void *seal_and_open_deeper(void *argument)
{
    struct depth_job *job = argument;
    /* cppcheck-suppress allocaCalled */
    volatile uint8_t *room = __builtin_alloca(job->shift + 1);

    room[0] = 0;
    seal_and_open(job);
    return NULL;
}

static size_t depth_of(const struct depth_job *job)
{
    size_t lowest = 0;

    while (stack + lowest < job->top && stack[lowest] == 0)
        lowest++;
    return (size_t)(job->top - (stack + lowest));
}

#if defined(__SANITIZE_ADDRESS__)
enum { DEEPEST = 1 << 14 }; /* the sanitizer's frames are larger */
#else
enum { DEEPEST = DEAD_STACK_STREAM };
#endif

/* OpenSSL's assembler aligns its stack, by up to 512 bytes. So the depth depends on where a program's stack is. */
START_TEST(what_is_wiped_is_as_deep_as_the_cipher_reaches)
{
    static const size_t lengths[] = {1, 100, 500, 16384};
    struct depth_job job = {.length = 0};
    size_t deepest = 0;

    ck_assert_int_ge(sodium_init(), 0);
    if (!cipher_set_level((enum cipher_level)_i))
        return;
    for (size_t n = 0; n < sizeof lengths / sizeof lengths[0]; n++) {
        for (job.shift = 0; job.shift <= 512; job.shift += 64) {
            job.length = lengths[n];
            run_on_own_stack(seal_and_open_deeper, &job);
            if (depth_of(&job) > deepest)
                deepest = depth_of(&job);
            munmap(stack, STACK_BYTES);
        }
    }
    printf("# level %d: %zu bytes\n", _i, deepest);
    ck_assert_uint_gt(deepest, 500);
    ck_assert_uint_le(deepest, DEEPEST);
}
END_TEST

/* Without the wipe libsodium's own functions leave the key; otherwise this file would prove nothing. */
static void *push_bare(void *argument)
{
    struct channel *channel = argument;

    crypto_secretstream_xchacha20poly1305_push(&channel->push.stream, frame, NULL, plaintext, 64, NULL, 0,
                                               crypto_secretstream_xchacha20poly1305_TAG_REKEY);
    return NULL;
}

START_TEST(the_search_finds_what_libsodium_alone_leaves_behind)
{
    struct pair *pair = pair_open();
    struct channel *channel = channel_of(&pair->client.channel);
    struct secret after;

    if (strcmp(sodium_version_string(), "1.0.18") == 0) {
        run_on_own_stack(push_bare, channel);
        remember(&after, channel->push.stream.k, 32);
        ck_assert(finds(&after, stack, STACK_BYTES));
    }
    remember(&after, channel->push.stream.k, 32);
    ck_assert(finds(&after, channel, sizeof(struct pfswrap_seal)));
    pair_free(pair);
}
END_TEST

/* The handshake's secrets as they occur: both sides' state after each step, and what the end derives. */
struct handshake_job {
    struct pair *pair;
    struct secret seen[16];
    size_t count;
};

static void see(struct handshake_job *job, const uint8_t *bytes, size_t length)
{
    ck_assert_uint_lt(job->count, 16);
    remember(&job->seen[job->count++], bytes, length);
}

static const struct noise_handshake *noise_of(const struct end *end)
{
    return &((const struct channel_block *)(const void *)&end->channel)->noise;
}

static void see_noise(struct handshake_job *job, const struct end *end)
{
    const struct noise_handshake *noise = noise_of(end);

    see(job, noise->symmetric.ck, 32);
    see(job, noise->symmetric.k, 32);
    if (!sodium_is_zero(noise->e, 32))
        see(job, noise->e, 32);
    if (!sodium_is_zero(noise->kem_secret, 32))
        see(job, noise->kem_secret, 32);
}

static void *handshake_job(void *argument)
{
    struct handshake_job *job = argument;
    struct end *client = &job->pair->client, *server = &job->pair->server;

    (void)end_take(client, &server->in);
    see_noise(job, client);
    (void)end_open(server);
    see_noise(job, server);
    (void)end_take(server, &client->in);
    see(job, channel_of(&server->channel)->next_key, 32);
    (void)end_open(client);
    (void)end_take(client, &server->in);
    (void)end_open(server);
    return NULL;
}

static void check_handshake(struct handshake_job *job)
{
    const struct end *ends[] = {&job->pair->client, &job->pair->server};

    ck_assert_uint_ge(job->count, 6);
    for (size_t i = 0; i < job->count; i++) {
        ck_assert_msg(!finds(&job->seen[i], stack, STACK_BYTES), "secret %zu is on the stack", i);
        ck_assert_msg(!finds(&job->seen[i], ends[0], sizeof ends[0]->channel), "secret %zu is in the client", i);
        ck_assert_msg(!finds(&job->seen[i], ends[1], sizeof ends[1]->channel), "secret %zu is in the server", i);
    }
}

START_TEST(after_a_handshake_no_secret_is_left)
{
    struct handshake_job job = {.pair = pair_new()};
    struct secret secret;

    pair_set_pattern(job.pair, (enum pfswrap_seal_pattern)_i);
    pair_start(job.pair);
    run_on_own_stack(handshake_job, &job);
    ck_assert(pfswrap_seal_ready(&job.pair->server.channel));
    check_handshake(&job);
    remember(&secret, job.pair->server.secret, 32);
    ck_assert(!finds(&secret, stack, STACK_BYTES));
    remember(&secret, job.pair->client.secret, 32);
    ck_assert(!finds(&secret, stack, STACK_BYTES));
    pair_free(job.pair);
}
END_TEST

static void *take_once(void *argument)
{
    struct end *end = argument;

    frame_length = pfswrap_seal_take(&end->channel, &end->config, frame, PFSWRAP_SEAL_TAKE_BYTES);
    return NULL;
}

/* The stack of the last step, searched for every secret that a channel holds now. */
static void check_step(const struct end *end)
{
    const struct channel *channel = channel_of_const(&end->channel);
    const struct noise_handshake *noise = noise_of(end);
    const uint8_t *const secrets[] = {noise->symmetric.ck, noise->symmetric.k,     noise->e,
                                      channel->next_key,   channel->push.stream.k, channel->pull.stream.k,
                                      end->secret,         noise->kem_secret,      noise->kem_secret + 32};

    ck_assert_int_eq(0, pfswrap_seal_error(&end->channel));
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        struct secret secret;

        remember(&secret, secrets[i], 32);
        ck_assert_msg(sodium_is_zero(secrets[i], 32) || !finds(&secret, stack, STACK_BYTES), "secret %zu", i);
    }
    munmap(stack, STACK_BYTES);
}

START_TEST(each_step_of_a_handshake_leaves_its_stack_clean)
{
    struct pair *pair = pair_new();

    pair_set_pattern(pair, (enum pfswrap_seal_pattern)_i);
    pair_start(pair);
    run_on_own_stack(take_once, &pair->client);
    check_step(&pair->client);
    run_on_own_stack(open_once, &pair->server);
    check_step(&pair->server);
    run_on_own_stack(take_once, &pair->server);
    check_step(&pair->server);
    run_on_own_stack(open_once, &pair->client);
    check_step(&pair->client);
    pair_free(pair);
}
END_TEST

START_TEST(after_a_rehandshake_no_old_stream_is_left)
{
    struct handshake_job job = {.pair = pair_open()};
    struct channel *client = channel_of(&job.pair->client.channel), *server = channel_of(&job.pair->server.channel);

    see(&job, client->push.stream.k, 32);
    see(&job, client->pull.stream.k, 32);
    pfswrap_seal_tick(&job.pair->client.channel, PAIR_NOW + 4000);
    run_on_own_stack(handshake_job, &job);
    ck_assert_int_eq(0, pair_settle(job.pair));
    ck_assert_uint_eq(1, client->rehandshakes);
    ck_assert_uint_eq(1, server->rehandshakes);
    check_handshake(&job);
    ck_assert(sodium_is_zero(client->next_key, 32) && sodium_is_zero(server->next_key, 32));
    pair_free(job.pair);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("residue");

    tcase_add_loop_test(tc, sealing_leaves_neither_the_old_key_nor_the_new_one_on_the_stack, 0, CIPHER_LEVELS);
    tcase_add_loop_test(tc, opening_leaves_neither_the_old_key_nor_the_new_one_on_the_stack, 0, CIPHER_LEVELS);
    tcase_add_loop_test(tc, what_is_wiped_is_as_deep_as_the_cipher_reaches, CIPHER_BASE, CIPHER_LEVELS);
    tcase_add_test(tc, the_search_finds_what_libsodium_alone_leaves_behind);
    tcase_add_loop_test(tc, after_a_handshake_no_secret_is_left, PFSWRAP_SEAL_IK, pair_patterns_end());
    tcase_add_loop_test(tc, each_step_of_a_handshake_leaves_its_stack_clean, PFSWRAP_SEAL_IK, pair_patterns_end());
    tcase_add_test(tc, after_a_rehandshake_no_old_stream_is_left);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "residue");
}
