/*
 * Keys that the key agent has: the lines of its configuration that name them, and what the agent that runs has of
 * them. See rotate.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "../agent/agent.h"
#include "../message.h"
#include "config/agent_ask.h"
#include "rotate.h"

/* Whether the line begins the section [KIND NAME]. The agent has read the file: there is no mistake in it. */
static bool begins_section(const struct rotation *rotation, const char *line)
{
    const size_t kind = strlen(rotation->kind);
    const char *const name = policy_agent_name(rotation->agent);
    if (strncmp(line, "[", 1) != 0 || strncmp(line + 1, rotation->kind, kind) != 0)
        return false;
    line += 1 + kind;
    const size_t blanks = strspn(line, " \t");
    return blanks > 0 && strncmp(line + blanks, name, strlen(name)) == 0 &&
           strcmp(line + blanks + strlen(name), "]") == 0;
}

/* The value of a line `key = VALUE`; NULL: it is another one. */
static const char *value_of(const char *line)
{
    if (strncmp(line, "key", 3) != 0)
        return NULL;
    line += 3;
    line += strspn(line, " \t");
    return *line == '=' ? line + 1 + strspn(line + 1, " \t") : NULL;
}

static void trim(char *line)
{
    size_t length = strlen(line);
    while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL)
        line[--length] = '\0';
}

/* Finds the lines of the section in the text, which is cut into lines. Returns 0, or -1 after a message. */
static int find_entries(struct rotation *rotation)
{
    char *rest = rotation->agent_text;
    bool in_section = false, is_there = false;
    rotation->entry_count = 0;
    unsigned number = 0;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        number++;
        trim(line);
        line += strspn(line, " \t");
        if (line[0] == '[')
            in_section = begins_section(rotation, line);
        is_there = is_there || in_section;
        const char *const path = in_section ? value_of(line) : NULL;
        if (path == NULL)
            continue;
        if (rotation->entry_count == POLICY_LIST_MAX) {
            message("%s:%u: more than %d keys", rotation->agent_path, number, POLICY_LIST_MAX);
            return -1;
        }
        rotation->entries[rotation->entry_count++] = (struct rotate_entry){path, number};
    }
    if (rotation->entry_count > 0)
        return 0;
    message("%s: %s, expected a section [%s %s] with a line key = FILE, or --agent-config FILE for another "
            "configuration of the agent",
            rotation->agent_path, is_there ? "no key" : "no such section", rotation->kind,
            policy_agent_name(rotation->agent));
    return -1;
}

int rotate_agent_read(struct rotation *rotation)
{
    size_t length;
    if (realpath(rotation->agent_file, rotation->agent_path) == NULL) {
        message("%s: %s, expected the configuration of the agent that has %s (--agent-config FILE)",
                rotation->agent_file, strerror(errno), rotation->agent);
        return -1;
    }
    free(rotation->agent_text);
    rotation->agent_text = rotate_read_text(rotation->agent_path, &length);
    if (rotation->agent_text == NULL)
        return -1;
    (void)crypto_generichash(rotation->agent_digest, sizeof rotation->agent_digest,
                             (const uint8_t *)rotation->agent_text, length, NULL, 0);
    return find_entries(rotation);
}

int rotate_agent_reload(const struct rotation *rotation)
{
    const char *const path = policy_agent_path(rotation->policy);
    const int result = agent_ask_reload(path);
    if (result == AGENT_OK)
        return 0;
    message("%s: the agent does not read %s again: %s", path, rotation->agent_path,
            result == AGENT_REFUSED ? "expected root or the agent's user" : agent_result_text(result));
    return -1;
}

/* Whether the agent's key with this number is that one. */
static bool agent_has(const struct rotation *rotation, unsigned number, const struct rotate_key *key)
{
    struct agent_answer answer;
    char text[PFSWRAP_KEY_TEXT_BYTES];
    if (agent_identify(policy_agent_path(rotation->policy), rotation->is_psk ? AGENT_IDENTIFY_PSK : AGENT_IDENTIFY,
                       policy_agent_name(rotation->agent), number, &answer) != AGENT_OK)
        return false;
    if (rotation->is_psk)
        (void)sodium_bin2hex(text, sizeof text, answer.key, KEYRING_PSK_ID_BYTES);
    else
        pfswrap_key_encode(text, answer.key);
    return strcmp(text, key->id) == 0;
}

int rotate_agent_print(const struct rotation *rotation)
{
    const bool has_next = rotation->next_line != 0;
    if (rotation->agent == NULL ||
        (agent_has(rotation, 0, &rotation->first) && (!has_next || agent_has(rotation, 1, &rotation->second))))
        return 0;
    out("missing: the agent at %s does not have the key%s of %s: pfswrap agent --reload, or start it\n",
        policy_agent_path(rotation->policy), has_next ? "s" : "", rotation->agent_path);
    return 1;
}
