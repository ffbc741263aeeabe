/* How `pfswrap rotate` changes one line of a policy or of a peers file. */
#include "../suite.h"

#include <stdlib.h>
#include <string.h>

#include "../../../tools/rotate/rotate.h"

/* Compares a text that was made with the expected one, and frees it. */
static void expect(char *made, size_t length, const char *expected)
{
    ck_assert_ptr_nonnull(made);
    ck_assert_str_eq(made, expected);
    ck_assert_uint_eq(length, strlen(expected));
    free(made);
}

static void expect_inserted(const char *text, unsigned number, const char *expected)
{
    size_t length = 0;
    char *const made = rotate_text_insert(text, strlen(text), number, "new", &length);
    expect(made, length, expected);
}

static void expect_removed(const char *text, unsigned number, const char *expected)
{
    size_t length = 0;
    char *const made = rotate_text_remove(text, strlen(text), number, &length);
    expect(made, length, expected);
}

START_TEST(a_line_is_inserted_behind_another_one)
{
    expect_inserted("a\nb\n", 1, "a\nnew\nb\n");
    expect_inserted("a\nb\n", 2, "a\nb\nnew\n");
    expect_inserted("a\r\n\r\nb", 2, "a\r\n\r\nnew\nb");
}
END_TEST

START_TEST(a_last_line_without_an_end_gets_one)
{
    expect_inserted("a\nb", 2, "a\nb\nnew\n");
    expect_inserted("a", 1, "a\nnew\n");
    expect_inserted("", 1, "new\n");
}
END_TEST

START_TEST(a_line_is_removed_with_its_end)
{
    expect_removed("a\nb\nc\n", 2, "a\nc\n");
    expect_removed("a\nb\nc", 3, "a\nb\n");
    expect_removed("a\n", 1, "");
    expect_removed("a\nb\n", 9, "a\nb\n");
}
END_TEST

START_TEST(a_public_key_is_found_as_the_second_word_of_a_line)
{
    static const char text[] = "# x KEY\n\nname OTHER\n\tname \t KEY not-after=2030-01-01\nKEY name\n";
    ck_assert_uint_eq(rotate_text_find_peer(text, strlen(text), "KEY"), 4);
    ck_assert_uint_eq(rotate_text_find_peer(text, strlen(text), "OTHER"), 3);
    ck_assert_uint_eq(rotate_text_find_peer(text, strlen(text), "NONE"), 0);
    ck_assert_uint_eq(rotate_text_find_peer("a", 1, "KEY"), 0);
    ck_assert_uint_eq(rotate_text_find_peer("a\nKEY b\n", 8, "KEY"), 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("rotate");
    tcase_add_test(cases, a_line_is_inserted_behind_another_one);
    tcase_add_test(cases, a_last_line_without_an_end_gets_one);
    tcase_add_test(cases, a_line_is_removed_with_its_end);
    tcase_add_test(cases, a_public_key_is_found_as_the_second_word_of_a_line);
    return run_suite(cases, "rotate");
}
