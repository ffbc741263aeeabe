/*
 * The steps of a rotation. Each looks at the files, makes the changes that are missing, and may be run again at any
 * time: after an interruption it goes on where it was. Programs that run read the files again after each change,
 * and no step removes or stops to use a key before they have. See rotate.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "../message.h"
#include "../peers_text.h"
#include "rotate.h"

/*
 * Puts `text`, which it frees, in place of the list, if it is a valid policy. Of the agent's configuration it is
 * the agent that says so: a mistake leaves its keys as they were. Returns 0, or -1 after a message.
 */
static int replace_list(const struct rotation *rotation, const struct stat *before, char *text, size_t length)
{
    struct policy_error error = {""};
    struct policy *const parsed = calloc(1, sizeof *parsed);
    int result = -1;
    if (text == NULL || parsed == NULL)
        message("not enough memory");
    else if (rotation->agent == NULL && policy_parse(parsed, rotation->policy->path, text, length, &error) != 0)
        message("%s; the policy is left as it is", error.text);
    else
        result = rotate_replace(rotate_list(rotation), before, text, length);
    free(parsed);
    free(text);
    return result;
}

/* Reads the list's text, which must be what was parsed. Returns it, or NULL after a message. */
static char *read_list(const struct rotation *rotation, struct stat *before, size_t *length)
{
    const uint8_t *const parsed = rotation->agent != NULL ? rotation->agent_digest : rotation->policy->digest;
    uint8_t digest[POLICY_DIGEST_BYTES];
    const char *const path = rotate_list(rotation);
    if (stat(path, before) != 0) {
        message("%s: %s", path, strerror(errno));
        return NULL;
    }
    char *const text = rotate_read_text(path, length);
    if (text == NULL)
        return NULL;
    (void)crypto_generichash(digest, sizeof digest, (const uint8_t *)text, *length, NULL, 0);
    if (memcmp(digest, parsed, sizeof digest) == 0)
        return text;
    message("%s: it has changed meanwhile, run the command again", path);
    free(text);
    return NULL;
}

static int name_next(const struct rotation *rotation)
{
    char line[PATH_MAX + 16];
    struct stat before;
    size_t length, new_length = 0;
    char *const text = read_list(rotation, &before, &length);
    if (text == NULL)
        return -1;
    (void)snprintf(line, sizeof line, "%s = %s", rotation->agent != NULL ? "key" : rotation->kind, rotation->next);
    char *const changed = rotate_text_insert(text, length, rotation->file_line, line, &new_length);
    free(text);
    return replace_list(rotation, &before, changed, new_length);
}

static int unname_next(const struct rotation *rotation)
{
    struct stat before;
    size_t length, new_length = 0;
    char *const text = read_list(rotation, &before, &length);
    if (text == NULL)
        return -1;
    char *const changed = rotate_text_remove(text, length, rotation->next_line, &new_length);
    free(text);
    return replace_list(rotation, &before, changed, new_length);
}

/* Writes the new key. Returns 0, or -1 after a message. */
static int create_key(const struct rotation *rotation)
{
    uint8_t key[PFSWRAP_KEY_BYTES];
    char encoded[PFSWRAP_KEY_TEXT_BYTES], date[32], text[256];
    pfswrap_key_generate(key);
    pfswrap_key_encode(encoded, key);
    peers_text_date(date, sizeof date, (int64_t)time(NULL));
    const int length =
        snprintf(text, sizeof text, "%s\n# created %s\n# replaces %s\n", encoded, date, rotation->first.id);
    const int result = rotate_create(rotation->next, rotation->file, text, (size_t)length);
    sodium_memzero(key, sizeof key);
    sodium_memzero(encoded, sizeof encoded);
    sodium_memzero(text, sizeof text);
    return result;
}

