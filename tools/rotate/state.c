/*
 * Finds out from the files how far a rotation is. See rotate.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "../message.h"
#include "rotate.h"
#include "seal/keyfile.h"

enum { KEY_FILE_MAX = 4096 };

static void read_policy_entries(struct rotation *rotation)
{
    const struct policy_seal_keys *seal = &rotation->policy->seal;
    rotation->entry_count = rotation->is_psk ? seal->psk_count : seal->identity_count;
    for (size_t i = 0; i < rotation->entry_count; i++)
        rotation->entries[i] = rotation->is_psk
                                   ? (struct rotate_entry){seal->psks[i], seal->psk_lines[i]}
                                   : (struct rotate_entry){seal->identities[i], seal->identity_lines[i]};
}

/* The line of a key in the list; 0: it does not name it. */
static unsigned find_line(const struct rotation *rotation, const char *path)
{
    for (size_t i = 0; i < rotation->entry_count; i++)
        if (strcmp(rotation->entries[i].path, path) == 0)
            return rotation->entries[i].line;
    return 0;
}

/* Copies the path without ".next", if that is a key of the list, too. Else as it is. */
static void copy_base(const struct rotation *rotation, char base[PATH_MAX], const char *path)
{
    const size_t length = strnlen(path, PATH_MAX - 1), suffix = sizeof ROTATE_SUFFIX - 1;
    memcpy(base, path, length);
    base[length] = '\0';
    if (length <= suffix || strcmp(path + length - suffix, ROTATE_SUFFIX) != 0)
        return;
    base[length - suffix] = '\0';
    if (find_line(rotation, base) == 0)
        memcpy(base, path, length);
}

static int choose(struct rotation *rotation, const char *key);

/* The policy's key is agent:NAME: the list is the agent's. */
static int choose_of_agent(struct rotation *rotation)
{
    rotation->agent = strdup(rotation->file);
    if (rotation->agent == NULL)
        message("not enough memory");
    if (rotation->agent == NULL || rotate_agent_read(rotation) != 0)
        return -1;
    return choose(rotation, NULL);
}

/* Chooses the key of the list: `key`, or the only one. Returns 0, or -1 after a message. */
static int choose(struct rotation *rotation, const char *key)
{
    char base[PATH_MAX];
    size_t chosen = 0;
    rotation->file[0] = '\0';
    for (size_t i = 0; i < rotation->entry_count; i++) {
        copy_base(rotation, base, rotation->entries[i].path);
        if (key != NULL && strcmp(key, base) != 0 && strcmp(key, rotation->entries[i].path) != 0)
            continue;
        chosen += strcmp(base, rotation->file) != 0;
        memcpy(rotation->file, base, sizeof base);
    }
    if (chosen == 0 && key != NULL)
        message("%s: --key %s, expected a path that the policy has as %s", rotation->policy->path, key,
                rotation->kind);
    else if (chosen == 0)
        message("%s: no %s, expected a policy with a line %s = FILE", rotation->policy->path, rotation->kind,
                rotation->kind);
    else if (chosen > 1 && rotation->agent != NULL)
        message("%s: %zu different keys of %s, expected one, and FILE.next during a rotation", rotation->agent_path,
                chosen, rotation->agent);
    else if (chosen > 1)
        message("%s: %zu different keys as %s, expected --key FILE for the one to replace", rotation->policy->path,
                chosen, rotation->kind);
    if (chosen != 1)
        return -1;
    if (policy_agent_name(rotation->file) != NULL)
        return choose_of_agent(rotation);
    if (snprintf(rotation->next, sizeof rotation->next, "%.*s%s", PATH_MAX - 8, rotation->file, ROTATE_SUFFIX) >=
        PATH_MAX - 8) {
        message("%s: the path is too long", rotation->file);
        return -1;
    }
    return 0;
}

/* Takes the id out of the line `# replaces ID`. */
static void read_replaces(struct rotate_key *key, const char *text)
{
    static const char word[] = "\n# replaces ";
    const char *const line = strstr(text, word);
    if (line == NULL)
        return;
    const char *const id = line + sizeof word - 1;
    const size_t length = strcspn(id, "\r\n \t");
    if (length < sizeof key->replaces)
        memcpy(key->replaces, id, length);
}

static void set_id(const struct rotation *rotation, struct rotate_key *key, const struct pfswrap_keyring *keyring)
{
    if (rotation->is_psk) {
        const struct keyring_psk *psk = &keyring->psks[0];
        (void)sodium_bin2hex(key->id, sizeof key->id, psk->secret.id, sizeof psk->secret.id);
        key->created = psk->period.created;
    } else {
        const struct keyring_identity *identity = &keyring->identities[0];
        memcpy(key->public_key, identity->public_key, sizeof key->public_key);
        pfswrap_key_encode(key->id, identity->public_key);
        key->created = identity->period.created;
    }
}

