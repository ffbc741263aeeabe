/*
 * Calls that must leave their caller's return address and stack as they are: what they mean depends on who calls,
 * or they return on another stack.
 */
#ifndef PFSWRAP_BASE_TAIL_CALL_H
#define PFSWRAP_BASE_TAIL_CALL_H

#if defined(__clang__)
#define TAIL_CALL __attribute__((musttail))
#define TAIL_CALLER
#else
#define TAIL_CALL
#define TAIL_CALLER                                                                                                \
    __attribute__((optimize("O2"), no_profile_instrument_function, no_sanitize("address", "thread", "undefined")))
#endif

#endif
