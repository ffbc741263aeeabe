/*
 * What is found in executables: libraries and symbols of this test's own file, damaged files, TLS implementations
 * and their versions, runtimes, and io_uring.
 */
#include "../suite.h"
#include "../files.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../../tools/runtime.h"
#include "../../../tools/stacks.h"

#define HANDSHAKE "TLS 1.3, server CertificateVerify"

static struct libraries libraries; /* those of the program that is looked at; empty at first */
static struct stacks stacks;

START_TEST(an_images_libraries_and_symbols_are_found)
{
    struct image image;
    bool has_libc = false;
    const char *needed;
    ck_assert_int_eq(image_open(&image, "/proc/self/exe"), 0);
    ck_assert(image.is_native);
    for (size_t i = 0; (needed = image_needed(&image, i)) != NULL; i++)
        has_libc = has_libc || strcmp(needed, "libc.so.6") == 0;
    ck_assert(has_libc);
    ck_assert_ptr_null(image_needed(&image, 1000));
    ck_assert_int_eq(image_symbol(&image, "rename"), IMAGE_SYMBOL_IMPORTED);
    ck_assert_int_eq(image_symbol(&image, "no_such_function"), IMAGE_SYMBOL_ABSENT);
    ck_assert(image_contains(&image, "an_images_libraries_and_symbols_are_found"));
    image_close(&image);
    ck_assert(!image_contains(&image, ""));
    ck_assert_int_eq(image_open(&image, "/no/such"), -ENOENT);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(a_damaged_image_has_fewer_things_in_it_and_nothing_else_happens)
{
    static char file[1 << 16];
    const int fd = open("/proc/self/exe", O_RDONLY);
    const ssize_t length = read(fd, file, sizeof file);
    struct image image;
    ck_assert_int_gt(length, (ssize_t)sizeof(ElfW(Ehdr)));
    for (size_t at = 0; at < sizeof(ElfW(Ehdr)); at++) {
        file[at] = (char)(file[at] ^ 0xff);
        file_write("damaged", file, (size_t)length, 0600);
        ck_assert_int_eq(image_open(&image, "damaged"), 0);
        (void)image_needed(&image, 0);
        (void)image_symbol(&image, "rename");
        image_close(&image);
        file[at] = (char)(file[at] ^ 0xff);
    }
    file_write("empty", "", 0, 0600);
    ck_assert_int_eq(image_open(&image, "empty"), 0);
    ck_assert(!image.is_native);
    ck_assert(!image_contains(&image, "x"));
    image_close(&image);
}
END_TEST

/* A file with these texts, each with its terminator, as an image. */
static struct image image_of(const char *const *texts, size_t count)
{
    char bytes[1024];
    size_t used = 0;
    struct image image;
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes + used, texts[i], strlen(texts[i]) + 1);
        used += strlen(texts[i]) + 1;
    }
    file_write("program", bytes, used, 0600);
    ck_assert_int_eq(image_open(&image, "program"), 0);
    return image;
}

