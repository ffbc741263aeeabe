/*
 * Parses the text of a policy. inih splits lines into keys and values and removes comments. Sections, repeated keys
 * and everything that inih accepts and a policy must not have are checked here: text after a section's bracket,
 * `key: value`, a section without keys, long lines.
 */
#include "policy/parser.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct policy_section sections[POLICY_SECTION_COUNT] = {
    [POLICY_SECTION_POLICY] = {"policy", false, policy_keys_policy, NULL},
    [POLICY_SECTION_TLS] = {"tls", false, policy_keys_tls, policy_end_tls},
    [POLICY_SECTION_WIRE] = {"wire", false, policy_keys_wire, NULL},
    [POLICY_SECTION_FINDINGS] = {"findings", false, policy_keys_findings, NULL},
    [POLICY_SECTION_SEAL] = {"seal", false, policy_keys_seal, policy_end_seal},
    [POLICY_SECTION_LISTEN] = {"listen", true, policy_keys_listen, policy_end_rule},
    [POLICY_SECTION_CONNECT] = {"connect", true, policy_keys_connect, policy_end_rule},
    [POLICY_SECTION_END] = {"end", false, (const struct policy_key[]){{NULL, false, NULL}}, NULL},
};

static const char section_names[] =
    "[policy], [tls], [wire], [findings], [seal], [listen NAME], [connect NAME] or [end]";

__attribute__((format(printf, 3, 0))) static int fail(struct policy_parser *parser, unsigned line,
                                                      const char *format, va_list arguments)
{
    char *text = parser->error->text;
    size_t size = sizeof parser->error->text;
    int used = snprintf(text, size, "%.*s:%u: ", PATH_MAX, parser->file, line);
    (void)vsnprintf(text + used, size - (size_t)used, format, arguments);
    parser->failed = true;
    return -1;
}

int policy_fail(struct policy_parser *parser, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(parser, parser->reader.line, format, arguments);
    va_end(arguments);
    return -1;
}

int policy_fail_at(struct policy_parser *parser, unsigned line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(parser, line, format, arguments);
    va_end(arguments);
    return -1;
}

unsigned policy_key_line(const struct policy_parser *parser, const char *key)
{
    for (size_t i = 0; parser->section->keys[i].name != NULL; i++)
        if (strcmp(parser->section->keys[i].name, key) == 0)
            return parser->key_lines[i];
    return 0;
}

/* Runs the check of the current section, if there is one. Returns 0, or -1 after policy_fail(). */
static int section_end(struct policy_parser *parser)
{
    const struct policy_section *section = parser->section;
    return section != NULL && section->end != NULL ? section->end(parser) : 0;
}

static bool is_ended(const struct policy_parser *parser)
{
    return parser->section == &sections[POLICY_SECTION_END];
}

/* Begins [KIND] or [KIND NAME]; `text` is the part between the brackets. */
static int section_begin(struct policy_parser *parser, const char *text, size_t length)
{
    char name[POLICY_ENTRY_MAX];
    if (length >= sizeof name)
        return policy_fail(parser, "section name of %zu characters, expected at most %zu", length, sizeof name - 1);
    if (is_ended(parser))
        return policy_fail(parser, "a section behind [end], expected [end] as the last line");
    memcpy(name, text, length);
    name[length] = '\0';
    for (size_t i = 0; i < POLICY_SECTION_COUNT; i++) {
        const struct policy_section *section = &sections[i];
        size_t kind = strlen(section->name);
        if (strncmp(name, section->name, kind) != 0 || (name[kind] != '\0' && name[kind] != ' '))
            continue;
        const char *rule = name + kind + strspn(name + kind, " ");
        if (section->named && *rule == '\0')
            return policy_fail(parser, "[%s] has no name, expected [%s NAME]", section->name, section->name);
        if (!section->named && name[kind] != '\0')
            return policy_fail(parser, "[%s], expected [%s] without a name", name, section->name);
        if (!section->named && parser->section_lines[i] != 0)
            return policy_fail(parser, "[%s] is repeated, expected it once (first on line %u)", section->name,
                               parser->section_lines[i]);
        parser->section = section;
        parser->section_lines[i] = parser->reader.line;
        parser->key = NULL;
        memset(parser->key_lines, 0, sizeof parser->key_lines);
        if (section->named)
            return policy_begin_rule(parser, i == POLICY_SECTION_LISTEN ? POLICY_LISTEN : POLICY_CONNECT, rule);
        return 0;
    }
    return policy_fail(parser, "unknown section [%s], expected %s", name, section_names);
}

/* A line that begins with a bracket. inih would ignore text after the closing one. */
static int section_line(struct policy_parser *parser, const char *line)
{
    const char *close = strchr(line, ']');
    if (close == NULL)
        return policy_fail(parser, "%.80s has no closing bracket, expected [SECTION]", line);
    const char *after = close + 1 + strspn(close + 1, " \t");
    if (*after != '\0' && (*after != ';' || after == close + 1))
        return policy_fail(parser, "text after the section's bracket, expected [SECTION] alone on its line");
    if (section_end(parser) < 0)
        return -1;
    return section_begin(parser, line + 1, (size_t)(close - line - 1));
}

