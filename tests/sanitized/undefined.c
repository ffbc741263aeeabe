/*
 * What UndefinedBehaviorSanitizer calls in the shared object of `make check-sanitized`. gcc's own runtime needs
 * libstdc++, malloc(3) and a large stack, and an object that is preloaded into every program may have none of
 * these. So this one writes one line to standard error and to the file of the reports, and ends the process. It
 * makes system calls only.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>

#include "base/raw_syscall.h"

/* Every structure that the compiler passes begins with the place in the source. */
struct place {
    const char *file;
    uint32_t line;
    uint32_t column;
};

/* Appends to the `used` bytes of `line`; returns how many there are now. */
static size_t add(char *line, size_t used, size_t room, const char *text)
{
    while (*text != '\0' && used < room)
        line[used++] = *text++;
    return used;
}

static size_t add_number(char *line, size_t used, size_t room, uint32_t number)
{
    char digits[11];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return add(line, used, room, digits + at);
}

static __attribute__((noreturn, noinline)) void report(const char *what, const struct place *place)
{
    char line[200];
    const size_t room = sizeof line - 1;
    size_t used = add(line, 0, room, "undefined behaviour: ");
    used = add(line, used, room, place->file != NULL ? place->file : "?");
    used = add(line, used, room, ":");
    used = add_number(line, used, room, place->line);
    used = add(line, used, room, ": ");
    used = add(line, used, room, what);
    line[used++] = '\n';
    (void)raw_syscall(SYS_write, 2, line, used);
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, PFSWRAP_REPORTS "/undefined",
                                O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd >= 0)
        (void)raw_syscall(SYS_write, fd, line, used);
    __builtin_trap();
}

/* The names that gcc 12 calls (its file sanitizer.def), with what each of them has found. */
#define HANDLERS(X)                                                                                                \
    X(type_mismatch_v1_abort, "a null pointer, or a wrong alignment")                                              \
    X(add_overflow_abort, "an addition overflows")                                                                 \
    X(sub_overflow_abort, "a subtraction overflows")                                                               \
    X(mul_overflow_abort, "a multiplication overflows")                                                            \
    X(negate_overflow_abort, "a negation overflows")                                                               \
    X(divrem_overflow_abort, "a division overflows")                                                               \
    X(shift_out_of_bounds_abort, "a shift is too wide")                                                            \
    X(out_of_bounds_abort, "an index is outside its array")                                                        \
    X(vla_bound_not_positive_abort, "an array has no elements")                                                    \
    X(float_cast_overflow_abort, "a floating point number overflows")                                              \
    X(load_invalid_value_abort, "a value that its type does not have")                                             \
    X(nonnull_arg_abort, "a null pointer as an argument")                                                          \
    X(nonnull_return_v1_abort, "a null pointer as a result")                                                       \
    X(pointer_overflow_abort, "a pointer overflows")                                                               \
    X(invalid_builtin_abort, "zero for __builtin_clz or its like")                                                 \
    X(builtin_unreachable, "a place that is never reached")                                                        \
    X(missing_return, "a function ends without its result")

#define DEFINE(name, what)                                                                                         \
    void __ubsan_handle_##name(const struct place *place);                                                         \
    void __ubsan_handle_##name(const struct place *place)                                                          \
    {                                                                                                              \
        report(what, place);                                                                                       \
    }
HANDLERS(DEFINE)
