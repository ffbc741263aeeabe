/*
 * pfswrap reload PID|PROGRAM...|--all: asks protected processes to read their policy and keys again, and prints
 * what each of them answers. The exit status is 1 if one of them refuses, or cannot answer.
 */
#include "commands.h"
#include "message.h"
#include "processes.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MS = 10000, SLICE_MS = 50 };

static const char usage[] = "expected pfswrap reload PID|PROGRAM... or pfswrap reload --all";

struct list {
    struct process *processes;
    size_t count, room;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool has(const struct list *list, int pid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->processes[i].pid == pid)
            return true;
    return false;
}

/* Adds the process, unless it is there already. Returns 0, or -1 after a message. */
static int add(struct list *list, const struct process *process)
{
    if (has(list, process->pid))
        return 0;
    if (list->count == list->room) {
        const size_t room = list->room > 0 ? 2 * list->room : 64;
        struct process *more = realloc(list->processes, room * sizeof *more);
        if (more == NULL) {
            message("not enough memory");
            return -1;
        }
        list->processes = more;
        list->room = room;
    }
    list->processes[list->count++] = *process;
    return 0;
}

/* Adds every process that `name` means; NULL: every one that can be asked. Returns how many, or -1. */
static int add_called(struct list *list, const char *name)
{
    int found = 0;
    for (int pid = process_next(0); pid != 0; pid = process_next(pid)) {
        if (pid == (int)getpid() || (name != NULL && !process_is_called(pid, name)))
            continue;
        struct process process = {.pid = pid};
        process_find_page(&process);
        if (process.state != PAGE_FOUND && (name == NULL || process.state == PAGE_GONE))
            continue;
        if (add(list, &process) != 0)
            return -1;
        found++;
    }
    return found;
}

/* Adds what one argument means. Returns 0, or -1 after a message. */
static int add_argument(struct list *list, const char *argument)
{
    if (strspn(argument, "0123456789") == strlen(argument)) {
        struct process process = {.pid = atoi(argument)};
        process_find_page(&process);
        return add(list, &process);
    }
    const int found = add_called(list, argument);
    if (found == 0)
        message("no process is called %.80s, expected a process ID or the name of a program that runs", argument);
    return found > 0 ? 0 : -1;
}

/* Why the process cannot be asked; NULL: it can. */
static const char *why_not(const struct process *process)
{
    switch (process->state) {
    case PAGE_NONE:
        return "it cannot be asked, expected a program under pfswrap whose policy has reload = request or auto";
    case PAGE_DENIED:
        return "this user may not look into it, expected root, or its user";
    case PAGE_GONE:
        return "there is no such process";
    case PAGE_INVALID:
        return "it runs another build of pfswrap than this command knows, expected that build's command or a "
               "restart";
    case PAGE_FOUND:
        break;
    }
    return NULL;
}

static void print_answer(const struct process *process)
{
    static const char *const words[] = {"did not answer", "unchanged", "reloaded", "refused"};
    const struct control *control = process->control;
    char text[CONTROL_TEXT_BYTES];
    const uint32_t result = atomic_load(&control->result);
    memcpy(text, control->text, sizeof text);
    text[sizeof text - 1] = '\0';
    if (result == CONTROL_REFUSED)
        message("%d %s: %s", process->pid, process->name, text);
    else
        out("%d %s: %s, generation %u\n", process->pid, process->name, words[result < 4 ? result : 0],
            atomic_load(&control->generation));
    if (atomic_load(&control->ended) > 0)
        out("%d %s: %u connections ended, since the policy no longer admits them\n", process->pid, process->name,
            atomic_load(&control->ended));
}

/* Prints what the process says, or why it says nothing. Returns its part of the exit status. */
static int report(const struct process *process, uint32_t request)
{
    const char *reason = why_not(process);
    if (reason != NULL) {
        message("%d %s: %s", process->pid, process->name, reason);
        return 1;
    }
    const uint32_t state = atomic_load(&process->control->state);
    if (!process->is_owner || state == CONTROL_IDLE) {
        out("%d %s: has no connection yet, and reads its policy again with its first one\n", process->pid,
            process->name);
        return 0;
    }
    if (state == CONTROL_SANDBOXED || state == CONTROL_NO_THREAD) {
        message("%d %s: %s; its old state stays in force until it is restarted", process->pid, process->name,
                state == CONTROL_SANDBOXED ? "a system call filter of the program forbids to read the policy again"
                                           : "it could not make the thread that reads the policy again");
        return 1;
    }
    if ((int32_t)(atomic_load(&process->control->answered) - request) < 0) {
        message("%d %s: did not answer within %d s", process->pid, process->name, ANSWER_MS / 1000);
        return 1;
    }
    print_answer(process);
    return atomic_load(&process->control->result) == CONTROL_REFUSED ? 1 : 0;
}

/* Whether an earlier process of the list has the same page. */
static bool is_repeated(const struct list *list, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (list->processes[i].state == PAGE_FOUND && list->processes[i].inode == list->processes[index].inode)
            return true;
    return false;
}

/* Waits for the answer of a process that has a thread to give it. */
static void await(const struct process *process, uint32_t request, uint64_t until_ms)
{
    _Atomic uint32_t *answered = &process->control->answered;
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
    for (uint32_t seen; process->is_owner && atomic_load(&process->control->state) == CONTROL_WATCHING &&
                        (int32_t)((seen = atomic_load(answered)) - request) < 0 && now_ms() < until_ms;)
        (void)syscall(SYS_futex, answered, FUTEX_WAIT, seen, &slice, NULL, 0);
}

static int ask(const struct list *list)
{
    int status = 0;
    uint32_t *requests = calloc(list->count + 1, sizeof *requests);
    if (requests == NULL) {
        message("not enough memory");
        return 1;
    }
    for (size_t i = 0; i < list->count; i++) {
        struct control *control = list->processes[i].control;
        if (list->processes[i].state != PAGE_FOUND || is_repeated(list, i))
            continue;
        requests[i] = atomic_fetch_add(&control->request, 1) + 1;
        (void)syscall(SYS_futex, &control->request, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    const uint64_t until_ms = now_ms() + ANSWER_MS;
    for (size_t i = 0; i < list->count; i++) {
        if (list->processes[i].state == PAGE_FOUND && !is_repeated(list, i))
            await(&list->processes[i], requests[i], until_ms);
        status |= report(&list->processes[i], requests[i]);
    }
    free(requests);
    return status;
}

int command_reload(int argc, char **argv)
{
    struct list list = {0};
    int status = 0;
    if (argc < 2) {
        message("%s", usage);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        const bool is_all = strcmp(argv[i], "--all") == 0;
        if (argv[i][0] == '-' && !is_all) {
            message("unknown option %.80s of reload, %s", argv[i], usage);
            return 2;
        }
        if (is_all ? add_called(&list, NULL) < 0 : add_argument(&list, argv[i]) != 0)
            status = 1;
    }
    status |= ask(&list);
    free(list.processes);
    const int printed = out_finish();
    return status != 0 ? status : printed;
}
