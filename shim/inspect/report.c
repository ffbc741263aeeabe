/*
 * Events of the wire plane (docs/AUDIT.md): addresses, the client's offer, the server's choice, and the library
 * whose code moved the bytes.
 */
#include <stdio.h>
#include <string.h>

#include "audit/address.h"
#include "audit/builder.h"
#include "audit/handshake_reporter.h"
#include "base/elf.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/workspace.h"
#include "config/init.h"
#include "fd/table.h"
#include "inspect/record.h"
#include "policy/registry.h"

enum { LIST_TEXT = 512 };

/* In a workspace: it is too large for a small stack. */
struct line {
    struct elf_object object;
    char local[AUDIT_ADDRESS_TEXT], peer[AUDIT_ADDRESS_TEXT];
    char versions[LIST_TEXT], groups[LIST_TEXT], suites[LIST_TEXT];
    char version[16], group[40], suite[64];
    struct audit_builder event;
};

static void version_format(char text[16], uint16_t version)
{
    static const char *const names[] = {"SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    if (version >> 8 == 3 && (version & 0xff) < sizeof names / sizeof names[0])
        (void)snprintf(text, 16, "%s", names[version & 0xff]);
    else if (version == 0x0002)
        (void)snprintf(text, 16, "SSLv2");
    else
        (void)snprintf(text, 16, "0x%04x", version);
}

static void group_format(char text[40], uint16_t id)
{
    const struct tls_group *group = tls_group_by_id(id);
    if (group != NULL)
        (void)snprintf(text, 40, "%s", group->name);
    else
        (void)snprintf(text, 40, "0x%04x", id);
}

static void suite_format(char text[64], uint16_t id)
{
    const struct tls_ciphersuite *suite = tls_ciphersuite_by_id(id);
    if (suite != NULL)
        (void)snprintf(text, 64, "%s", suite->name);
    else
        (void)snprintf(text, 64, "0x%04x", id);
}

/* Clients add values without a meaning to their lists (GREASE, RFC 8701). */
static bool is_grease(uint16_t value)
{
    return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

static void list_format(char text[LIST_TEXT], const uint16_t *list, size_t count,
                        void (*format)(char *text, uint16_t value))
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char word[64];
        if (is_grease(list[i]))
            continue;
        format(word, list[i]);
        if (length + strlen(word) + 2 > LIST_TEXT)
            return;
        length += (size_t)snprintf(text + length, LIST_TEXT - length, "%s%s", length > 0 ? "," : "", word);
    }
}

static void add_addresses(struct line *line, int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    line->local[0] = line->peer[0] = '\0';
    if (process_sandboxed)
        return;
    if (raw_syscall(SYS_getsockname, fd, &address, &length) == 0)
        audit_address_format(line->local, (const struct sockaddr *)&address);
    length = sizeof address;
    if (raw_syscall(SYS_getpeername, fd, &address, &length) == 0)
        audit_address_format(line->peer, (const struct sockaddr *)&address);
    audit_add(&line->event, AUDIT_S("local", audit_optional(line->local)));
    audit_add(&line->event, AUDIT_S("peer", audit_optional(line->peer)));
}

static void add_offer(struct line *line, const struct wire *wire)
{
    const struct wire_offer *offer = &wire->offer;
    list_format(line->versions, offer->versions, offer->version_count, version_format);
    list_format(line->groups, offer->groups, offer->group_count, group_format);
    list_format(line->suites, offer->suites, offer->suite_count, suite_format);
    audit_add(&line->event, AUDIT_S("server_name", audit_optional(offer->server_name)));
    audit_add(&line->event, AUDIT_S("protocols", audit_optional(offer->protocols)));
    audit_add(&line->event, AUDIT_S("offered_versions", audit_optional(line->versions)));
    audit_add(&line->event, AUDIT_S("offered_groups", audit_optional(line->groups)));
    audit_add(&line->event, AUDIT_S("offered_ciphers", audit_optional(line->suites)));
}

