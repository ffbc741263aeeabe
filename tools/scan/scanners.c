/*
 * What sslscan(1) and testssl(1) find, where they are installed: their XML and JSON become rows beside the policy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "policy/registry.h"
#include "scan.h"
#include "starttls.h"
#include "../report/json_line.h"

enum {
    OUTPUT_MAX = 4 * 1024 * 1024,
    SSLSCAN_MS = 180000,
    TESTSSL_MS = 900000,
    VALUE = 128,
    KEY_MAX = 64,
    ARGUMENTS_MAX = 20
};

/*
 * What a scanner writes. Allocated when a scanner is used: the command itself must stay small, since run is started
 * under limits of memory. If there is no memory, everything that a scanner finds is cut to nothing.
 */
static char *output;
static size_t output_size;

static void prepare_output(void)
{
    static char empty[1];
    if (output_size > 1)
        return;
    output = malloc(OUTPUT_MAX);
    output_size = OUTPUT_MAX;
    if (output == NULL) {
        output = empty;
        output_size = sizeof empty;
    }
    output[0] = '\0';
}

static bool has_word(const char *text, const char *word)
{
    return strstr(text, word) != NULL;
}

/* Whether the policy allows a suite with this name of OpenSSL or IANA. */
static enum scan_policy judge_suite(const struct scan_target *target, const char *name)
{
    const struct policy_tls *const tls = &target->policy->tls;
    const struct tls_ciphersuite *const suite = tls_ciphersuite_by_name(name);
    bool is_allowed = tls->min_version == 0x0303 &&
                      (strncmp(name, "ECDHE-", 6) == 0 || strncmp(name, "TLS_ECDHE_", 10) == 0) &&
                      (has_word(name, "GCM") || has_word(name, "CCM") || has_word(name, "POLY1305"));
    for (size_t i = 0; suite != NULL && i < tls->ciphersuite_count; i++)
        is_allowed |= tls->ciphersuites[i] == suite->id;
    return is_allowed && !scan_seal_is_required(target) ? SCAN_ALLOWS : SCAN_FORBIDS;
}

static enum scan_policy judge_group(const struct scan_target *target, const char *name)
{
    const struct policy_tls *const tls = &target->policy->tls;
    const struct tls_group *const group = tls_group_by_name(name);
    for (size_t i = 0; group != NULL && i < tls->group_count; i++)
        if (tls->groups[i] == group->id && !scan_seal_is_required(target))
            return SCAN_ALLOWS;
    return SCAN_FORBIDS;
}

/* "TLSv1.2", "TLS1_2" or "1.2": only 1.2 and 1.3 may be allowed. */
static enum scan_policy judge_version(const struct scan_target *target, bool is_tls, const char *version)
{
    const size_t length = strlen(version);
    const bool is_13 = is_tls && length >= 3 && version[length - 1] == '3';
    const bool is_12 =
        is_tls && length >= 3 && version[length - 1] == '2' && target->policy->tls.min_version == 0x0303;
    return (is_13 || is_12) && !scan_seal_is_required(target) ? SCAN_ALLOWS : SCAN_FORBIDS;
}

static void add(struct scan_target *target, const char *scanner, const char *kind, const char *name,
                bool is_accepted, enum scan_policy policy, const char *detail)
{
    enum { ROOM = 1024 }; /* scan_add() cuts what is longer than a row */
    char id[ROOM], words[ROOM];
    (void)snprintf(id, sizeof id, "%s.%s.%s", scanner, kind, name);
    (void)snprintf(words, sizeof words, "%s: %s %s", scanner, kind, name);
    (void)scan_add(target, id, words, is_accepted ? SCAN_ACCEPTED : SCAN_REFUSED, policy, detail);
}

/* The value of an attribute of the tag that begins at `tag`; empty: it has none. */
static const char *attribute(const char *tag, const char *name, char value[VALUE])
{
    char wanted[VALUE];
    const size_t tag_length = strcspn(tag, ">");
    (void)snprintf(wanted, sizeof wanted, " %s=\"", name);
    const char *const at = strstr(tag, wanted);
    value[0] = '\0';
    if (at == NULL || (size_t)(at - tag) > tag_length)
        return value;
    const char *const text = at + strlen(wanted);
    (void)snprintf(value, VALUE, "%.*s", (int)strcspn(text, "\">"), text);
    return value;
}

