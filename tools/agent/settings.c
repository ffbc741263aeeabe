/*
 * The agent's configuration: a file in the style of a policy. Each mistake is one message with the line.
 *
 *     [agent]
 *     socket = /run/pfswrap/agent.sock
 *
 *     [identity redis]
 *     key = /etc/pfswrap/keys/redis.key
 *     users = redis, 1001
 *     groups = web
 *
 *     [psk site]
 *     key = /etc/pfswrap/keys/site.psk
 */
#include "agent.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../message.h"
#include "policy/policy.h"
#include "policy/reader.h"
#include "seal/keyfile.h"
#include "seal/wipe.h"

/* The state of one reading. */
struct reading {
    struct agent_settings *settings;
    struct agent_identity *identity; /* of the section; NULL in [agent] */
    const char *path;
    unsigned line;
    bool in_section, has_agent;
};

__attribute__((format(printf, 2, 3))) static int fail(const struct reading *reading, const char *format, ...)
{
    char text[PATH_MAX + 512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    message("%s:%u: %s", reading->path, reading->line, text);
    return -1;
}

static bool parse_id(const char *text, unsigned *id)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    const unsigned long value = strtoul(text, &end, 10);
    *id = (unsigned)value;
    return *end == '\0' && value < UINT_MAX;
}

/* One thread reads them, so the functions need not be reentrant. The tables of the machine are files: this command
 * is static, and other sources of names (nsswitch.conf(5)) need libraries. A user of one of those can be named by
 * number. */
static bool find_user(const char *name, uid_t *uid)
{
    FILE *file = fopen("/etc/passwd", "re");
    bool found = false;
    if (file == NULL)
        return false;
    /* cppcheck-suppress fgetpwentCalled */
    for (const struct passwd *entry; !found && (entry = fgetpwent(file)) != NULL;)
        if ((found = strcmp(entry->pw_name, name) == 0))
            *uid = entry->pw_uid;
    (void)fclose(file);
    return found;
}

static bool find_group(const char *name, gid_t *gid)
{
    FILE *file = fopen("/etc/group", "re");
    bool found = false;
    if (file == NULL)
        return false;
    /* cppcheck-suppress fgetgrentCalled */
    for (const struct group *entry; !found && (entry = fgetgrent(file)) != NULL;)
        if ((found = strcmp(entry->gr_name, name) == 0))
            *gid = entry->gr_gid;
    (void)fclose(file);
    return found;
}

static int add_allowed(const struct reading *reading, const char *key, const char *name)
{
    struct agent_identity *identity = reading->identity;
    const bool is_user = strcmp(key, "users") == 0;
    size_t *count = is_user ? &identity->user_count : &identity->group_count;
    unsigned id = 0;
    if (*count == AGENT_ALLOWED_MAX)
        return fail(reading, "more than %d %s, expected fewer, or a group of them", AGENT_ALLOWED_MAX, key);
    if (!parse_id(name, &id) && !(is_user ? find_user(name, &id) : find_group(name, &id)))
        return fail(reading, "%s = %.80s, expected a name of /etc/%s or a number", key, name,
                    is_user ? "passwd" : "group");
    *(is_user ? &identity->users[*count] : &identity->groups[*count]) = id;
    (*count)++;
    return 0;
}

/* users = A, B */
static int add_list(const struct reading *reading, const char *key, char *value)
{
    char *rest = value;
    for (char *entry; (entry = strsep(&rest, ",")) != NULL;) {
        entry += strspn(entry, " \t");
        entry[strcspn(entry, " \t")] = '\0';
        if (add_allowed(reading, key, entry) != 0)
            return -1;
    }
    return 0;
}

