/*
 * A filter is a program for a small machine with an accumulator (classic BPF, linux/filter.h), and all its jumps go
 * forward. So one pass over the instructions is enough: for each one it is noted whether it can be reached, and
 * what is in the accumulator there, if that is always the same. Number and machine of the system call are known,
 * its arguments are not. The worst result that can be reached counts.
 */
#include "base/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "base/readable.h"

struct filter_set filter_in_force;

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define MACHINE AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

/* The calls of normal operation: on connections, on the log, for memory, and for threads that wait for each other.
 */
static const short normal_calls[] = {
    SYS_clock_gettime,   SYS_clock_nanosleep, SYS_close,          SYS_dup3,
    SYS_epoll_ctl,       SYS_epoll_pwait,     RAW_FCNTL,          RAW_FSTAT,
    SYS_futex,           SYS_getpeername,     SYS_getpid,         SYS_getppid,
    SYS_getrandom,       SYS_getsockname,     SYS_getsockopt,     SYS_ioctl,
    RAW_LSEEK,           SYS_madvise,         RAW_MMAP,           SYS_munmap,
    RAW_FSTATAT,         SYS_openat,          SYS_ppoll,          SYS_recvfrom,
    SYS_rt_sigaction,    SYS_rt_sigpending,   SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_rt_sigtimedwait, SYS_sched_yield,     SYS_sendto,         SYS_setsockopt,
    SYS_shutdown,        SYS_write,
};

/* What libc calls for a thread, beside clone3(2). */
static const short thread_calls[] = {
    SYS_exit, SYS_madvise, RAW_MMAP, SYS_mprotect, SYS_munmap, SYS_rseq, SYS_rt_sigprocmask, SYS_set_robust_list,
};

enum {
    /* Values in the accumulator that stand for something else than themselves are not needed: it is unknown then.
     */
    UNREACHED = 0,
    KNOWN,
    UNKNOWN,
};

/* The accumulator before one instruction. */
struct state {
    uint32_t value;
    uint8_t kind;
};

/* What is known about the arguments of a call that the shim makes in one way only. */
struct known {
    bool is_known;
    unsigned argument;
    uint64_t value;
};

/* The number that the kernel sees for a call of the shim. */
static long number_of(long number)
{
#if defined(__i386__)
    if (socketcall_of(number) != 0)
        return SYS_socketcall;
#endif
    return number;
}

static struct known known_of(long number)
{
#if defined(__i386__)
    if (socketcall_of(number) != 0)
        return (struct known){true, 0, (uint64_t)socketcall_of(number)};
#endif
    if (number == RAW_MMAP || number == SYS_mprotect) /* filters examine whether memory becomes executable */
        return (struct known){true, 2, PROT_READ | PROT_WRITE};
    return (struct known){.is_known = false};
}

static struct state load(uint32_t offset, long number)
{
    const struct known known = known_of(number);
    const uint32_t low = (uint32_t)(offsetof(struct seccomp_data, args) + known.argument * sizeof(uint64_t));
    if (offset == offsetof(struct seccomp_data, nr))
        return (struct state){(uint32_t)number_of(number), KNOWN};
    if (offset == offsetof(struct seccomp_data, arch))
        return (struct state){MACHINE, KNOWN};
    if (known.is_known && offset == low)
        return (struct state){(uint32_t)known.value, KNOWN};
    if (known.is_known && offset == low + sizeof(uint32_t))
        return (struct state){(uint32_t)(known.value >> 32), KNOWN};
    return (struct state){0, UNKNOWN};
}

static struct state calculate(uint16_t code, uint32_t k, struct state a)
{
    const struct state unknown = {0, UNKNOWN};
    if (a.kind != KNOWN || (BPF_SRC(code) == BPF_X && BPF_OP(code) != BPF_NEG))
        return unknown;
    switch (BPF_OP(code)) {
    case BPF_ADD:
        return (struct state){a.value + k, KNOWN};
    case BPF_SUB:
        return (struct state){a.value - k, KNOWN};
    case BPF_AND:
        return (struct state){a.value & k, KNOWN};
    case BPF_OR:
        return (struct state){a.value | k, KNOWN};
    case BPF_LSH:
        return k < 32 ? (struct state){a.value << k, KNOWN} : unknown;
    case BPF_RSH:
        return k < 32 ? (struct state){a.value >> k, KNOWN} : unknown;
    default:
        return unknown;
    }
}

/* The accumulator after an instruction that is neither a jump nor a return. */
static struct state step(const struct sock_filter *instruction, struct state a, long number)
{
    switch (BPF_CLASS(instruction->code)) {
    case BPF_LD:
        if (BPF_MODE(instruction->code) == BPF_ABS)
            return load(instruction->k, number);
        if (BPF_MODE(instruction->code) == BPF_IMM)
            return (struct state){instruction->k, KNOWN};
        return (struct state){0, UNKNOWN};
    case BPF_ALU:
        return calculate(instruction->code, instruction->k, a);
    case BPF_MISC:
        return BPF_MISCOP(instruction->code) == BPF_TAX ? a : (struct state){0, UNKNOWN};
    default: /* stores, and loads of the other register */
        return a;
    }
}

/* The instruction `to` can be reached with `a` in the accumulator. */
static void reach(struct state *states, uint32_t length, uint64_t to, struct state a)
{
    if (to >= length)
        return; /* the kernel refuses such a program */
    if (states[to].kind == UNREACHED)
        states[to] = a;
    else if (states[to].kind != a.kind || states[to].value != a.value)
        states[to] = (struct state){0, UNKNOWN};
}

