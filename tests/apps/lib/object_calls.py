"""The system calls that the shared object makes by itself, found in the object and in its sources.

In the object: each `syscall` instruction, with the number that its function puts into the register before it, and each
imported function of libc, with the calls that libc makes for it. A number that the compiler computes at run time is not
found there; the sources name it.
"""

import functools
import re

from lib.filters import numbers
from lib.process import ROOT, run
from lib.wrap import LIBRARY

# What libc calls for an imported function. Calls of the C library that make none are in SILENT.
IMPORTS = {
    "clock_gettime": ["clock_gettime"], "clock_nanosleep": ["clock_nanosleep"], "time": ["time"],
    "faccessat": ["faccessat2", "faccessat"],
    "fopen": ["openat"], "fopen64": ["openat"], "fgets": ["read", "newfstatat"], "fclose": ["close"], "open": ["openat"],
    "fstat": ["newfstatat"], "stat": ["newfstatat"], "pread": ["pread64"], "lseek": ["lseek"],
    "getcwd": ["getcwd"], "__realpath_chk": ["readlink", "getcwd"],
    "getrandom": ["getrandom"], "getrlimit": ["prlimit64"], "sysconf": ["prlimit64"],
    "getuid": ["getuid"], "geteuid": ["geteuid"], "getgid": ["getgid"], "getegid": ["getegid"],
    "mmap": ["mmap"], "munmap": ["munmap"], "mprotect": ["mprotect"], "madvise": ["madvise"],
    "malloc": ["brk", "mmap"], "calloc": ["brk", "mmap"], "realloc": ["brk", "mmap", "mremap"], "free": ["munmap"],
    "pthread_create": ["clone3", "mmap", "mprotect", "rt_sigprocmask", "set_robust_list", "rseq", "exit", "madvise"],
    "pthread_join": ["futex"], "pthread_mutex_lock": ["futex"], "pthread_mutex_unlock": ["futex"],
    "pthread_once": ["futex"], "pthread_sigmask": ["rt_sigprocmask"],
    "sigprocmask": ["rt_sigprocmask"],
    "raise": ["gettid", "getpid", "tgkill"], "abort": ["gettid", "getpid", "tgkill"],
    "sigaction": ["rt_sigaction"], "sigpending": ["rt_sigpending"], "sigtimedwait": ["rt_sigtimedwait"],
    "sched_yield": ["sched_yield"],
    "fgetxattr": ["fgetxattr"], "fstatfs": ["fstatfs"], "getgroups": ["getgroups"],
}
SILENT = set("""
    __assert_fail __ctype_b_loc __cxa_at_quick_exit __cxa_finalize __environ __errno_location __explicit_bzero_chk
    __gmon_start__ __memcpy_chk __progname __pthread_register_cancel __pthread_unregister_cancel __pthread_unwind_next
    __register_atfork __sigsetjmp __snprintf_chk __stack_chk_fail __vasprintf_chk __vsnprintf_chk _ITM_deregisterTMCloneTable
    _ITM_registerTMCloneTable dl_iterate_phdr environ fileno getauxval getenv in6addr_loopback inet_ntop inet_pton memchr memcmp
    memcpy memmove memset posix_spawnattr_getflags program_invocation_short_name pthread_attr_destroy pthread_attr_init
    pthread_attr_setdetachstate
    pthread_attr_setstacksize pthread_setcancelstate pthread_testcancel secure_getenv setenv sigaddset sigemptyset
    sigfillset sigismember snprintf stpcpy strcasecmp strchr strchrnul strcmp strcpy strcspn strerror strerrordesc_np strlen
    strncasecmp strncmp strnlen strpbrk strrchr strspn strstr strtol unsetenv vasprintf
""".split())


def imports():
    text = run(["nm", "-D", "--undefined-only", LIBRARY]).out.decode()
    found = {line.split()[-1].split("@")[0] for line in text.splitlines()}
    later = (ROOT / "shim" / "base" / "old_glibc.c").read_text()  # looked up when they are needed
    return found | set(re.findall(r'\] = "(\w+)"', later))


def unknown_imports():
    """Imported functions of which nobody has said what they call."""
    return sorted(imports() - set(IMPORTS) - SILENT)


KEPT_BY_CALLS = {"bx", "bp", "r12", "r13", "r14", "r15"}


@functools.lru_cache(maxsize=None)
def register(name):
    """One name for all sizes of a register: rax, eax and al are ax."""
    return re.sub(r"^([abcd])l$", r"\1x", re.sub(r"(?<=\d)[dwb]$", "", re.sub(r"^[er](?=[a-z])", "", name)))


CONSTANT = re.compile(r"mov\s+\$0x([0-9a-f]+),%(\w+)")
ZERO = re.compile(r"xor\s+%(\w+),%\1")
COPY = re.compile(r"mov\s+%(\w+),%[er]ax")
WRITTEN = re.compile(r"(?:,|^pop\s+|^inc\s+|^dec\s+)%(\w+)$")


@functools.lru_cache(maxsize=1)
def in_instructions():
    """
    The numbers in the object's instructions (x86-64). A number that is copied from another register counts only if the
    sources have it, too: without following the jumps, it may be another one by then.
    """
    found, copied, constants, is_copied = set(), set(), {}, False
    text = run(["objdump", "-d", "--no-show-raw-insn", LIBRARY]).out.decode()
    for line in text.splitlines():
        if line.endswith(">:"):
            constants = {}
            continue
        instruction = line.split("\t")[-1].split("#")[0].strip()
        is_move = instruction.startswith("mov ")
        constant = is_move and CONSTANT.fullmatch(instruction)
        zero = instruction.startswith("xor ") and ZERO.fullmatch(instruction)
        copy = is_move and COPY.fullmatch(instruction)
        written = WRITTEN.search(instruction)
        if constant:
            constants[register(constant[2])] = int(constant[1], 16)
            is_copied = False if register(constant[2]) == "ax" else is_copied
        elif zero:
            constants[register(zero[1])] = 0
        elif copy and register(copy[1]) in constants:
            constants["ax"], is_copied = constants[register(copy[1])], True
        elif instruction == "syscall" and "ax" in constants:
            (copied if is_copied else found).add(constants.pop("ax"))
        elif instruction.startswith("call"):
            constants = {name: value for name, value in constants.items() if name in KEPT_BY_CALLS}
        elif written and not instruction.startswith(("cmp", "test", "bt ")):
            constants.pop(register(written[1]), None)
    names = {number: name for name, number in numbers().items()}
    by_copy = {names[number] for number in copied if number in names} & in_sources()
    return {names[number] for number in found if number in names} | by_copy


def in_sources():
    """The names in the calls of raw_syscall(), and in probe.c's list."""
    found = set()
    other_names = (ROOT / "shim/base/raw_numbers.h").read_text().rpartition("#else")[2]
    by_macro = dict(re.findall(r"#define (RAW_\w+) SYS_(\w+)", other_names))
    for path in sorted((ROOT / "shim").glob("**/*.[ch]")):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        for call in re.findall(r"raw_syscall\(([^;]*)", text):
            found |= set(re.findall(r"\bSYS_(\w+)", call))
            found |= {by_macro[name] for name in re.findall(r"\bRAW_\w+", call) if name in by_macro}
        for call in re.findall(r"call_if_allowed\(SYS_(\w+)", text):
            found.add(call)
    return found & set(numbers())


def object_calls():
    """The names of all system calls that the object makes."""
    by_libc = {call for name in imports() & set(IMPORTS) for call in IMPORTS[name]}
    return sorted((in_instructions() | in_sources() | by_libc) & set(numbers()))