/* What follows a step: programs that run have the files, and what is to be done next is said. */
static int finish(struct rotation *rotation)
{
    const int status = rotate_users_reload(rotation);
    if (status != 0)
        message("a program above has not read the files again: run this command again when it has");
    rotate_print_others(rotation);
    rotate_print_next(rotation);
    return status;
}

int rotate_make(struct rotation *rotation)
{
    if (rotation->state == ROTATE_LEFT) {
        message("%s is the old key of a rotation that is not finished, expected the step retire", rotation->next);
        return 1;
    }
    if (rotation->state >= ROTATE_MADE) {
        out("make: done already\n");
        return finish(rotation);
    }
    if (rotation->state == ROTATE_NONE) {
        if (create_key(rotation) != 0)
            return 1;
        out("make: %s is new\n", rotation->next);
    } else {
        out("make: %s is there already, and is taken\n", rotation->next);
    }
    if (name_next(rotation) != 0 || rotate_read_again(rotation) != 0)
        return 1;
    out("make: %s accepts both keys; the new one is %s\n", rotate_list(rotation), rotate_new(rotation)->id);
    return finish(rotation);
}

/* Changes the peers file: puts the new key below the old one, or takes the old one out. */
static int change_peers(const struct rotation *rotation, bool is_insertion)
{
    const char *const path = rotation->policy->seal.peers;
    char line[PFSWRAP_NAME_BYTES + PFSWRAP_KEY_TEXT_BYTES + 1], *changed = NULL;
    struct stat before;
    size_t length = 0, new_length = 0;
    const int lock = rotate_lock(path);
    int result = -1;
    if (lock < 0)
        return -1;
    char *const text = stat(path, &before) == 0 ? rotate_read_text(path, &length) : NULL;
    const unsigned number = text != NULL ? rotate_text_find_peer(text, length, rotate_old(rotation)->id) : 0;
    (void)snprintf(line, sizeof line, "%s %s", rotation->name, rotate_new(rotation)->id);
    if (number != 0)
        changed = is_insertion ? rotate_text_insert(text, length, number, line, &new_length)
                               : rotate_text_remove(text, length, number, &new_length);
    if (changed != NULL)
        result = rotate_replace(path, &before, changed, new_length);
    else
        message("%s: the line with %s cannot be found", path, rotate_old(rotation)->id);
    free(changed);
    free(text);
    (void)close(lock);
    return result;
}

static bool is_signed(const struct rotation *rotation)
{
    return rotation->policy->seal.signer_count > 0;
}

/* The step `announce` or a later one, without a new key. */
static int refuse_without_key(const struct rotation *rotation)
{
    message("%s has no new key yet, expected the step make first", rotate_list(rotation));
    return 1;
}

int rotate_announce(struct rotation *rotation)
{
    if (rotation->state == ROTATE_NONE || rotation->state == ROTATE_PREPARED)
        return refuse_without_key(rotation);
    if (rotation->state != ROTATE_MADE) {
        out("announce: done already\n");
        return finish(rotation);
    }
    if (rotation->lists_old && !rotation->lists_new && !is_signed(rotation)) {
        if (change_peers(rotation, true) != 0 || rotate_read_again(rotation) != 0)
            return 1;
        out("announce: %s has %s\n", rotation->policy->seal.peers, rotate_new(rotation)->id);
    } else if (rotation->lists_new) {
        out("announce: %s has %s already\n", rotation->policy->seal.peers, rotate_new(rotation)->id);
    }
    return finish(rotation);
}

/* Whether the programs of all policies with this key accept both. Returns 0, or 1 after a message. */
static int check_both_accepted(const struct rotation *rotation)
{
    struct rotate_users users;
    if (rotate_users_find(&users, rotation) != 0)
        return 1;
    const char *const other = rotate_users_other(&users, ROTATE_NAMES_FILE, ROTATE_NAMES_NEXT);
    if (other != NULL)
        message("%s names %s, too, and not the new key, expected the step make for it first", other,
                rotation->file);
    const bool has_other = other != NULL;
    rotate_users_free(&users);
    return has_other ? 1 : 0;
}

