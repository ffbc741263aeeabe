/*
 * Look-ups by name: when the shim's function is the answer, and when a name must not be found.
 */
#include "../suite.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/elf.h"
#include "base/libc.h"
#include "config/init.h"
#include "config/override.h"
#include "gnutls/library.h"
#include "loader/lookup.h"
#include "tls/libssl.h"

static struct policy policy;

const struct policy *pfswrap_policy(void)
{
    return &policy;
}

static char override[64]; /* the file of the last one */

void override_report(const char *setting, const char *asked, const char *forced)
{
    (void)forced;
    ck_assert_str_eq(setting, "RTLD_DEEPBIND");
    (void)snprintf(override, sizeof override, "%s!", asked);
}

/* Functions, told apart by their addresses. */
static char shim_read, shim_rpc, shim_connect, shim_handshake, shim_gnutls, shim_submit;
static char libc_read, libc_rpc, libssl_connect, gnutls_function, uring_submit, other;

bool elf_object_of(const void *address, struct elf_object *object)
{
    *object = (struct elf_object){.name = "the shim"};
    if (address == &libc_rpc || address == &libc_read)
        object->soname = "libc.so.6";
    return true;
}

bool elf_is_libc(const struct elf_object *object)
{
    return object->soname != NULL && strcmp(object->soname, "libc.so.6") == 0;
}

void *elf_symbol(const struct elf_object *object, const char *name)
{
    ck_assert_str_eq(object->name, "the shim");
    return strcmp(name, "read") == 0               ? &shim_read
           : strcmp(name, "SSL_connect") == 0      ? &shim_connect
           : strcmp(name, "SSL_do_handshake") == 0 ? &shim_handshake
           : strcmp(name, "gnutls_init") == 0      ? &shim_gnutls
           : strcmp(name, "io_submit") == 0        ? &shim_submit
           : strcmp(name, "close_range") == 0      ? &other
                                                   : NULL;
}

void *elf_symbol_any_version(const struct elf_object *object, const char *name)
{
    return strcmp(name, "clnttcp_create") == 0 ? &shim_rpc : elf_symbol(object, name);
}

static bool libssl_loaded, gnutls_loaded, uring_loaded;

bool real_libc_has(const char *name, void **function)
{
    const bool is_io = strcmp(name, "io_submit") == 0, is_read = strcmp(name, "read") == 0;
    *function = is_read ? &libc_read : is_io && uring_loaded ? &uring_submit : NULL;
    return is_read || is_io || strcmp(name, "close_range") == 0;
}

bool libssl_is_loaded(void)
{
    return libssl_loaded;
}

bool libssl_defines(const void *function)
{
    return function == &libssl_connect;
}

bool gnutls_library_is_loaded(void)
{
    return gnutls_loaded;
}

bool gnutls_library_defines(const void *function)
{
    return function == &gnutls_function;
}

START_TEST(the_function_that_the_shim_interposes_is_answered_with_the_shims)
{
    ck_assert_ptr_eq(lookup_answer("read", &libc_read), &shim_read);
    ck_assert_ptr_eq(lookup_answer("SSL_connect", &libssl_connect), &shim_connect);
    ck_assert_ptr_eq(lookup_answer("gnutls_init", &gnutls_function), &shim_gnutls);
}
END_TEST

START_TEST(a_function_that_only_old_binaries_use_is_replaced_in_libc_and_does_not_hide_others)
{
    ck_assert_ptr_eq(lookup_answer("clnttcp_create", &libc_rpc), &shim_rpc);
    ck_assert_ptr_eq(lookup_answer("clnttcp_create", &other), &other);
    ck_assert(!lookup_is_shim_only("clnttcp_create"));
}
END_TEST

START_TEST(a_function_of_the_same_name_in_another_library_is_not_replaced)
{
    ck_assert_ptr_eq(lookup_answer("read", &other), &other);
    ck_assert_ptr_eq(lookup_answer("SSL_connect", &other), &other);
}
END_TEST

