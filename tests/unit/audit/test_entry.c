/* audit_format_entry: fields of the journal's native protocol, whatever the values are: newlines, UTF-8, too much.
 */
#include "../suite.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/workspace.h"

static char entry[AUDIT_ENTRY_MAX];

/* One field of an entry. */
struct field {
    char name[65];
    size_t length;
    char value[AUDIT_ENTRY_MAX];
};

/* Reads the field at *at as journald does, and moves *at behind it. The test fails if there is none. */
static void read_field(const char **at, const char *end, struct field *field)
{
    const char *const newline = memchr(*at, '\n', (size_t)(end - *at));
    ck_assert_ptr_nonnull(newline);
    const char *const equal = memchr(*at, '=', (size_t)(newline - *at));
    const size_t name = (size_t)((equal != NULL ? equal : newline) - *at);
    ck_assert_uint_gt(name, 0);
    ck_assert_uint_lt(name, sizeof field->name);
    memcpy(field->name, *at, name);
    field->name[name] = '\0';
    ck_assert_uint_eq(strspn(field->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), name);
    ck_assert_int_ne(field->name[0], '_');
    const char *value;
    if (equal != NULL) {
        value = equal + 1;
        field->length = (size_t)(newline - value);
    } else {
        uint64_t length;
        ck_assert_uint_gt((size_t)(end - newline), sizeof length);
        memcpy(&length, newline + 1, sizeof length);
        field->length = (size_t)le64toh(length);
        value = newline + 1 + sizeof length;
        ck_assert_uint_lt(field->length, (size_t)(end - value));
    }
    ck_assert_int_eq(value[field->length], '\n');
    memcpy(field->value, value, field->length);
    field->value[field->length] = '\0';
    *at = value + field->length + 1;
}

/* The value of the field `name` in an entry of `length` bytes, or NULL. Reads the whole entry. */
static const char *find(size_t length, const char *name)
{
    static struct field found, field;
    found.name[0] = '\0';
    for (const char *at = entry; at < entry + length;) {
        read_field(&at, entry + length, &field);
        if (strcmp(field.name, name) == 0) {
            ck_assert_int_eq(found.name[0], '\0'); /* once */
            found = field;
        }
    }
    return found.name[0] != '\0' ? found.value : NULL;
}

static size_t format(const char *event, const struct audit_field *fields, size_t count)
{
    memset(entry, '#', sizeof entry);
    const size_t length = audit_format_entry(entry, 0, 7, "p", event, fields, count);
    ck_assert_uint_le(length, sizeof entry);
    return length;
}

START_TEST(an_entry_has_the_fields_of_the_line_in_capitals_and_those_of_the_journal)
{
    const struct audit_field fields[] = {AUDIT_S("peer_name", "a b"), AUDIT_N("count", -3),
                                         AUDIT_B("resumed", true), AUDIT_S("none", NULL), AUDIT_S("empty", "")};
    const size_t length = format("refused", fields, 5);
    ck_assert_str_eq(find(length, "PFSWRAP_TIME"), "1970-01-01T00:00:00.000000Z");
    ck_assert_str_eq(find(length, "PFSWRAP_EVENT"), "refused");
    ck_assert_str_eq(find(length, "PFSWRAP_PID"), "7");
    ck_assert_str_eq(find(length, "PFSWRAP_PROGRAM"), "p");
    ck_assert_str_eq(find(length, "PFSWRAP_PEER_NAME"), "a b");
    ck_assert_str_eq(find(length, "PFSWRAP_COUNT"), "-3");
    ck_assert_str_eq(find(length, "PFSWRAP_RESUMED"), "true");
    ck_assert_str_eq(find(length, "PFSWRAP_EMPTY"), "");
    ck_assert_ptr_null(find(length, "PFSWRAP_NONE"));
    ck_assert_str_eq(find(length, "MESSAGE"), "refused peer_name=\"a b\" count=-3 resumed=true empty=\"\"");
    ck_assert_str_eq(find(length, "PRIORITY"), "4");
    ck_assert_str_eq(find(length, "SYSLOG_IDENTIFIER"), "pfswrap");
    ck_assert_uint_eq(strlen(find(length, "MESSAGE_ID")), 32);
    ck_assert_ptr_null(find(format("e", NULL, 0), "MESSAGE_ID"));
}
END_TEST

