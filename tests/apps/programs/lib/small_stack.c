/* See small_stack.h. */
#include "small_stack.h"

#include <sys/mman.h>
#include <ucontext.h>

#include "sock.h"

enum { STACK_BYTES = 8192, PATTERN = 0xA5 };

static ucontext_t outside, inside;
static unsigned char *stack;
static ssize_t last_result;
static int last_error;

void small_stack_make(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *memory =
        mmap(NULL, page + STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sock_expect(memory != MAP_FAILED && mprotect(memory, page, PROT_NONE) == 0, "a stack");
    stack = memory + page;
}

ssize_t small_stack_call(const char *name, void (*body)(void))
{
    memset(stack, PATTERN, STACK_BYTES);
    sock_expect(getcontext(&inside) == 0, "getcontext");
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = STACK_BYTES;
    inside.uc_link = &outside;
    makecontext(&inside, body, 0);
    sock_expect(swapcontext(&outside, &inside) == 0, "swapcontext");
    size_t unused = 0;
    while (unused < STACK_BYTES && stack[unused] == PATTERN)
        unused++;
    const char *show = getenv("SOCK_STACKS");
    if (show != NULL && strcmp(show, "show") == 0)
        fprintf(stderr, "%5zu %s\n", STACK_BYTES - unused, name);
    errno = last_error;
    return last_result;
}

void small_stack_returned(ssize_t result)
{
    last_error = errno;
    last_result = result;
}
