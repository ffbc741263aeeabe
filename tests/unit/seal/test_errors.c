/*
 * Every error of the library has a text of its own. The list here is compared with the header.
 */
#include <pfswrap/tunnel.h>

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../suite.h"

static const int errors[] = {
    PFSWRAP_SEAL_E_ARGUMENT,
    PFSWRAP_SEAL_E_NOT_READY,
    PFSWRAP_SEAL_E_TAKE_FIRST,
    PFSWRAP_SEAL_E_UNSENT,
    PFSWRAP_SEAL_E_CLOSED,
    PFSWRAP_SEAL_E_NO_IDENTITY,
    PFSWRAP_SEAL_E_NO_PEER,
    PFSWRAP_SEAL_E_CHANNEL,
    PFSWRAP_SEAL_E_POISONED,
    PFSWRAP_SEAL_E_MAGIC,
    PFSWRAP_SEAL_E_VERSION,
    PFSWRAP_SEAL_E_PATTERN,
    PFSWRAP_SEAL_E_FLAGS,
    PFSWRAP_SEAL_E_MESSAGE_LENGTH,
    PFSWRAP_SEAL_E_KEY_ID,
    PFSWRAP_SEAL_E_PSK_REQUIRED,
    PFSWRAP_SEAL_E_PSK_UNEXPECTED,
    PFSWRAP_SEAL_E_PSK_UNKNOWN,
    PFSWRAP_SEAL_E_ANONYMOUS,
    PFSWRAP_SEAL_E_HANDSHAKE,
    PFSWRAP_SEAL_E_SMALL_ORDER,
    PFSWRAP_SEAL_E_PAYLOAD,
    PFSWRAP_SEAL_E_PEER_UNKNOWN,
    PFSWRAP_SEAL_E_PEER_EXPIRED,
    PFSWRAP_SEAL_E_PEER_REFUSED,
    PFSWRAP_SEAL_E_PEER_CHANGED,
    PFSWRAP_SEAL_E_REHANDSHAKE,
    PFSWRAP_SEAL_E_OVERDUE,
    PFSWRAP_SEAL_E_TOO_OFTEN,
    PFSWRAP_SEAL_E_FRAME_TYPE,
    PFSWRAP_SEAL_E_FRAME_LENGTH,
    PFSWRAP_SEAL_E_FRAME,
    PFSWRAP_SEAL_E_TAG,
    PFSWRAP_SEAL_E_REKEY,
    PFSWRAP_SEAL_E_EMPTY,
    PFSWRAP_SEAL_E_FINAL,
    PFSWRAP_SEAL_E_AFTER_FINAL,
    PFSWRAP_SEAL_E_TRAILER,
    PFSWRAP_SEAL_E_TRUNCATED,
    PFSWRAP_SEAL_E_KEY_EXPIRED,
    PFSWRAP_SEAL_E_NO_HYBRID,
    PFSWRAP_SEAL_E_HYBRID_REQUIRED,
    PFSWRAP_SEAL_E_HYBRID_UNEXPECTED,
    PFSWRAP_SEAL_E_KEM_KEY,
    PFSWRAP_SEAL_E_AGENT,
    PFSWRAP_SEAL_E_PADDING_REFUSED,
    PFSWRAP_SEAL_E_PADDING,
    PFSWRAP_TUNNEL_STOPPED,
};
enum { ERRORS = sizeof errors / sizeof errors[0] };

/* How many constants of this name the header defines; -1: the test does not run in the source tree. */
static int count_in_header(const char *path, const char *prefix)
{
    char line[512], pattern[64];
    FILE *header = fopen(path, "r");
    int count = 0;

    if (header == NULL)
        return -1;
    (void)snprintf(pattern, sizeof pattern, "    %s", prefix);
    while (fgets(line, sizeof line, header) != NULL)
        count += strncmp(line, pattern, strlen(pattern)) == 0 && strstr(line, " = -") != NULL;
    (void)fclose(header);
    return count;
}

START_TEST(every_error_has_the_name_that_it_has_in_the_header)
{
    char line[512], name[64];
    FILE *header = fopen("include/pfswrap/seal.h", "r");
    int error, found = 0;

    ck_assert_str_eq("OK", pfswrap_seal_error_name(0));
    ck_assert_str_eq("STOPPED", pfswrap_seal_error_name(PFSWRAP_TUNNEL_STOPPED));
    ck_assert_str_eq("UNKNOWN", pfswrap_seal_error_name(1));
    ck_assert_str_eq("UNKNOWN", pfswrap_seal_error_name(-1000));
    for (int i = 0; i < ERRORS; i++)
        ck_assert_str_ne("UNKNOWN", pfswrap_seal_error_name(errors[i]));
    if (header == NULL)
        return;
    while (fgets(line, sizeof line, header) != NULL)
        if (sscanf(line, "    PFSWRAP_SEAL_%63[A-Z_] = %d,", name, &error) == 2 && name[0] == 'E' && error < 0) {
            ck_assert_str_eq(name, pfswrap_seal_error_name(error));
            found++;
        }
    (void)fclose(header);
    ck_assert_int_eq(ERRORS - 1, found);
}
END_TEST

START_TEST(every_error_has_a_text_of_its_own)
{
    int known = 0;

    ck_assert_str_eq("no error", pfswrap_seal_error_text(0));
    for (int i = 0; i < ERRORS; i++) {
        ck_assert_str_ne("unknown error", pfswrap_seal_error_text(errors[i]));
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(pfswrap_seal_error_text(errors[j]), pfswrap_seal_error_text(errors[i]));
    }
    for (int error = -1000; error < 1000; error++)
        known += strcmp("unknown error", pfswrap_seal_error_text(error)) != 0;
    ck_assert_int_eq(ERRORS + 1, known);
    ck_assert_str_eq("unknown error", pfswrap_seal_error_text(INT_MIN));
    ck_assert_str_eq("unknown error", pfswrap_seal_error_text(INT_MAX));
    known = count_in_header("include/pfswrap/seal.h", "PFSWRAP_SEAL_E_");
    ck_assert(known == -1 || known == ERRORS - 1);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("errors");

    tcase_add_test(tc, every_error_has_a_text_of_its_own);
    tcase_add_test(tc, every_error_has_the_name_that_it_has_in_the_header);
    return run_suite(tc, "errors");
}
