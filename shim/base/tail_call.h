/*
 * Forces a call in a return statement to be a tail call. An interposed function needs this where the real
 * function's result depends on its return address (dlsym(3)), or where it returns twice on the same stack
 * (vfork(2)).
 */
#ifndef PFSWRAP_BASE_TAIL_CALL_H
#define PFSWRAP_BASE_TAIL_CALL_H

#if defined(__clang__)
#if __clang_major__ < 13
#error "clang before 13 cannot promise a tail call (musttail), expected clang 13 or gcc"
#endif
#define TAIL_CALL __attribute__((musttail))
#define TAIL_CALLER
#else
#define TAIL_CALL
#define TAIL_CALLER                                                                                                \
    __attribute__((optimize("O2"), no_profile_instrument_function, no_sanitize("address", "thread", "undefined")))
#endif

#endif