static void read_sslscan_tag(struct scan_target *target, const char *tag)
{
    char one[VALUE], two[VALUE], name[VALUE + VALUE];
    if (strncmp(tag, "<protocol ", 10) == 0) {
        const bool is_tls = strcmp(attribute(tag, "type", one), "tls") == 0;
        (void)snprintf(name, sizeof name, "%s%s", is_tls ? "TLSv" : "SSLv", attribute(tag, "version", two));
        add(target, "sslscan", "protocol", name, strcmp(attribute(tag, "enabled", one), "1") == 0,
            judge_version(target, is_tls, two), "");
    } else if (strncmp(tag, "<cipher ", 8) == 0) {
        (void)attribute(tag, "cipher", one);
        add(target, "sslscan", "cipher", one, true, judge_suite(target, one), attribute(tag, "sslversion", two));
    } else if (strncmp(tag, "<group ", 7) == 0) {
        (void)attribute(tag, "name", one);
        one[strcspn(one, " ")] = '\0'; /* "secp256r1 (NIST P-256)" */
        add(target, "sslscan", "group", one, true, judge_group(target, one), attribute(tag, "sslversion", two));
    } else if (strncmp(tag, "<compression ", 13) == 0) {
        add(target, "sslscan", "feature", "compression", strcmp(attribute(tag, "supported", one), "1") == 0,
            SCAN_FORBIDS, "");
    } else if (strncmp(tag, "<heartbleed ", 12) == 0) {
        (void)attribute(tag, "sslversion", two);
        add(target, "sslscan", "heartbleed", two, strcmp(attribute(tag, "vulnerable", one), "1") == 0, SCAN_FORBIDS,
            "");
    }
}

void scan_with_sslscan(struct scan_target *target)
{
    char sni[VALUE + 16];
    (void)snprintf(sni, sizeof sni, "--sni-name=%s", target->name != NULL ? target->name : "");
    char *argv[ARGUMENTS_MAX] = {(char *)"sslscan", (char *)"--xml=-", (char *)"--no-colour"}, starttls[32];
    size_t count = 3;
    if (target->name != NULL)
        argv[count++] = sni;
    if (target->starttls != NULL) {
        const char *const name = starttls_name(target->starttls);
        (void)snprintf(starttls, sizeof starttls, "--starttls-%s", strcmp(name, "postgres") == 0 ? "psql" : name);
        argv[count++] = starttls;
    }
    argv[count] = target->text;
    prepare_output();
    const int status = child_run(argv, SSLSCAN_MS, NULL, output, output_size);
    const size_t before = target->count;
    for (const char *tag = output; status == 0 && (tag = strchr(tag, '<')) != NULL; tag++)
        read_sslscan_tag(target, tag);
    if (target->count == before)
        (void)scan_add(target, "sslscan", "sslscan", SCAN_NOT_PROBED, SCAN_SAYS_NOTHING,
                       status == CHILD_MISSING ? "not installed" : "it gave no result");
}

/* One finding of testssl: an object of its JSON. */
struct finding {
    char id[KEY_MAX], severity[KEY_MAX], text[1024];
};

static void member(void *context, const char *key, char *value)
{
    struct finding *const finding = context;
    if (strcmp(key, "id") == 0)
        (void)snprintf(finding->id, sizeof finding->id, "%s", value);
    else if (strcmp(key, "severity") == 0)
        (void)snprintf(finding->severity, sizeof finding->severity, "%s", value);
    else if (strcmp(key, "finding") == 0)
        (void)snprintf(finding->text, sizeof finding->text, "%s", value);
}

/* "xc02f   ECDHE-RSA-AES128-GCM-SHA256 ...": the second word. */
static void add_cipher(struct scan_target *target, const struct finding *finding)
{
    char name[VALUE];
    const char *at = finding->text + strcspn(finding->text, " ");
    at += strspn(at, " ");
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(at, " "), at);
    if (name[0] != '\0')
        add(target, "testssl", "cipher", name, true, judge_suite(target, name), "");
}