static void jump(struct state *states, uint32_t length, uint32_t at, const struct sock_filter *instruction)
{
    const struct state a = states[at];
    const uint32_t k = instruction->k;
    const uint64_t if_true = (uint64_t)at + 1 + instruction->jt, if_false = (uint64_t)at + 1 + instruction->jf;
    bool is_true = false;
    if (BPF_OP(instruction->code) == BPF_JA) {
        reach(states, length, (uint64_t)at + 1 + k, a);
        return;
    }
    if (a.kind != KNOWN || BPF_SRC(instruction->code) == BPF_X) {
        reach(states, length, if_true, a);
        reach(states, length, if_false, a);
        return;
    }
    switch (BPF_OP(instruction->code)) {
    case BPF_JEQ:
        is_true = a.value == k;
        break;
    case BPF_JGT:
        is_true = a.value > k;
        break;
    case BPF_JGE:
        is_true = a.value >= k;
        break;
    case BPF_JSET:
        is_true = (a.value & k) != 0;
        break;
    default:
        break;
    }
    reach(states, length, is_true ? if_true : if_false, a);
}

static enum filter_answer answer_of(const struct sock_filter *instruction, struct state a)
{
    uint32_t result = instruction->k;
    if (BPF_RVAL(instruction->code) == BPF_A) {
        if (a.kind != KNOWN)
            return FILTER_DENIES;
        result = a.value;
    }
    switch (result & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
        return FILTER_ALLOWS;
    case SECCOMP_RET_ERRNO:
        return (result & SECCOMP_RET_DATA) == ENOSYS ? FILTER_ENOSYS : FILTER_DENIES;
    default:
        return FILTER_DENIES;
    }
}

/* `states`: an array of `length` elements. */
static enum filter_answer evaluate(const struct sock_filter *code, uint32_t length, struct state *states,
                                   long number)
{
    enum filter_answer worst = FILTER_ALLOWS;
    bool returns = false;
    memset(states, 0, length * sizeof *states);
    states[0].kind = UNKNOWN;
    for (uint32_t at = 0; at < length && worst != FILTER_DENIES; at++) {
        if (states[at].kind == UNREACHED)
            continue;
        if (BPF_CLASS(code[at].code) == BPF_JMP) {
            jump(states, length, at, &code[at]);
        } else if (BPF_CLASS(code[at].code) == BPF_RET) {
            const enum filter_answer answer = answer_of(&code[at], states[at]);
            worst = answer > worst ? answer : worst;
            returns = true;
        } else {
            reach(states, length, (uint64_t)at + 1, step(&code[at], states[at], number));
        }
    }
    return returns ? worst : FILTER_DENIES;
}

/* seccomp(2), SECCOMP_SET_MODE_STRICT. */
static bool is_allowed_in_strict_mode(long number)
{
    return number == SYS_read || number == SYS_write || number == SYS_exit || number == SYS_rt_sigreturn;
}

static void make_worse(struct filter_set *set, long number, enum filter_answer answer)
{
    if (answer > set->answers[number])
        set->answers[number] = (uint8_t)answer;
}

static struct state *map_states(void)
{
    const long mapping = raw_syscall(RAW_MMAP, NULL, BPF_MAXINSNS * sizeof(struct state), PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mapping > -4096 && mapping < 0 ? NULL : (struct state *)mapping;
}

static bool is_readable(const struct sock_fprog *program)
{
    return readable(program, sizeof *program) && program->len > 0 && program->len <= BPF_MAXINSNS &&
           readable(program->filter, program->len * sizeof *program->filter);
}

void filter_read(const struct sock_fprog *program, struct filter_set *set)
{
    struct state *states = NULL;
    *set = filter_in_force;
    if (program != NULL && is_readable(program) && filter_allows(RAW_MMAP) && filter_allows(SYS_munmap))
        states = map_states();
    for (long number = 0; number < FILTER_NUMBERS; number++)
        if (program == NULL)
            make_worse(set, number, is_allowed_in_strict_mode(number) ? FILTER_ALLOWS : FILTER_DENIES);
        else if (states == NULL)
            make_worse(set, number, FILTER_DENIES);
        else
            make_worse(set, number, evaluate(program->filter, program->len, states, number));
    if (states != NULL)
        (void)raw_syscall(SYS_munmap, states, BPF_MAXINSNS * sizeof(struct state));
}

void filter_return_to(const struct filter_set *before)
{
    for (long number = 0; number < FILTER_NUMBERS; number++)
        __atomic_store_n(&filter_in_force.answers[number], before->answers[number], __ATOMIC_RELAXED);
}

void filter_enter(const struct filter_set *set, struct filter_set *before)
{
    *before = filter_in_force;
    filter_return_to(set);
}

void filter_deny(long number)
{
    __atomic_store_n(&filter_in_force.answers[number], FILTER_DENIES, __ATOMIC_RELAXED);
}

bool filter_allows_thread(const struct filter_set *set)
{
    const uint8_t newer = set->answers[SYS_clone3], older = set->answers[SYS_clone];
    for (size_t i = 0; i < sizeof thread_calls / sizeof thread_calls[0]; i++)
        if (set->answers[thread_calls[i]] != FILTER_ALLOWS)
            return false;
    return newer == FILTER_ALLOWS || (newer == FILTER_ENOSYS && older == FILTER_ALLOWS);
}

bool filter_is_harmless(const struct filter_set *set)
{
    for (size_t i = 0; i < sizeof normal_calls / sizeof normal_calls[0]; i++)
        if (set->answers[normal_calls[i]] != FILTER_ALLOWS)
            return false;
    return true;
}