/* The first `key` is the identity's current key; further ones are those that programs may still use. */
static int add_key(const struct reading *reading, const char *path)
{
    struct pfswrap_keys_error problem;
    if (path[0] != '/')
        return fail(reading, "key = %.80s, expected an absolute path", path);
    if (reading->identity->keyring == NULL && (reading->identity->keyring = pfswrap_keyring_new()) == NULL)
        return fail(reading, "not enough memory for the keys");
    struct stat status;
    if (agent_key_count(reading->identity) == 0 && stat(path, &status) == 0)
        reading->identity->owner = status.st_uid;
    struct pfswrap_keyring *keyring = reading->identity->keyring;
    const int result = reading->identity->is_psk ? pfswrap_keyring_load_psk(keyring, path, &problem)
                                                 : pfswrap_keyring_load_identity(keyring, path, &problem);
    dead_stack_wipe(DEAD_STACK_HANDSHAKE);
    return result == 0 ? 0 : fail(reading, "key %s", problem.text);
}

static int set_socket(const struct reading *reading, const char *path)
{
    char *socket = reading->settings->socket;
    if (path[0] != '/' || strlen(path) >= AGENT_PATH_BYTES)
        return fail(reading, "socket = %.120s, expected an absolute path of at most %d characters", path,
                    AGENT_PATH_BYTES - 1);
    memcpy(socket, path, strlen(path) + 1);
    return 0;
}

static int set_value(const struct reading *reading, const char *key, char *value)
{
    const bool in_identity = reading->identity != NULL;
    if (!reading->in_section)
        return fail(reading, "expected [agent], [identity NAME] or [psk NAME] before a key");
    if (value[0] == '\0')
        return fail(reading, "%.80s has no value, expected %.80s = VALUE", key, key);
    if (in_identity && strcmp(key, "key") == 0)
        return add_key(reading, value);
    if (in_identity && (strcmp(key, "users") == 0 || strcmp(key, "groups") == 0))
        return add_list(reading, key, value);
    if (!in_identity && strcmp(key, "socket") == 0)
        return set_socket(reading, value);
    return fail(reading, "unknown key %.80s, expected %s", key, in_identity ? "key, users or groups" : "socket");
}

/* Without users and groups, the owner of the key's file may use it. */
static int end_identity(const struct reading *reading)
{
    struct agent_identity *identity = reading->identity;
    if (identity != NULL && identity->keyring == NULL)
        return fail(reading, "[%s %s] has no key, expected key = FILE", agent_kind(identity), identity->name);
    if (identity != NULL && identity->user_count + identity->group_count == 0)
        identity->users[identity->user_count++] = identity->owner;
    return 0;
}

/* [identity NAME] or [psk NAME] */
static int begin_identity(struct reading *reading, bool is_psk, const char *name)
{
    const char *const kind = is_psk ? "psk" : "identity";
    struct agent_settings *settings = reading->settings;
    const size_t length = strlen(name);
    if (!keyring_name_is_valid(name, length) || length >= AGENT_NAME_BYTES)
        return fail(reading, "[%s %.80s], expected a name of letters, digits, '.', '_', '-' and '@'", kind, name);
    for (size_t i = 0; i < settings->identity_count; i++)
        if (settings->identities[i].is_psk == is_psk && strcmp(settings->identities[i].name, name) == 0)
            return fail(reading, "[%s %s] occurs twice, expected it once", kind, name);
    if (settings->identity_count == AGENT_IDENTITIES_MAX)
        return fail(reading, "more than %d identities and psks", AGENT_IDENTITIES_MAX);
    reading->identity = &settings->identities[settings->identity_count++];
    reading->identity->is_psk = is_psk;
    memcpy(reading->identity->name, name, length + 1);
    return 0;
}

static int begin_section(struct reading *reading, char *text)
{
    char *end = strchr(text, ']');
    if (end == NULL || end[1 + strspn(end + 1, " \t")] != '\0')
        return fail(reading, "expected [agent], [identity NAME] or [psk NAME]");
    *end = '\0';
    if (end_identity(reading) != 0)
        return -1;
    reading->identity = NULL;
    reading->in_section = true;
    const bool is_psk = strncmp(text, "psk ", sizeof "psk " - 1) == 0;
    if (is_psk || strncmp(text, "identity ", sizeof "identity " - 1) == 0) {
        text += is_psk ? sizeof "psk " - 1 : sizeof "identity " - 1;
        return begin_identity(reading, is_psk, text + strspn(text, " \t"));
    }
    if (strcmp(text, "agent") != 0 || reading->has_agent)
        return fail(reading, "[%.80s], expected [agent], once, [identity NAME] or [psk NAME]", text);
    reading->has_agent = true;
    return 0;
}

