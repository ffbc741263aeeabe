/*
 * The functions that stand in for those of a newer glibc, under the names that the linker gives them.
 */
#include "../suite.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error_text.h"

int __wrap_stat(const char *path, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags);
void __wrap___explicit_bzero_chk(void *at, size_t size, size_t room);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *before);
int __wrap_pthread_once(pthread_once_t *once, void (*run)(void));
void __wrap_pthread_testcancel(void);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size);

START_TEST(stat_and_fstat_answer_as_libc_does)
{
    struct stat here = {0}, libc = {0};
    ck_assert_int_eq(__wrap_stat("/etc/passwd", &here), 0);
    ck_assert_int_eq(stat("/etc/passwd", &libc), 0);
    ck_assert(here.st_ino == libc.st_ino && here.st_size == libc.st_size && here.st_mode == libc.st_mode &&
              here.st_uid == libc.st_uid && here.st_mtim.tv_nsec == libc.st_mtim.tv_nsec);
    const int fd = open("/etc/passwd", O_RDONLY);
    ck_assert_int_eq(__wrap_fstat(fd, &here), 0);
    ck_assert(here.st_ino == libc.st_ino && here.st_size == libc.st_size && here.st_mode == libc.st_mode);
    ck_assert(__wrap_stat("/etc/passwd/no", &here) == -1 && errno == ENOTDIR);
    ck_assert(__wrap_fstat(-1, &here) == -1 && errno == EBADF);
}
END_TEST

START_TEST(random_bytes_come_and_secrets_go)
{
    unsigned char bytes[64] = {0}, zeros[64] = {0};
    ck_assert_int_eq(__wrap_getrandom(bytes, sizeof bytes, 0), sizeof bytes);
    ck_assert(memcmp(bytes, zeros, sizeof bytes) != 0);
    ck_assert(__wrap_getrandom(bytes, sizeof bytes, ~0U) == -1 && errno == EINVAL);
    __wrap___explicit_bzero_chk(bytes, sizeof bytes, sizeof bytes);
    ck_assert(memcmp(bytes, zeros, sizeof bytes) == 0);
}
END_TEST

START_TEST(errors_have_their_texts)
{
    (void)setlocale(LC_ALL, "C");
    for (int error = 1; error < 134; error++)
        if (error != 41 && error != 58) /* Linux has no such errors */
            ck_assert_pstr_eq(error_text(error), strerror(error));
    ck_assert_str_eq(error_text(-1), "Unknown error");
    ck_assert_str_eq(error_text(100000), "Unknown error");
}
END_TEST

START_TEST(a_signal_mask_is_set_and_read_and_errno_stays)
{
    sigset_t wanted, before, now;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGUSR1);
    errno = EXDEV;
    ck_assert_int_eq(__wrap_pthread_sigmask(SIG_BLOCK, &wanted, &before), 0);
    ck_assert_int_eq(sigismember(&before, SIGUSR1), 0);
    ck_assert_int_eq(__wrap_pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    ck_assert_int_eq(sigismember(&now, SIGUSR1), 1);
    ck_assert_int_eq(__wrap_pthread_sigmask(99, &wanted, NULL), EINVAL);
    ck_assert_int_eq(errno, EXDEV);
}
END_TEST

static atomic_int runs, may_end;
static pthread_once_t shared = PTHREAD_ONCE_INIT;

static void run_slowly(void)
{
    atomic_fetch_add(&runs, 1);
    while (!atomic_load(&may_end))
        (void)sched_yield();
}

static void *run_once(void *nothing)
{
    (void)nothing;
    ck_assert_int_eq(__wrap_pthread_once(&shared, run_slowly), 0);
    ck_assert(atomic_load(&may_end)); /* no thread goes on before the function has ended */
    return NULL;
}

START_TEST(of_many_threads_one_runs_the_function_and_the_others_wait)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    pthread_attr_t attributes;
    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(__wrap_pthread_attr_setstacksize(&attributes, 1 << 18), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(__wrap_pthread_create(&threads[i], &attributes, run_once, NULL), 0);
    while (atomic_load(&runs) == 0)
        (void)sched_yield();
    atomic_store(&may_end, 1);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(__wrap_pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(atomic_load(&runs), 1);
}
END_TEST

static void end_at_once(void)
{
    _exit(7);
}

START_TEST(a_child_of_a_fork_beside_the_function_runs_it_itself)
{
    pthread_t thread;
    int status;
    ck_assert_int_eq(__wrap_pthread_create(&thread, NULL, run_once, NULL), 0);
    while (atomic_load(&runs) == 0)
        (void)sched_yield();
    const pid_t child = fork();
    if (child == 0) {
        (void)__wrap_pthread_once(&shared, end_at_once);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    atomic_store(&may_end, 1);
    ck_assert_int_eq(__wrap_pthread_join(thread, NULL), 0);
}
END_TEST

static void *wait_for_ever(void *nothing)
{
    (void)nothing;
    atomic_fetch_add(&runs, 1);
    while (!atomic_load(&may_end)) {
        __wrap_pthread_testcancel();
        (void)sched_yield();
    }
    return NULL;
}

START_TEST(a_cancelled_thread_ends_where_it_asks)
{
    pthread_t thread;
    void *result = NULL;
    ck_assert_int_eq(__wrap_pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
    while (atomic_load(&runs) == 0)
        (void)sched_yield();
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(__wrap_pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, PTHREAD_CANCELED);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("old glibc");
    tcase_add_test(cases, stat_and_fstat_answer_as_libc_does);
    tcase_add_test(cases, random_bytes_come_and_secrets_go);
    tcase_add_test(cases, errors_have_their_texts);
    tcase_add_test(cases, a_signal_mask_is_set_and_read_and_errno_stays);
    tcase_add_test(cases, of_many_threads_one_runs_the_function_and_the_others_wait);
    tcase_add_test(cases, a_child_of_a_fork_beside_the_function_runs_it_itself);
    tcase_add_test(cases, a_cancelled_thread_ends_where_it_asks);
    return run_suite(cases, "old_glibc");
}