/* Reads a key as its owner would. A missing one is not an error. Returns 0, or -1 after a message. */
static int read_key(const struct rotation *rotation, struct rotate_key *key, const char *path)
{
    struct pfswrap_keys_error error = {""};
    struct keyfile file;
    *key = (struct rotate_key){0};
    if (lstat(path, &key->status) != 0) {
        if (errno == ENOENT)
            return 0;
        message("%s: %s", path, strerror(errno));
        return -1;
    }
    if (!S_ISREG(key->status.st_mode)) {
        message("%s: expected a regular file, and no link to one", path);
        return -1;
    }
    struct pfswrap_keyring *const keyring = pfswrap_keyring_new();
    rotate_become_owner(&key->status);
    int result = keyring == NULL    ? -1
                 : rotation->is_psk ? pfswrap_keyring_load_psk(keyring, path, &error)
                                    : pfswrap_keyring_load_identity(keyring, path, &error);
    if (result == 0)
        result = keyfile_map(&file, path, FILE_SECRET, KEY_FILE_MAX, &error);
    rotate_become_root();
    if (result == 0) {
        key->exists = true;
        set_id(rotation, key, keyring);
        read_replaces(key, file.text);
        keyfile_unmap(&file);
    } else {
        message("%s", keyring == NULL ? "not enough memory" : error.text);
    }
    pfswrap_keyring_free(keyring);
    return result;
}

/* Looks for the two keys in the peers file. A signature is not checked here. Returns 0, or -1 after a message. */
static int read_peers(struct rotation *rotation)
{
    const char *const path = rotation->policy->seal.peers;
    struct pfswrap_keys_error error;
    struct stat status;
    rotation->name[0] = '\0';
    rotation->lists_old = rotation->lists_new = false;
    if (rotation->is_psk || path[0] == '\0')
        return 0;
    if (stat(path, &status) != 0) {
        message("%s: %s", path, strerror(errno));
        return -1;
    }
    struct pfswrap_keyring *const keyring = pfswrap_keyring_new();
    rotate_become_owner(&status);
    const int result = keyring != NULL ? pfswrap_keyring_load_peers(keyring, path, &error) : -1;
    rotate_become_root();
    if (result == 0) {
        const struct keyring_peer *const old = keyring_find_peer(keyring, rotate_old(rotation)->public_key);
        const struct keyring_peer *const new = keyring_find_peer(keyring, rotate_new(rotation)->public_key);
        const struct keyring_peer *const listed = old != NULL ? old : new;
        rotation->lists_old = old != NULL;
        rotation->lists_new = new != NULL;
        if (listed != NULL)
            memcpy(rotation->name, listed->name, sizeof rotation->name);
    } else {
        message("%s", keyring != NULL ? error.text : "not enough memory");
    }
    pfswrap_keyring_free(keyring);
    return result;
}

/* Which of the two is the new key. Returns 0, or -1 after a message. */
static int find_state(struct rotation *rotation)
{
    const struct rotate_key *const first = &rotation->first, *const second = &rotation->second;
    const bool is_named = rotation->next_line != 0;
    rotation->state = ROTATE_NONE;
    if (!first->exists) {
        message("%s: %s: no such file", rotate_list(rotation), rotation->file);
        return -1;
    }
    if (is_named && (rotation->next_line < rotation->file_line || !second->exists)) {
        message("%s:%u: %s, expected it behind the line of %s", rotate_list(rotation), rotation->next_line,
                second->exists ? rotation->next : "no such file", rotation->file);
        return -1;
    }
    if (!second->exists)
        return 0;
    if (strcmp(second->replaces, first->id) == 0)
        rotation->state = is_named ? ROTATE_MADE : ROTATE_PREPARED;
    else if (strcmp(first->replaces, second->id) == 0)
        rotation->state = is_named ? ROTATE_SWITCHED : ROTATE_LEFT;
    else {
        message("%s: neither it nor %s has a line # replaces with the other's id, expected a key that pfswrap "
                "rotate has made for it",
                rotation->next, rotation->file);
        return -1;
    }
    return 0;
}

int rotate_read_again(struct rotation *rotation)
{
    struct policy_error error;
    char path[PATH_MAX];
    memcpy(path, rotation->policy->path, sizeof path);
    if (policy_load(rotation->policy, path, &error) != 0) {
        message("%s", error.text);
        return -1;
    }
    if (rotation->agent == NULL)
        read_policy_entries(rotation);
    else if (rotate_agent_read(rotation) != 0)
        return -1;
    rotation->file_line = find_line(rotation, rotation->file);
    rotation->next_line = find_line(rotation, rotation->next);
    if (read_key(rotation, &rotation->first, rotation->file) != 0 ||
        read_key(rotation, &rotation->second, rotation->next) != 0 || find_state(rotation) != 0)
        return -1;
    return read_peers(rotation);
}

int rotate_read(struct rotation *rotation, const char *policy, const char *key)
{
    struct policy_error error;
    char path[PATH_MAX];
    rotation->policy_lock = rotation->key_lock = -1;
    rotation->policy = calloc(1, sizeof *rotation->policy);
    if (rotation->policy == NULL || sodium_init() < 0) {
        message("not enough memory");
        return -1;
    }
    if (realpath(policy, path) == NULL) {
        message("%s: %s, expected a policy file", policy, strerror(errno));
        return -1;
    }
    if (policy_load(rotation->policy, path, &error) != 0) {
        message("%s", error.text);
        return -1;
    }
    read_policy_entries(rotation);
    return choose(rotation, key) == 0 ? rotate_read_again(rotation) : -1;
}

void rotate_free(struct rotation *rotation)
{
    if (rotation->policy_lock >= 0)
        (void)close(rotation->policy_lock);
    if (rotation->key_lock >= 0)
        (void)close(rotation->key_lock);
    free((char *)(uintptr_t)rotation->agent);
    free(rotation->agent_text);
    free(rotation->policy);
}
