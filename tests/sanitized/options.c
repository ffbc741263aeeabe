/*
 * What the runtime of AddressSanitizer asks the shared object of `make check-sanitized` for. It gets its options
 * here also in programs whose environment is empty. The runtime is behind libc in the order of the objects
 * (verify_asan_link_order). Signals and alternative stacks are the program's own. Leaks are left out: the shim
 * takes no memory from malloc(3).
 */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0:detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:"
           "handle_abort=0:use_sigaltstack=0:detect_stack_use_after_return=0:abort_on_error=1:"
           "log_path=" PFSWRAP_REPORTS "/address";
}