#define IMAGE(...)                                                                                                 \
    image_of((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void add_library(const char *name, const char *const *texts, size_t count)
{
    struct library *library = &libraries.entries[libraries.count++];
    (void)snprintf(library->name, sizeof library->name, "%s", name);
    (void)snprintf(library->path, sizeof library->path, "%s/%s", folder_path, name);
    struct image image = image_of(texts, count);
    image_close(&image);
    ck_assert_int_eq(rename("program", name), 0);
}

#define LIBRARY(name, ...)                                                                                         \
    add_library(name, (const char *const[]){__VA_ARGS__},                                                          \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void find(struct image image)
{
    stacks_find(&stacks, &image, &libraries);
    image_close(&image);
}

START_TEST(tls_inside_an_executable_is_found_with_its_version)
{
    static const struct {
        const char *text, *name, *version;
    } kinds[] = {
        {"OpenSSL 3.0.2 15 Mar 2022", "OpenSSL 3", "3.0.2"},
        {"OpenSSL 1.1.1w  11 Sep 2023", "OpenSSL 1.1", "1.1.1w"},
        {"LibreSSL 3.8.2", "LibreSSL", "3.8.2"},
        {"BoringSSL", "BoringSSL", ""},
        {"/cargo/src/rustls-0.21.7/src/lib.rs", "rustls", "0.21.7"},
        {"mbed TLS 2.28.3", "Mbed TLS", "2.28.3"},
        {"nothing known", "a TLS implementation of unknown make", ""},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        find(IMAGE(HANDSHAKE, kinds[i].text));
        ck_assert_uint_eq(stacks.count, 1);
        ck_assert_str_eq(stacks.found[0].name, kinds[i].name);
        ck_assert_str_eq(stacks.found[0].version, kinds[i].version);
        ck_assert_str_eq(stacks.found[0].library, "");
        ck_assert(!stacks.found[0].is_covered);
    }
    find(IMAGE("master secret", "server finished", "OpenSSL 1.0.2u"));
    ck_assert_str_eq(stacks.found[0].name, "OpenSSL 1.0");
}
END_TEST

START_TEST(a_version_with_three_parts_is_preferred)
{
    find(IMAGE(HANDSHAKE, "OpenSSL 3.0 provider", "OpenSSL 3.0.2 15 Mar 2022"));
    ck_assert_str_eq(stacks.found[0].version, "3.0.2");
    find(IMAGE(HANDSHAKE, "OpenSSL 3.5"));
    ck_assert_str_eq(stacks.found[0].version, "3.5");
    find(IMAGE(HANDSHAKE, "OpenSSL 3.", "OpenSSL default"));
    ck_assert_str_eq(stacks.found[0].version, "");
}
END_TEST

START_TEST(a_text_alone_is_not_an_implementation)
{
    find(IMAGE("built with OpenSSL 3.0.11", "BoringSSL", "master secret"));
    ck_assert_uint_eq(stacks.count, 0);
}
END_TEST

START_TEST(shared_implementations_are_found_by_their_sonames)
{
    static const struct {
        const char *library, *name;
        bool is_covered;
    } kinds[] = {
        {"libssl.so.3", "OpenSSL 3", true},
        {"libssl.so.1.1", "OpenSSL 1.1", true},
        {"libssl.so.1.0.0", "OpenSSL or LibreSSL of another version", false},
        {"libgnutls.so.30", "GnuTLS", true},
        {"libssl3.so", "NSS", false},
        {"libjvm.so", "Java", false},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        libraries.count = 0;
        LIBRARY("libz.so.1", "nothing");
        LIBRARY(kinds[i].library, "Enabled GnuTLS 3.7.9");
        find(IMAGE("a program"));
        ck_assert_uint_eq(stacks.count, 1);
        ck_assert_str_eq(stacks.found[0].name, kinds[i].name);
        ck_assert_str_eq(stacks.found[0].library, kinds[i].library);
        ck_assert_int_eq(stacks.found[0].is_covered, kinds[i].is_covered);
        ck_assert_str_eq(stacks.found[0].version, strcmp(kinds[i].name, "GnuTLS") == 0 ? "3.7.9" : "");
    }
}
END_TEST

START_TEST(the_version_of_openssl_is_in_libcrypto)
{
    LIBRARY("libssl.so.3", "OpenSSL 3.9.9");
    LIBRARY("libcrypto.so.3", "OpenSSL 3.0.15 3 Sep 2024");
    find(IMAGE("a program"));
    ck_assert_str_eq(stacks.found[0].version, "3.0.15");
}
END_TEST

START_TEST(more_implementations_than_there_is_room_for_are_left_out)
{
    for (int i = 0; i < STACKS_FOUND_MAX + 3; i++)
        LIBRARY("libgnutls.so.30", "x");
    find(IMAGE(HANDSHAKE, "BoringSSL"));
    ck_assert_uint_eq(stacks.count, STACKS_FOUND_MAX);
}
END_TEST

static struct runtime find_runtime(struct image image, bool is_go)
{
    static struct runtime runtime;
    runtime_find(&runtime, &image, &libraries, "program", is_go);
    image_close(&image);
    return runtime;
}

START_TEST(runtimes_are_recognised_and_get_the_policys_options)
{
    ck_assert_int_eq(setenv("PFSWRAP_POLICY", "builtin", 1), 0);
    ck_assert_ptr_null(find_runtime(IMAGE("nothing"), false).name);
    ck_assert_str_eq(find_runtime(IMAGE("nothing"), true).name, "Go");
    ck_assert_str_eq(find_runtime(IMAGE("/rustc/90b35a62/library/core/src/panicking.rs"), false).name, "Rust");
    LIBRARY("libnode.so.108", "x");
    ck_assert_int_eq(setenv("NODE_OPTIONS", "--tls-min-v1.0 --no-warnings", 1), 0);
    const struct runtime node = find_runtime(IMAGE("x"), false);
    ck_assert_str_eq(node.name, "Node.js");
    ck_assert_str_eq(node.variable, "NODE_OPTIONS");
    ck_assert_ptr_eq(strstr(node.value, "--no-warnings --tls-min-v1.3 "), node.value);
    libraries.count = 0;
    LIBRARY("libjli.so", "x");
    const struct runtime java = find_runtime(IMAGE("x"), true); /* it may contain Go all the same */
    ck_assert_str_eq(java.name, "Java");
    ck_assert_str_eq(java.variable, "JAVA_TOOL_OPTIONS");
}
END_TEST

START_TEST(with_mode_audit_a_runtime_gets_no_options)
{
    char path[128];
    file_write("audit.conf", "[policy]\nmode = audit\n", 22, 0600);
    (void)snprintf(path, sizeof path, "%s/audit.conf", folder_path);
    ck_assert_int_eq(setenv("PFSWRAP_POLICY", path, 1), 0);
    LIBRARY("libnode.so.108", "x");
    const struct runtime node = find_runtime(IMAGE("x"), false);
    ck_assert_str_eq(node.name, "Node.js");
    ck_assert_ptr_null(node.variable);
    /* A policy that cannot be loaded counts as the built-in one. */
    ck_assert_int_eq(setenv("PFSWRAP_POLICY", "/no/such.conf", 1), 0);
    ck_assert_str_eq(find_runtime(IMAGE("x"), false).variable, "NODE_OPTIONS");
}
END_TEST

START_TEST(io_uring_is_found_linked_or_inside)
{
    ck_assert(!find_runtime(IMAGE("uring"), false).uses_io_uring);
    ck_assert(find_runtime(IMAGE("io_uring_setup"), false).uses_io_uring);
    ck_assert(find_runtime(IMAGE("io_uring_queue_init"), false).uses_io_uring);
    LIBRARY("liburing.so.2", "x");
    ck_assert(find_runtime(IMAGE("x"), false).uses_io_uring);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("detection");
    tcase_add_checked_fixture(cases, folder_enter, folder_leave);
    tcase_add_test(cases, an_images_libraries_and_symbols_are_found);
    tcase_add_test(cases, a_damaged_image_has_fewer_things_in_it_and_nothing_else_happens);
    tcase_add_test(cases, tls_inside_an_executable_is_found_with_its_version);
    tcase_add_test(cases, a_version_with_three_parts_is_preferred);
    tcase_add_test(cases, a_text_alone_is_not_an_implementation);
    tcase_add_test(cases, shared_implementations_are_found_by_their_sonames);
    tcase_add_test(cases, the_version_of_openssl_is_in_libcrypto);
    tcase_add_test(cases, more_implementations_than_there_is_room_for_are_left_out);
    tcase_add_test(cases, runtimes_are_recognised_and_get_the_policys_options);
    tcase_add_test(cases, with_mode_audit_a_runtime_gets_no_options);
    tcase_add_test(cases, io_uring_is_found_linked_or_inside);
    return run_suite(cases, "detection");
}
