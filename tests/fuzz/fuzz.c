#include "fuzz.h"

struct fuzz_end fuzz_client, fuzz_server;
const char *const fuzz_names[1] = {"server"};
uint64_t fuzz_state;

/* The same input must take the same path every time. */
static const char *fuzz_random_name(void)
{
    return "fuzz";
}

static uint32_t fuzz_random(void)
{
    fuzz_state = fuzz_state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(fuzz_state >> 32);
}

static void fuzz_random_buffer(void *const buffer, const size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buffer)[i] = (uint8_t)fuzz_random();
}

static void fuzz_make_end(struct fuzz_end *end, uint8_t seed)
{
    memset(end->secret, seed, sizeof end->secret);
    end->keyring = pfswrap_keyring_new();
    FUZZ_CHECK(end->keyring != NULL);
    FUZZ_CHECK(pfswrap_keyring_add_identity(end->keyring, end->secret) == 0);
    pfswrap_key_derive_public(end->public_key, end->secret);
    end->config.keyring = end->keyring;
}

void fuzz_start(bool psk)
{
    static randombytes_implementation implementation = {
        .implementation_name = fuzz_random_name, .random = fuzz_random, .buf = fuzz_random_buffer};
    static const uint8_t shared[32] = {7};

    FUZZ_CHECK(sodium_init() >= 0);
    FUZZ_CHECK(randombytes_set_implementation(&implementation) == 0);
    fuzz_make_end(&fuzz_client, 1);
    fuzz_make_end(&fuzz_server, 2);
    FUZZ_CHECK(
        pfswrap_keyring_add_peer(fuzz_client.keyring, "server", fuzz_server.public_key, PFSWRAP_NEVER, NULL) == 0);
    FUZZ_CHECK(
        pfswrap_keyring_add_peer(fuzz_server.keyring, "client", fuzz_client.public_key, PFSWRAP_NEVER, NULL) == 0);
    if (psk) {
        FUZZ_CHECK(pfswrap_keyring_add_psk(fuzz_client.keyring, shared) == 0);
        FUZZ_CHECK(pfswrap_keyring_add_psk(fuzz_server.keyring, shared) == 0);
    }
    fuzz_client.config.names = fuzz_names;
    fuzz_client.config.name_count = 1;
}

int fuzz_open(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
              size_t available, struct pfswrap_seal_opened *opened)
{
    uint8_t *exact = malloc(available > 0 ? available : 1);
    int event;

    FUZZ_CHECK(exact != NULL);
    if (available > 0)
        memcpy(exact, in, available);
    event = pfswrap_seal_open_in_place(channel, config, exact, available, opened);
    FUZZ_CHECK(opened->consumed <= available);
    if (event < 0) {
        FUZZ_CHECK(pfswrap_seal_error(channel) == event);
        FUZZ_CHECK(!pfswrap_seal_ready(channel));
    } else if (event == PFSWRAP_SEAL_MORE) {
        FUZZ_CHECK(opened->need > available - opened->consumed && opened->need <= PFSWRAP_SEAL_FRAME_MAX);
    } else if (event == PFSWRAP_SEAL_DATA) {
        FUZZ_CHECK(opened->length > 0 && opened->length <= PFSWRAP_SEAL_CHUNK_MAX);
        FUZZ_CHECK(opened->data > exact && opened->data + opened->length <= exact + available);
        FUZZ_CHECK(pfswrap_seal_ready(channel));
    } else {
        FUZZ_CHECK(event == PFSWRAP_SEAL_PROGRESS || event == PFSWRAP_SEAL_FINAL || event == PFSWRAP_SEAL_TAKE);
    }
    free(exact);
    return event;
}