int rotate_switch(struct rotation *rotation, bool others_ready)
{
    if (rotation->state == ROTATE_NONE || rotation->state == ROTATE_PREPARED)
        return refuse_without_key(rotation);
    if (rotation->state != ROTATE_MADE) {
        out("switch: done already\n");
        return finish(rotation);
    }
    if (rotation->lists_old && !rotation->lists_new) {
        message("%s lists the old key and not the new one, expected the step announce first",
                rotation->policy->seal.peers);
        return 1;
    }
    if (!others_ready) {
        rotate_print_others(rotation);
        message("whether the other machines are ready cannot be seen here, expected --others-ready when they are");
        return 1;
    }
    if (check_both_accepted(rotation) != 0)
        return 1;
    if (rotate_users_reload(rotation) != 0) {
        message("not switched, since a program above does not accept the new key yet: restart it");
        return 1;
    }
    if (rotate_exchange(rotation->file, rotation->next) != 0 || rotate_read_again(rotation) != 0)
        return 1;
    out("switch: %s is the new key, and %s the old one\n", rotation->file, rotation->next);
    return finish(rotation);
}

/* Takes the old key out of the peers file of this machine. Returns 0, or -1 after a message. */
static int remove_from_peers(struct rotation *rotation)
{
    const char *const peers = rotation->policy->seal.peers;
    if (!rotation->lists_old)
        return 0;
    if (is_signed(rotation)) {
        message("%s is signed and lists the old key, expected a new file without the line %s %s", peers,
                rotation->name, rotate_old(rotation)->id);
        return -1;
    }
    if (!rotation->lists_new) {
        message("%s lists the old key and not the new one, expected a line %s %s", peers, rotation->name,
                rotate_new(rotation)->id);
        return -1;
    }
    if (change_peers(rotation, false) != 0 || rotate_read_again(rotation) != 0)
        return -1;
    out("retire: %s does not have the old key any more\n", peers);
    return 0;
}

/* Removes the file of the old key, unless another policy names it. Returns an exit status. */
static int remove_file(const struct rotation *rotation)
{
    struct rotate_users users;
    if (rotate_users_find(&users, rotation) != 0)
        return 1;
    const char *const other = rotate_users_other(&users, ROTATE_NAMES_NEXT, 0);
    int result = 0;
    if (other != NULL)
        out("retire: %s is kept, since %s names it: run this step for that policy, too\n", rotation->next, other);
    else if ((result = rotate_remove(rotation->next)) == 0)
        out("retire: %s is removed\n", rotation->next);
    rotate_users_free(&users);
    return result == 0 ? 0 : 1;
}

int rotate_retire(struct rotation *rotation, bool others_ready)
{
    if (rotation->state == ROTATE_NONE) {
        out("retire: done already: there is no old key\n");
        return 0;
    }
    if (rotation->state < ROTATE_SWITCHED) {
        message("%s is not in use yet, expected the step switch first", rotation->next);
        return 1;
    }
    if (rotation->state == ROTATE_SWITCHED) {
        if (!others_ready) {
            rotate_print_others(rotation);
            message("whether the other machines are ready cannot be seen here, expected --others-ready when they "
                    "are");
            return 1;
        }
        if (rotate_users_reload(rotation) != 0) {
            message("not retired, since a program above still uses the old key: restart it");
            return 1;
        }
        if (remove_from_peers(rotation) != 0 || rotate_users_reload(rotation) != 0)
            return 1;
        if (unname_next(rotation) != 0 || rotate_read_again(rotation) != 0)
            return 1;
        out("retire: %s accepts the new key only\n", rotate_list(rotation));
    }
    if (rotate_users_reload(rotation) != 0) {
        message("the old key is kept, since a program above has not read the files again: run this command again "
                "when it has");
        return 1;
    }
    return remove_file(rotation);
}
