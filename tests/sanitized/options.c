/*
 * What the runtimes of AddressSanitizer and ThreadSanitizer ask the shared object of `make check-sanitized` for.
 * They get their options here also in programs whose environment is empty. Signals and alternative stacks are the
 * program's own.
 */
#define SIGNALS "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:use_sigaltstack=0:"

/*
 * The runtime is behind libc in the order of the objects (verify_asan_link_order). Leaks are left out: the shim
 * takes no memory from malloc(3).
 */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return SIGNALS "verify_asan_link_order=0:detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1:"
                   "log_path=" PFSWRAP_REPORTS "/address";
}

/*
 * Children of fork(2) in programs with threads go on. What a program calls in its signal handlers, and threads that
 * it does not join, are its own matter.
 */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return SIGNALS "die_after_fork=0:report_signal_unsafe=0:report_thread_leaks=0:exitcode=66:"
                   "log_path=" PFSWRAP_REPORTS "/thread";
}
