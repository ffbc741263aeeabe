/* The peers file: any text. An invalid line is named, and what was added has a name and a key that the rules allow.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pfswrap_keyring *keyring;
    struct pfswrap_keys_error error;
    char *text = malloc(size > 0 ? size : 1);

    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    if (keyring == NULL)
        keyring = pfswrap_keyring_new();
    FUZZ_CHECK(keyring != NULL);
    if (pfswrap_keyring_parse_peers(keyring, text, size, "peers", &error) != 0)
        FUZZ_CHECK(strncmp(error.text, "peers:", 6) == 0 && error.text[6] >= '1' && error.text[6] <= '9');
    for (size_t i = 0; i < keyring->peer_count; i++) {
        FUZZ_CHECK(keyring_name_is_valid(keyring->peers[i].name, strlen(keyring->peers[i].name)));
        FUZZ_CHECK(keyring->peers[i].not_after >= 0);
        FUZZ_CHECK(!sodium_is_zero(keyring->peers[i].public_key, 32));
    }
    if (keyring->peer_count > 0) {
        pfswrap_keyring_free(keyring);
        keyring = NULL;
    }
    free(text);
    return 0;
}