static void trim(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL)
        text[--length] = '\0';
}

static int read_line(struct reading *reading, char *line)
{
    line += strspn(line, " \t");
    if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
        return 0;
    trim(line);
    if (line[0] == '[')
        return begin_section(reading, line + 1);
    char *value = strchr(line, '=');
    if (value == NULL)
        return fail(reading, "expected KEY = VALUE or [SECTION]");
    *value++ = '\0';
    trim(line);
    return set_value(reading, line, value + strspn(value, " \t"));
}

static int read_lines(struct reading *reading, const struct keyfile *file)
{
    struct policy_reader reader;
    char line[POLICY_LINE_MAX];
    policy_reader_open_text(&reader, file->text, file->length);
    for (;;) {
        const enum policy_line kind = policy_reader_next(&reader, line);
        reading->line = reader.line;
        if (kind == POLICY_LINE_END)
            break;
        if (kind != POLICY_LINE_READ)
            return fail(reading, "the line is too long or has a control character in it");
        if (read_line(reading, line) != 0)
            return -1;
    }
    if (end_identity(reading) != 0)
        return -1;
    return reading->settings->identity_count > 0 ? 0
                                                 : fail(reading, "no key, expected [identity NAME] or [psk NAME]");
}

struct agent_settings *agent_settings_load(const char *path)
{
    struct reading reading = {.path = path};
    struct pfswrap_keys_error problem;
    struct keyfile file;
    if (keyfile_map(&file, path, FILE_SETTINGS, POLICY_FILE_MAX, &problem) != 0) {
        message("%s", problem.text);
        return NULL;
    }
    reading.settings = calloc(1, sizeof *reading.settings);
    if (reading.settings == NULL) {
        message("not enough memory");
    } else {
        memcpy(reading.settings->socket, POLICY_AGENT_SOCKET, sizeof POLICY_AGENT_SOCKET);
        if (read_lines(&reading, &file) != 0) {
            agent_settings_free(reading.settings);
            reading.settings = NULL;
        }
    }
    keyfile_unmap(&file);
    return reading.settings;
}

void agent_settings_free(struct agent_settings *settings)
{
    if (settings == NULL)
        return;
    for (size_t i = 0; i < settings->identity_count; i++)
        pfswrap_keyring_free(settings->identities[i].keyring);
    free(settings);
}

const char *agent_kind(const struct agent_identity *identity)
{
    return identity->is_psk ? "psk" : "identity";
}

size_t agent_key_count(const struct agent_identity *identity)
{
    return identity->is_psk ? pfswrap_keyring_count_psks(identity->keyring)
                            : pfswrap_keyring_count_identities(identity->keyring);
}

void agent_key_text(char text[PFSWRAP_KEY_TEXT_BYTES], const struct agent_identity *identity, size_t number)
{
    if (identity->is_psk)
        (void)sodium_bin2hex(text, PFSWRAP_KEY_TEXT_BYTES, identity->keyring->psks[number].secret.id,
                             sizeof identity->keyring->psks[number].secret.id);
    else
        pfswrap_key_encode(text, identity->keyring->identities[number].public_key);
}

static bool has_group(const struct agent_identity *identity, gid_t group)
{
    for (size_t i = 0; i < identity->group_count; i++)
        if (identity->groups[i] == group)
            return true;
    return false;
}

bool agent_is_allowed(const struct agent_identity *identity, const struct agent_user *user)
{
    if (user->uid == 0)
        return true;
    for (size_t i = 0; i < identity->user_count; i++)
        if (identity->users[i] == user->uid)
            return true;
    for (size_t i = 0; i < user->group_count; i++)
        if (has_group(identity, user->groups[i]))
            return true;
    return has_group(identity, user->gid);
}