static void add_choice(struct line *line, const struct wire *wire)
{
    const struct wire_choice *choice = &wire->choice;
    if (choice->version != 0) {
        version_format(line->version, choice->version);
        audit_add(&line->event, AUDIT_S("version", line->version));
    }
    if (choice->group != 0) {
        group_format(line->group, choice->group);
        audit_add(&line->event, AUDIT_S("group", line->group));
    }
    if (choice->is_known) {
        suite_format(line->suite, choice->suite);
        audit_add(&line->event, AUDIT_S("cipher", line->suite));
        audit_add(&line->event, AUDIT_B("preshared_key", choice->preshared_key));
    }
}

/* The sender of the ClientHello is the client, also if it has accepted the connection. */
static const char *role_of(const struct record *record)
{
    bool is_server = wire_is_tls(&record->wire) ? record->wire.client == WIRE_IN : record->is_server;
    return is_server ? "server" : "client";
}

static void add_end(struct line *line, const struct record *record)
{
    struct elf_object *const object = &line->object;
    const char *rule = record->rule != RECORD_NO_RULE ? record->policy->rules[record->rule].name : "wire";
    uintptr_t shim = (uintptr_t)&fd_table; /* the shim itself is not the library that moved the bytes */
    if (record->caller != NULL && elf_object_of(record->caller, object) &&
        (shim < object->first || shim >= object->last))
        audit_add(&line->event, AUDIT_S("library", object->order == 0 ? "the program itself" : object->name));
    audit_add(&line->event, AUDIT_S("rule", rule));
}

static const char *event_name(const struct record *record, enum decision decision)
{
    switch (decision) {
    case DECISION_NONE:
        break;
    case DECISION_PASS:
        return record->wire.verdict == WIRE_PFS && !handshake_is_reported(record->caller) ? "observed" : NULL;
    case DECISION_LOG:
        if (record->wire.verdict != WIRE_PLAINTEXT)
            return "weak";
        return record->is_plain_logged ? NULL : "plaintext";
    case DECISION_WOULD:
        return "would-refuse";
    case DECISION_REFUSE:
        return "refused";
    case DECISION_UNKNOWN:
        return "unjudged";
    }
    return NULL;
}

static const char *reason_of(const struct record *record, enum decision decision)
{
    if (decision == DECISION_UNKNOWN)
        return "not all bytes of the connection have passed through this process";
    if (record->wire.verdict == WIRE_WEAK)
        return wire_reason_words(record->wire.reason);
    const bool is_refused = decision == DECISION_REFUSE || decision == DECISION_WOULD;
    const bool by_policy =
        record->wire.verdict == WIRE_PLAINTEXT &&
        (record->plaintext == POLICY_PLAINTEXT_REFUSE || record->plaintext == POLICY_PLAINTEXT_STARTTLS);
    if (is_refused && !by_policy)
        return "the audit log cannot be written";
    if (!by_policy || !is_refused)
        return NULL;
    return record->plaintext == POLICY_PLAINTEXT_STARTTLS ? "plaintext that did not become TLS"
                                                          : "plaintext is refused by the policy";
}

/* Begins a line. NULL: no memory, and audit_lose() has reported it. */
static struct line *line_take(const struct record *record, int fd)
{
    struct line *line = workspace_take();
    if (line == NULL) {
        audit_lose();
        return NULL;
    }
    line->event.count = 0;
    audit_add(&line->event, AUDIT_S("role", role_of(record)));
    add_addresses(line, fd);
    return line;
}

void record_report(const struct record *record, int fd, enum decision decision)
{
    const char *event = event_name(record, decision);
    struct line *line = event != NULL ? line_take(record, fd) : NULL;
    if (line == NULL)
        return;
    if (wire_is_tls(&record->wire)) {
        add_offer(line, &record->wire);
        add_choice(line, &record->wire);
    }
    audit_add(&line->event, AUDIT_S("reason", reason_of(record, decision)));
    add_end(line, record);
    audit_write(&line->event, event);
    workspace_give(line);
}

void record_report_plain(const struct record *record, int fd)
{
    struct line *line = line_take(record, fd);
    if (line == NULL)
        return;
    add_end(line, record);
    audit_write(&line->event, "plaintext");
    workspace_give(line);
}