START_TEST(a_newline_in_a_value_begins_no_field)
{
    const struct audit_field fields[] = {AUDIT_S("a", "x\nPFSWRAP_EVENT=forged\n"), AUDIT_S("b", "y=z")};
    const size_t length = format("e", fields, 2);
    ck_assert_str_eq(find(length, "PFSWRAP_A"), "x\nPFSWRAP_EVENT=forged\n");
    ck_assert_str_eq(find(length, "PFSWRAP_EVENT"), "e");
    ck_assert_str_eq(find(length, "PFSWRAP_B"), "y=z");
    ck_assert_str_eq(find(length, "MESSAGE"), "e a=\"x\\u000aPFSWRAP_EVENT=forged\\u000a\" b=\"y=z\"");
}
END_TEST

START_TEST(a_byte_that_is_not_utf8_becomes_the_replacement_character)
{
    const struct audit_field fields[] = {AUDIT_S("a", "\xff\xc3\xa9\xc3")};
    ck_assert_str_eq(find(format("e", fields, 1), "PFSWRAP_A"), "\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd");
}
END_TEST

START_TEST(what_does_not_fit_is_cut_between_characters_and_the_entry_stays_whole)
{
    static const char *const units[] = {"x", "\n", "\x01", "\"", "\xe2\x82\xac", "\xff"};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        for (size_t shift = 0; shift < 8; shift++) {
            static char value[AUDIT_ENTRY_MAX];
            struct audit_field fields[40];
            size_t used = shift;
            memset(value, 'a', shift);
            for (; used + strlen(units[i]) < sizeof value; used += strlen(units[i]))
                memcpy(value + used, units[i], strlen(units[i]));
            value[used] = '\0';
            for (size_t j = 0; j < 40; j++)
                fields[j] = j % 2 == 0 ? AUDIT_S("text", j == 0 ? value : value + shift) : AUDIT_N("n", -1);
            const size_t length = format("e", fields, 40);
            ck_assert_uint_gt(length, AUDIT_ENTRY_MAX / 2);
            struct field field;
            for (const char *at = entry; at < entry + length;)
                read_field(&at, entry + length, &field);
        }
}
END_TEST

START_TEST(an_entry_fits_into_a_workspace)
{
    ck_assert_int_le(AUDIT_ENTRY_MAX, WORKSPACE_BYTES);
}
END_TEST

START_TEST(each_documented_event_has_a_message_id_of_its_own)
{
    static const char *const events[] = {"policy",         "reload",    "lost",     "handshake",   "override",
                                         "would-override", "refused",   "failed",   "unprotected", "would-refuse",
                                         "opened",         "closed",    "plain",    "left",        "observed",
                                         "weak",           "plaintext", "unjudged", "finding"};
    char ids[sizeof events / sizeof events[0]][33];
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        const char *id = find(format(events[i], NULL, 0), "MESSAGE_ID");
        ck_assert_ptr_nonnull(id);
        ck_assert_uint_eq(strspn(id, "0123456789abcdef"), 32);
        memcpy(ids[i], id, sizeof ids[i]);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(ids[i], ids[j]);
    }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("entry");
    tcase_add_test(cases, an_entry_has_the_fields_of_the_line_in_capitals_and_those_of_the_journal);
    tcase_add_test(cases, a_newline_in_a_value_begins_no_field);
    tcase_add_test(cases, a_byte_that_is_not_utf8_becomes_the_replacement_character);
    tcase_add_test(cases, what_does_not_fit_is_cut_between_characters_and_the_entry_stays_whole);
    tcase_add_test(cases, an_entry_fits_into_a_workspace);
    tcase_add_test(cases, each_documented_event_has_a_message_id_of_its_own);
    return run_suite(cases, "entry");
}
