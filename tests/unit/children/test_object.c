/*
 * Where the objects for other programs are, and what LD_PRELOAD becomes for an executed program.
 */
#include "../suite.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "children/object.h"

/* OBJECT_AARCH64_MUSL stands for the object of another program. */
_Static_assert(OBJECT_OWN != OBJECT_AARCH64_MUSL, "the tests run with another libc or on another machine");

#define OWN "/lib/pfswrap/libpfswrap.so"
#define OTHER "/lib/pfswrap/aarch64-musl/libpfswrap.so"
#define THIRD "/lib/pfswrap/i386-musl/libpfswrap.so"

static const char *path_of(const char *own, enum object_kind kind)
{
    static char path[PATH_MAX];
    const struct object_place place = object_place_of(own);
    const char *const end = object_path(path, &place, kind);
    ck_assert_uint_eq((size_t)(end - path), strlen(path));
    ck_assert_uint_lt(strlen(path), strlen(own) + OBJECT_PATH_MORE);
    return path;
}

START_TEST(objects_lie_beside_the_native_one)
{
    ck_assert_str_eq(path_of(OWN, OBJECT_OWN), OWN);
    ck_assert_str_eq(path_of(OWN, OBJECT_NONE), OWN);
    ck_assert_str_eq(path_of(OWN, OBJECT_AARCH64_MUSL), OTHER);
    ck_assert_str_eq(path_of("/libpfswrap.so", OBJECT_AARCH64_MUSL), "/aarch64-musl/libpfswrap.so");
    ck_assert_str_eq(path_of("/a/i386x/libpfswrap.so", OBJECT_AARCH64_MUSL), "/a/i386x/aarch64-musl/libpfswrap.so");
}
END_TEST

START_TEST(an_object_in_a_folder_of_its_name_has_the_others_above_it)
{
    char own[PATH_MAX];
    (void)snprintf(own, sizeof own, "/lib/pfswrap/%s/libpfswrap.so", object_name(OBJECT_OWN));
    ck_assert_str_eq(path_of(own, OBJECT_OWN), own);
    ck_assert_str_eq(path_of(own, OBJECT_AARCH64_MUSL), OTHER);
    const enum object_kind native = object_place_of(own).native;
    ck_assert_str_eq(path_of(own, native), native == OBJECT_OWN ? own : OWN);
    (void)snprintf(own, sizeof own, "/lib/pfswrap/x%s/libpfswrap.so", object_name(OBJECT_OWN));
    ck_assert_uint_eq(object_place_of(own).folder, strlen(own) - strlen("/libpfswrap.so"));
}
END_TEST

START_TEST(every_machine_has_its_objects)
{
    ck_assert(object_has_machine(3 /* EM_386 */, false));
    ck_assert(!object_has_machine(3, true));
    ck_assert(object_has_machine(62 /* EM_X86_64 */, true));
    ck_assert(!object_has_machine(62, false));
    ck_assert(!object_has_machine(0, false));
    ck_assert(object_is_alike(OBJECT_OWN));
    ck_assert(object_is_alike(OBJECT_OF_MUSL)); /* as this machine's, with another C library */
    ck_assert(!object_is_alike(OBJECT_NONE));
    ck_assert(!object_is_alike(OBJECT_OWN == OBJECT_I386 ? OBJECT_X86_64 : OBJECT_I386));
    ck_assert_int_eq(object_of_program(3, false, "/lib/ld-linux.so.2"), OBJECT_I386);
    ck_assert_int_eq(object_of_program(3, false, "/lib64/ld-linux-x86-64.so.2"), OBJECT_NONE);
    ck_assert_int_eq(object_of_program(3, false, ""), OBJECT_NONE);
}
END_TEST

static void expect(const char *before, enum object_kind kind, bool first, const char *after)
{
    const struct object_place place = object_place_of(OWN);
    const size_t size = (before != NULL ? strlen(before) : 0) + strlen(OWN) + OBJECT_PATH_MORE;
    char *const room = malloc(size); /* a sanitizer looks at its end */
    ck_assert_ptr_nonnull(room);
    const char *const end = object_preload(room, before, &place, kind, first);
    ck_assert_str_eq(room, after);
    ck_assert_uint_eq((size_t)(end - room), strlen(room));
    ck_assert_uint_lt((size_t)(end - room), size);
    ck_assert(object_is_preloaded(room, &place, kind, first));
    free(room);
}

START_TEST(the_entry_becomes_that_of_the_executed_program)
{
    expect(NULL, OBJECT_OWN, false, OWN);
    expect("", OBJECT_AARCH64_MUSL, false, OTHER);
    expect(OWN, OBJECT_AARCH64_MUSL, false, OTHER);
    expect(OTHER, OBJECT_OWN, false, OWN);
    expect(OTHER, OBJECT_NONE, false, OWN);
    expect(OTHER ":" OWN " " THIRD, OBJECT_OWN, false, OWN);
    expect(OWN "::" OWN, OBJECT_AARCH64_MUSL, false, OTHER);
}
END_TEST

START_TEST(other_entries_stay_in_their_order)
{
    expect("/a.so", OBJECT_OWN, false, OWN ":/a.so");
    expect("/a.so /b.so", OBJECT_AARCH64_MUSL, false, OTHER ":/a.so /b.so");
    expect("/a.so " OWN ":/b.so", OBJECT_AARCH64_MUSL, false, "/a.so " OTHER ":/b.so");
    expect("/a.so " OWN ":/b.so", OBJECT_AARCH64_MUSL, true, OTHER ":/a.so:/b.so");
    expect("  /a.so: :" THIRD, OBJECT_AARCH64_MUSL, false, "/a.so:" OTHER);
    expect(OWN "x:x" OWN, OBJECT_OWN, false, OWN ":" OWN "x:x" OWN);
}
END_TEST

START_TEST(a_value_that_fits_is_recognised)
{
    const struct object_place place = object_place_of(OWN);
    ck_assert(!object_is_preloaded(NULL, &place, OBJECT_OWN, false));
    ck_assert(!object_is_preloaded("", &place, OBJECT_OWN, false));
    ck_assert(object_is_preloaded("/a.so:" OWN, &place, OBJECT_OWN, false));
    ck_assert(!object_is_preloaded("/a.so:" OWN, &place, OBJECT_OWN, true));
    ck_assert(object_is_preloaded(" " OWN ":/a.so", &place, OBJECT_OWN, true));
    ck_assert(!object_is_preloaded(OWN ":" OTHER, &place, OBJECT_OWN, false));
    ck_assert(!object_is_preloaded(OWN, &place, OBJECT_AARCH64_MUSL, false));
    ck_assert(!object_is_preloaded(OWN "x", &place, OBJECT_OWN, false));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("object");
    tcase_add_test(cases, objects_lie_beside_the_native_one);
    tcase_add_test(cases, an_object_in_a_folder_of_its_name_has_the_others_above_it);
    tcase_add_test(cases, every_machine_has_its_objects);
    tcase_add_test(cases, the_entry_becomes_that_of_the_executed_program);
    tcase_add_test(cases, other_entries_stay_in_their_order);
    tcase_add_test(cases, a_value_that_fits_is_recognised);
    return run_suite(cases, "object");
}