static int reader_fail(struct policy_parser *parser, enum policy_line state)
{
    switch (state) {
    case POLICY_LINE_LONG:
        return policy_fail(parser, "line is too long, expected at most %d bytes", POLICY_LINE_MAX - 1);
    case POLICY_LINE_CONTROL:
        return policy_fail(parser, "control character 0x%02x, expected plain text", parser->reader.byte);
    case POLICY_LINE_LARGE:
        return policy_fail(parser, "file is too large, expected at most %d bytes", POLICY_FILE_MAX);
    case POLICY_LINE_FAILED:
        return policy_fail(parser, "cannot read: %s", strerror(-parser->reader.error));
    case POLICY_LINE_READ:
    case POLICY_LINE_END:
        break;
    }
    return 0;
}

/* Called by inih for each line, so that both count the same lines. NULL ends the parse. */
static char *next_line(char *line, int size, void *stream)
{
    struct policy_parser *parser = stream;
    if (parser->failed || size < POLICY_LINE_MAX)
        return NULL;
    enum policy_line state = policy_reader_next(&parser->reader, line);
    if (reader_fail(parser, state) < 0 || state == POLICY_LINE_END)
        return NULL;
    const char *first = line + strspn(line, " \t");
    if (*first == '[')
        return section_line(parser, first) < 0 ? NULL : line;
    /* inih would accept `key: value`, too. That is a mistake here: addresses contain colons. */
    const char *separator = strpbrk(first, "=:");
    if (*first != ';' && *first != '#' && separator != NULL && *separator == ':') {
        policy_fail(parser, "expected KEY = VALUE");
        return NULL;
    }
    return line;
}

static int unknown_key(struct policy_parser *parser, const char *name)
{
    char known[256] = "";
    size_t used = 0;
    const struct policy_key *keys = parser->section->keys;
    for (size_t i = 0; keys[i].name != NULL && used < sizeof known; i++) {
        const char *between = i == 0 ? "" : keys[i + 1].name != NULL ? ", " : " or ";
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", between, keys[i].name);
    }
    return policy_fail(parser, "unknown key %.80s in [%s], expected %s", name, parser->section->name, known);
}

static int set_key(struct policy_parser *parser, const char *name, const char *value)
{
    if (parser->section == NULL)
        return policy_fail(parser, "%.80s comes before any section, expected %s first", name, section_names);
    if (is_ended(parser))
        return policy_fail(parser, "%.80s comes behind [end], expected [end] as the last line", name);
    const struct policy_key *keys = parser->section->keys;
    size_t i = 0;
    while (keys[i].name != NULL && strcmp(keys[i].name, name) != 0)
        i++;
    if (keys[i].name == NULL)
        return unknown_key(parser, name);
    if (parser->key_lines[i] != 0 && !keys[i].repeatable)
        return policy_fail(parser, "%s is repeated, expected it once (first on line %u)", name,
                           parser->key_lines[i]);
    if (*value == '\0')
        return policy_fail(parser, "%s has no value, expected %s = VALUE", name, name);
    if (strstr(value, " #") != NULL || strstr(value, "\t#") != NULL)
        return policy_fail(parser, "%s has a # in its value, expected a comment after a value to begin with ;",
                           name);
    if (parser->key_lines[i] == 0)
        parser->key_lines[i] = parser->reader.line;
    parser->key = &keys[i];
    return keys[i].set(parser, value);
}

/*
 * Called by inih for each key; returns nonzero for success. `section` is not used, because inih does not report
 * sections without keys: parser->section is the current one.
 */
static int handle(void *user, const char *section, const char *name, const char *value)
{
    (void)section;
    struct policy_parser *parser = user;
    return !parser->failed && set_key(parser, name, value) == 0;
}

int policy_parser_run(struct policy_parser *parser)
{
    ini_allow_multiline = false;
    ini_allow_no_value = false;
    ini_allow_realloc = false;
    ini_allow_inline_comments = true;
    ini_stop_on_first_error = true;
    ini_use_stack = true;
    ini_max_line = POLICY_LINE_MAX;

    int line = ini_parse_stream(next_line, parser, handle, parser);
    if (parser->failed)
        return -1;
    if (line != 0)
        return policy_fail(parser, "expected KEY = VALUE or [SECTION]");
    if (section_end(parser) < 0)
        return -1;
    if (parser->policy->reload != POLICY_RELOAD_OFF && !is_ended(parser))
        return policy_fail(
            parser, "reload = %s in [policy], expected [end] as the last line, which shows that the file is whole",
            policy_words_reload[parser->policy->reload]);
    return policy_validate(parser);
}