START_TEST(names_that_the_shim_does_not_interpose_are_answered_as_found)
{
    ck_assert_ptr_eq(lookup_answer("malloc", &other), &other);
    ck_assert_ptr_eq(lookup_answer("read", &shim_read), &shim_read);
}
END_TEST

START_TEST(nothing_found_stays_nothing)
{
    ck_assert_ptr_null(lookup_answer("read", NULL));
    ck_assert_ptr_null(lookup_answer(NULL, NULL));
    ck_assert_ptr_eq(lookup_answer(NULL, &other), &other);
}
END_TEST

START_TEST(a_program_that_probes_for_a_library_finds_it_only_if_it_is_loaded)
{
    ck_assert(lookup_is_shim_only("SSL_do_handshake"));
    gnutls_loaded = true;
    ck_assert(lookup_is_shim_only("SSL_do_handshake"));
    ck_assert(!lookup_is_shim_only("gnutls_init"));
    gnutls_loaded = false;
    libssl_loaded = true;
    ck_assert(!lookup_is_shim_only("SSL_do_handshake"));
    ck_assert(lookup_is_shim_only("gnutls_init"));
}
END_TEST

START_TEST(functions_of_libaio_are_found_once_it_is_loaded)
{
    ck_assert(lookup_is_shim_only("io_submit"));
    uring_loaded = true;
    ck_assert(!lookup_is_shim_only("io_submit"));
}
END_TEST

START_TEST(functions_that_an_old_libc_lacks_are_not_found)
{
    libssl_loaded = true;
    ck_assert(lookup_is_shim_only("close_range"));
}
END_TEST

START_TEST(functions_of_libc_and_unknown_names_are_never_hidden)
{
    ck_assert(!lookup_is_shim_only("read"));
    ck_assert(!lookup_is_shim_only("malloc"));
    ck_assert(!lookup_is_shim_only(NULL));
}
END_TEST

START_TEST(deep_binding_is_removed_and_every_other_flag_kept)
{
    const int mode = RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE;
    ck_assert_int_eq(lookup_open_mode("plugin.so", mode | RTLD_DEEPBIND), mode);
    ck_assert_str_eq(override, "plugin.so!");
    ck_assert_int_eq(lookup_open_mode(NULL, RTLD_LAZY | RTLD_DEEPBIND), RTLD_LAZY);
    ck_assert_str_eq(override, "!");
}
END_TEST

START_TEST(a_mode_without_deep_binding_and_every_mode_with_mode_audit_stay)
{
    ck_assert_int_eq(lookup_open_mode("plugin.so", RTLD_NOW), RTLD_NOW);
    policy.mode = POLICY_AUDIT;
    ck_assert_int_eq(lookup_open_mode("plugin.so", RTLD_NOW | RTLD_DEEPBIND), RTLD_NOW | RTLD_DEEPBIND);
    ck_assert_str_eq(override, "");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("lookup");
    tcase_add_test(cases, the_function_that_the_shim_interposes_is_answered_with_the_shims);
    tcase_add_test(cases, a_function_that_only_old_binaries_use_is_replaced_in_libc_and_does_not_hide_others);
    tcase_add_test(cases, a_function_of_the_same_name_in_another_library_is_not_replaced);
    tcase_add_test(cases, names_that_the_shim_does_not_interpose_are_answered_as_found);
    tcase_add_test(cases, nothing_found_stays_nothing);
    tcase_add_test(cases, a_program_that_probes_for_a_library_finds_it_only_if_it_is_loaded);
    tcase_add_test(cases, functions_of_libaio_are_found_once_it_is_loaded);
    tcase_add_test(cases, functions_that_an_old_libc_lacks_are_not_found);
    tcase_add_test(cases, functions_of_libc_and_unknown_names_are_never_hidden);
    tcase_add_test(cases, deep_binding_is_removed_and_every_other_flag_kept);
    tcase_add_test(cases, a_mode_without_deep_binding_and_every_mode_with_mode_audit_stay);
    return run_suite(cases, "lookup");
}