static void add_groups(struct scan_target *target, struct finding *finding)
{
    char *rest = NULL;
    for (char *name = strtok_r(finding->text, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest))
        if (tls_group_by_name(name) != NULL)
            add(target, "testssl", "group", name, true, judge_group(target, name), "");
}

static void add_finding(struct scan_target *target, struct finding *finding)
{
    const char *const id = finding->id;
    const bool is_protocol = (strncmp(id, "SSLv", 4) == 0 && strlen(id) == 5) || strcmp(id, "TLS1") == 0 ||
                             (strncmp(id, "TLS1_", 5) == 0 && strlen(id) == 6);
    if (is_protocol)
        add(target, "testssl", "protocol", id, strncmp(finding->text, "offered", 7) == 0,
            judge_version(target, strlen(id) == 6, id), finding->text);
    else if (strncmp(id, "cipher_x", 8) == 0 || (strncmp(id, "cipher-", 7) == 0 && has_word(id, "_x")))
        add_cipher(target, finding);
    else if (has_word(id, "ECDHE_curves") || strcmp(id, "DH_groups") == 0 || has_word(id, "FS_KEMs"))
        add_groups(target, finding);
    else if (strcmp(finding->severity, "HIGH") == 0 || strcmp(finding->severity, "CRITICAL") == 0 ||
             strcmp(finding->severity, "MEDIUM") == 0)
        add(target, "testssl", finding->severity, id, true, SCAN_SAYS_NOTHING, finding->text);
}

/* The end of the object at text[0], which is a brace: behind its closing brace; NULL: it is cut. */
static char *object_end(char *text)
{
    unsigned depth = 0;
    bool in_string = false;
    for (char *at = text; *at != '\0'; at++)
        if (in_string && *at == '\\' && at[1] != '\0')
            at++;
        else if (*at == '"')
            in_string = !in_string;
        else if (!in_string && *at == '{')
            depth++;
        else if (!in_string && *at == '}' && --depth == 0)
            return at + 1;
    return NULL;
}

static void read_testssl(struct scan_target *target, char *text)
{
    for (char *at = text; (at = strchr(at, '{')) != NULL;) {
        struct finding finding = {"", "", ""};
        char *const end = object_end(at);
        if (end == NULL)
            return;
        const char behind = *end;
        for (char *c = at; c < end; c++) /* json_line_read() reads one line */
            if (*c == '\n' || *c == '\r')
                *c = ' ';
        const bool is_read = json_line_read(at, (size_t)(end - at), member, &finding);
        *end = behind;
        if (is_read)
            add_finding(target, &finding);
        at = end;
    }
}

void scan_with_testssl(struct scan_target *target)
{
    char folder[] = "/tmp/pfswrap-scan-XXXXXX", path[VALUE];
    if (mkdtemp(folder) == NULL)
        return;
    (void)snprintf(path, sizeof path, "%s/testssl.json", folder);
    char *argv[ARGUMENTS_MAX] = {(char *)"testssl",
                                 (char *)"--quiet",
                                 (char *)"--color",
                                 (char *)"0",
                                 (char *)"--warnings",
                                 (char *)"off",
                                 (char *)"-n",
                                 (char *)"none",
                                 (char *)"-p",
                                 (char *)"-f",
                                 (char *)"-e",
                                 (char *)"--jsonfile",
                                 path};
    size_t count = 13;
    if (target->starttls != NULL) {
        argv[count++] = (char *)"--starttls";
        argv[count++] = (char *)starttls_name(target->starttls);
    }
    argv[count] = target->text;
    prepare_output();
    const int status = child_run(argv, TESTSSL_MS, NULL, output, output_size);
    const size_t before = target->count;
    FILE *const file = fopen(path, "re");
    const size_t length = file != NULL ? fread(output, 1, output_size - 1, file) : 0;
    if (file != NULL)
        (void)fclose(file);
    output[length] = '\0';
    read_testssl(target, output);
    if (target->count == before)
        (void)scan_add(target, "testssl", "testssl", SCAN_NOT_PROBED, SCAN_SAYS_NOTHING,
                       status == CHILD_MISSING ? "not installed" : "it gave no result");
    (void)unlink(path);
    (void)rmdir(folder);
}
