/*
 * The options of Node.js and Java. A program can override both in its code, so the wire plane checks its
 * connections as well. See runtime.h.
 */
#include "policy/runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/registry.h"

struct text {
    char *at;
    size_t length;
    bool is_too_long;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    size_t room = POLICY_RUNTIME_TEXT - text->length;
    va_start(arguments, format);
    int length = vsnprintf(text->at + text->length, room, format, arguments);
    va_end(arguments);
    text->is_too_long = text->is_too_long || length < 0 || (size_t)length >= room;
    text->length += text->is_too_long ? 0 : (size_t)length;
}

const char *policy_runtime_variable(enum policy_runtime runtime)
{
    return runtime == POLICY_RUNTIME_NODE ? "NODE_OPTIONS" : "JAVA_TOOL_OPTIONS";
}

/* Whether the policy decides about this option, a word of the present value. */
static bool is_replaced(enum policy_runtime runtime, const char *word, size_t length)
{
    static const char *const node[] = {"--tls-min-v", "--tls-max-v", "--tls-cipher-list=", "--tls-keylog=", NULL};
    static const char *const java[] = {
        "-Djdk.tls.client.protocols=",    "-Djdk.tls.server.protocols=", "-Djdk.tls.client.cipherSuites=",
        "-Djdk.tls.server.cipherSuites=", "-Djdk.tls.namedGroups=",      NULL};
    for (const char *const *begin = runtime == POLICY_RUNTIME_NODE ? node : java; *begin != NULL; begin++)
        if (length >= strlen(*begin) && strncmp(word, *begin, strlen(*begin)) == 0)
            return true;
    return false;
}

/* Length of the word at `word`. It may have quoted parts with blanks in them, such as a path. */
static size_t word_length(const char *word)
{
    size_t length = 0;
    char quote = '\0';
    for (; word[length] != '\0' && (quote != '\0' || strchr(" \t\n", word[length]) == NULL); length++)
        if (quote != '\0' && word[length] == quote)
            quote = '\0';
        else if (quote == '\0' && (word[length] == '"' || word[length] == '\''))
            quote = word[length];
    return length;
}

static void add_present(struct text *text, enum policy_runtime runtime, const char *present)
{
    for (const char *word = present; *word != '\0';) {
        size_t length = word_length(word);
        if (length > 0 && !is_replaced(runtime, word, length))
            add(text, "%s%.*s", text->length > 0 ? " " : "", (int)length, word);
        word += length > 0 ? length : 1;
    }
}

static void add_suites(struct text *text, const struct policy_tls *policy, char separator)
{
    for (size_t i = 0; i < policy->ciphersuite_count; i++) {
        if (i > 0)
            add(text, "%c", separator);
        add(text, "%s", tls_ciphersuite_by_id(policy->ciphersuites[i])->name);
    }
}

static void add_node(struct text *text, const struct policy_tls *policy)
{
    bool is_older = policy->min_version < 0x0304;
    add(text, "--tls-min-v1.%c --tls-cipher-list=", is_older ? '2' : '3');
    add_suites(text, policy, ':');
    if (is_older)
        add(text, ":ECDHE+AESGCM:ECDHE+CHACHA20");
}

/* Adds the groups that Java has. It ignores others, with a warning. */
static void add_java_groups(struct text *text, const struct policy_tls *policy)
{
    static const uint16_t known[] = {23, 24, 25, 29, 30};
    bool any = false;
    for (size_t i = 0; i < policy->group_count; i++)
        for (size_t j = 0; j < sizeof known / sizeof known[0]; j++)
            if (policy->groups[i] == known[j]) {
                add(text, "%s%s", any ? "," : " -Djdk.tls.namedGroups=", tls_group_by_id(known[j])->iana);
                any = true;
            }
}

static void add_java_side(struct text *text, const struct policy_tls *policy, const char *side)
{
    static const char older[] = ",TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,"
                                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    bool is_older = policy->min_version < 0x0304;
    add(text, "-Djdk.tls.%s.protocols=TLSv1.3%s -Djdk.tls.%s.cipherSuites=", side, is_older ? ",TLSv1.2" : "",
        side);
    add_suites(text, policy, ',');
    add(text, "%s", is_older ? older : "");
}

int policy_runtime_value(const struct policy *policy, enum policy_runtime runtime, const char *present,
                         char value[POLICY_RUNTIME_TEXT])
{
    struct text text = {.at = value};
    value[0] = '\0';
    if (present != NULL)
        add_present(&text, runtime, present);
    if (text.length > 0)
        add(&text, " ");
    if (runtime == POLICY_RUNTIME_NODE) {
        add_node(&text, &policy->tls);
    } else {
        add_java_side(&text, &policy->tls, "client");
        add(&text, " ");
        add_java_side(&text, &policy->tls, "server");
        add_java_groups(&text, &policy->tls);
    }
    return text.is_too_long ? -1 : 0;
}
