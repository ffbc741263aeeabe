/* The scheduler of model.h. Coroutines begin on contexts and switch by _longjmp, which makes no call. */
#include "model.h"

#include <check.h>
#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "connection/endpoint.h"

/* Stacks are far apart, since valgrind takes a small change of the stack pointer for a large frame. */
enum { THREADS_MOST = 4, STEPS_MOST = 20000, STACK_BYTES = 8 << 20, TRACE = 4096 };

/* --- scheduler --- */

struct coroutine {
    ucontext_t first;
    jmp_buf here;
    bool begun, over, waits;
    int error; /* errno is each thread's own */
};

struct choice {
    uint8_t taken, count; /* of the threads that can run, in order: the one that runs first */
    uint8_t preemptions;  /* before it */
    bool runs;            /* the first of them is the thread that ran before, so that another one preempts it */
};

static const struct model_scenario *scenario;
static struct coroutine coroutines[THREADS_MOST];
static uint8_t *stacks[THREADS_MOST];
static struct choice choices[STEPS_MOST];
static int depth, replay, current = -1;
static ucontext_t scheduler;
static char trace[TRACE][48];
static unsigned traced;

void model_tell(const char *what, long a)
{
    (void)snprintf(trace[traced++ % TRACE], sizeof trace[0], "thread %d: %s(%ld)", current, what, a);
}

void model_expect(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "%s: %s. The steps that led there:\n", scenario->name, what);
    for (unsigned i = traced > 300 ? traced - 300 : 0; i < traced; i++)
        (void)fprintf(stderr, "  %s\n", trace[i % TRACE]);
    (void)fflush(stderr);
    ck_abort_msg("%s: %s", scenario->name, what);
}

/* The thread that runs now. */
static int choose(void)
{
    uint8_t can[THREADS_MOST], count = 0;
    const bool runs = !coroutines[current].over && !coroutines[current].waits;
    if (runs)
        can[count++] = (uint8_t)current;
    for (int i = 0; i < scenario->threads; i++)
        if (i != current && !coroutines[i].over && !coroutines[i].waits)
            can[count++] = (uint8_t)i;
    model_expect(count > 0, "all threads wait for each other");
    if (count == 1)
        return can[0];
    model_expect(depth < STEPS_MOST, "it does not come to an end");
    struct choice *choice = &choices[depth];
    if (depth < replay) {
        model_expect(choice->runs == runs && choice->count <= count,
                     "a repeated order runs otherwise than before: something of an execution is left");
    } else {
        const struct choice *before = depth > 0 ? &choices[depth - 1] : NULL;
        *choice = (struct choice){.count = count, .runs = runs};
        if (before != NULL)
            choice->preemptions = (uint8_t)(before->preemptions + (before->runs && before->taken > 0));
        if (runs && choice->preemptions >= scenario->bound)
            choice->count = 1;
    }
    depth++;
    return can[choice->taken];
}

static void start(void)
{
    scenario->run(current);
    model_tell("ends", 0);
    coroutines[current].over = true;
    for (int i = 0; i < scenario->threads; i++)
        if (!coroutines[i].over) {
            for (int k = 0; k < scenario->threads; k++)
                coroutines[k].waits = false;
            current = choose();
            if (coroutines[current].begun)
                _longjmp(coroutines[current].here, 1);
            coroutines[current].begun = true;
            (void)setcontext(&coroutines[current].first);
        }
    (void)setcontext(&scheduler);
}

/* Lets the scheduler choose. Outside of the threads, as at the beginning of a scenario, nothing happens. */
static void step(void)
{
    if (current < 0)
        return;
    const int before = current;
    const int next = choose();
    if (next == before)
        return;
    coroutines[before].error = errno;
    if (_setjmp(coroutines[before].here) == 0) {
        current = next;
        if (coroutines[next].begun)
            _longjmp(coroutines[next].here, 1);
        coroutines[next].begun = true;
        (void)setcontext(&coroutines[next].first);
    }
    errno = coroutines[before].error;
}

/* A thread that waits looks again after each step of another thread that changes something. */
static void change(void)
{
    if (current < 0)
        return;
    for (int i = 0; i < scenario->threads; i++)
        if (i != current)
            coroutines[i].waits = false;
}

void model_wait(void)
{
    model_tell("waits", 0);
    coroutines[current].waits = true;
    step();
}

int model_self(void)
{
    return current < 0 ? THREADS_MOST : current;
}

bool model_wait_or_time_out(void)
{
    for (int i = 0; i < scenario->threads; i++)
        if (i != current && !coroutines[i].over && !coroutines[i].waits) {
            model_wait();
            return true;
        }
    return false;
}

void model_step(void)
{
    step();
}

void model_changed(void)
{
    if (current >= 0)
        change();
}

/* Reading wakes no thread: two threads that wait for a third would wake each other without end. */
void model_look(const volatile void *word)
{
    const uintptr_t at = (uintptr_t)word, table = (uintptr_t)fd_table;
    if (current < 0 || at < table || at >= table + MODEL_NUMBERS * sizeof fd_table[0] || (at - table) / 8 < 3)
        return;
    step();
    model_tell("table", (long)(at - table) / 8);
}

void model_touch(const volatile void *word)
{
    model_look(word);
    model_changed();
}

static bool next_execution(void)
{
    while (depth > 0) {
        struct choice *last = &choices[depth - 1];
        if (last->taken + 1 < last->count) {
            last->taken++;
            replay = depth;
            return true;
        }
        depth--;
    }
    return false;
}

/* --- executions --- */

static void reset(void)
{
    model_reset_kernel();
    traced = 0;
    depth = 0;
}

static void execute(void)
{
    reset();
    current = -1;
    if (scenario->begin != NULL)
        scenario->begin();
    for (int i = 0; i < scenario->threads; i++) {
        struct coroutine *coroutine = &coroutines[i];
        *coroutine = (struct coroutine){0};
        /* cppcheck-suppress getcontextCalled */
        (void)getcontext(&coroutine->first);
        coroutine->first.uc_stack = (stack_t){.ss_sp = stacks[i], .ss_size = STACK_BYTES};
        /* cppcheck-suppress makecontextCalled */
        makecontext(&coroutine->first, start, 0);
    }
    current = 0;
    coroutines[0].begun = true;
    /* cppcheck-suppress swapcontextCalled */
    (void)swapcontext(&scheduler, &coroutines[0].first);
    current = -1;
    for (int fd = 0; fd < MODEL_NUMBERS; fd++) {
        model_expect(!model_is_open(fd), "a descriptor is left open");
        model_expect(MODEL_LOAD(&fd_table[fd]) == 0, "the table still has something for a number");
    }
}

long model_explore(const struct model_scenario *explored)
{
    long executions = 0;
    scenario = explored;
    replay = 0;
    for (int i = 0; i < THREADS_MOST; i++)
        stacks[i] =
            mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    do {
        execute();
        executions++;
    } while (next_execution());
    for (int i = 0; i < THREADS_MOST; i++)
        (void)munmap(stacks[i], STACK_BYTES);
    return executions;
}
