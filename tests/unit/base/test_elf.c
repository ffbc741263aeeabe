/* Objects and symbols of this process, compared with what the dynamic loader reports. */
#include "../suite.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "base/elf.h"
#include "base/interposed.h"

static struct elf_object libc;

static bool is_libc(const struct elf_object *object, void *argument)
{
    (void)argument;
    if (object->soname == NULL || strcmp(object->soname, "libc.so.6") != 0)
        return false;
    libc = *object;
    return true;
}

static bool count(const struct elf_object *object, void *argument)
{
    ck_assert_uint_lt(object->first, object->last);
    ck_assert_ptr_nonnull(object->dynamic);
    ++*(int *)argument;
    return false;
}

START_TEST(every_object_of_the_process_is_visited_until_a_visit_ends_the_walk)
{
    int visited = 0;
    ck_assert(!elf_each(count, &visited));
    ck_assert_int_ge(visited, 2);
    ck_assert(elf_each(is_libc, NULL));
    ck_assert_uint_gt(libc.order, 0);
}
END_TEST

START_TEST(a_function_for_old_binaries_is_found_only_if_any_version_will_do)
{
    ck_assert(elf_each(is_libc, NULL));
    ck_assert_ptr_null(elf_symbol(&libc, "clnttcp_create"));
    ck_assert_ptr_eq(elf_symbol_any_version(&libc, "clnttcp_create"),
                     dlvsym(RTLD_DEFAULT, "clnttcp_create", PFSWRAP_COMPAT_VERSION));
    ck_assert_ptr_eq(elf_symbol_any_version(&libc, "rcmd"), elf_symbol(&libc, "rcmd"));
}
END_TEST

START_TEST(a_symbol_is_found_where_dlsym_finds_it)
{
    static const char *const names[] = {"close", "dup2", "dlsym", "dlopen", "open", "stdout", "environ"};
    ck_assert(elf_each(is_libc, NULL));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *handle = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
        ck_assert_ptr_nonnull(handle);
        ck_assert_ptr_eq(elf_symbol(&libc, names[i]), dlsym(handle, names[i]));
        (void)dlclose(handle);
    }
}
END_TEST

START_TEST(a_symbol_is_also_found_in_the_old_hash_table)
{
    ck_assert(elf_each(is_libc, NULL));
    struct elf_object old = libc;
    old.gnu_hash = NULL;
    if (old.sysv_hash != NULL)
        ck_assert_ptr_eq(elf_symbol(&old, "close"), elf_symbol(&libc, "close"));
    old.sysv_hash = NULL;
    ck_assert_ptr_null(elf_symbol(&old, "close"));
}
END_TEST

START_TEST(a_name_that_an_object_does_not_define_is_not_found_in_it)
{
    ck_assert(elf_each(is_libc, NULL));
    ck_assert_ptr_null(elf_symbol(&libc, "SSL_CTX_new"));
    ck_assert_ptr_null(elf_symbol(&libc, ""));
    ck_assert_ptr_null(elf_symbol(&libc, "clos"));
    struct elf_object self;
    ck_assert(elf_object_of(&libc, &self));
    ck_assert_ptr_null(elf_symbol(&self, "close")); /* used here, defined elsewhere */
}
END_TEST

START_TEST(an_address_leads_to_the_object_it_is_in)
{
    struct elf_object object;
    int on_the_stack = 0;
    ck_assert(elf_each(is_libc, NULL));
    ck_assert(elf_object_of((const char *)libc.first, &object));
    ck_assert_str_eq(object.soname, "libc.so.6");
    ck_assert(elf_object_of((const char *)libc.last - 1, &object));
    ck_assert_str_eq(object.soname, "libc.so.6");
    ck_assert(elf_object_of(&libc, &object));
    ck_assert_uint_eq(object.order, 0);
    ck_assert(!elf_object_of(&on_the_stack, &object));
    ck_assert(!elf_object_of(NULL, &object));
}
END_TEST

START_TEST(an_object_needs_the_libraries_of_its_dynamic_section)
{
    struct elf_object self;
    ck_assert(elf_object_of(&libc, &self));
    ck_assert(elf_needs(&self, "libc.so.6"));
    ck_assert(!elf_needs(&self, "libssl.so.3"));
    ck_assert(!elf_needs(&self, "libc.so"));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("elf");
    tcase_add_test(cases, every_object_of_the_process_is_visited_until_a_visit_ends_the_walk);
    tcase_add_test(cases, a_function_for_old_binaries_is_found_only_if_any_version_will_do);
    tcase_add_test(cases, a_symbol_is_found_where_dlsym_finds_it);
    tcase_add_test(cases, a_symbol_is_also_found_in_the_old_hash_table);
    tcase_add_test(cases, a_name_that_an_object_does_not_define_is_not_found_in_it);
    tcase_add_test(cases, an_address_leads_to_the_object_it_is_in);
    tcase_add_test(cases, an_object_needs_the_libraries_of_its_dynamic_section);
    return run_suite(cases, "elf");
}
