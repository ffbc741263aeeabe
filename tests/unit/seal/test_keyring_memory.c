/* Where a keyring's secrets lie: in locked memory that core dumps leave out, between pages that cannot be used. */
#include "../suite.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seal/keyring.h"

/* The sanitizers' runtimes replace mlock() with nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_IGNORES_MLOCK true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZER_IGNORES_MLOCK true
#endif
#endif
#ifndef SANITIZER_IGNORES_MLOCK
#define SANITIZER_IGNORES_MLOCK false
#endif

static struct pfswrap_keyring *keyring;
static struct pfswrap_keys_error error;
static char directory[] = "/tmp/pfswrap-keyring-XXXXXX";
static char path[sizeof directory + 16];

static void setup(void)
{
    keyring = pfswrap_keyring_new();
    ck_assert_ptr_nonnull(keyring);
    memset(&error, 0, sizeof error);
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/file", directory);
}

static void teardown(void)
{
    pfswrap_keyring_free(keyring);
    (void)unlink(path);
    (void)rmdir(directory);
}

/* The VmFlags of the mapping that holds `address` (proc(5)): "dd" is excluded from dumps, "lo" is locked. */
static void read_vm_flags(const void *address, char *flags, size_t size)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;
    uintptr_t from, to;

    ck_assert_ptr_nonnull(file);
    flags[0] = '\0';
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            inside = from <= (uintptr_t)address && (uintptr_t)address < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            (void)snprintf(flags, size, "%s", line);
    fclose(file);
}

START_TEST(secrets_are_in_locked_memory_that_is_not_in_core_dumps)
{
    char flags[512];

    read_vm_flags(keyring, flags, sizeof flags);
    ck_assert_msg(strstr(flags, " dd") != NULL, "not left out of dumps: %s", flags);
    if (!SANITIZER_IGNORES_MLOCK)
        ck_assert_msg(strstr(flags, " lo") != NULL, "not locked: %s", flags);
    ck_assert_msg(strstr(flags, " wr") == NULL, "writable while nothing is added: %s", flags);
}
END_TEST

START_TEST(writing_past_a_keyring_ends_the_process)
{
    int status;
    const pid_t child = fork();

    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(0);
        ((volatile uint8_t *)keyring)[sizeof *keyring] = 1;
        _exit(0);
    }
    ck_assert_int_eq(child, waitpid(child, &status, 0));
    ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("keyring_memory");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, secrets_are_in_locked_memory_that_is_not_in_core_dumps);
    tcase_add_test(tc, writing_past_a_keyring_ends_the_process);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "keyring_memory");
}
