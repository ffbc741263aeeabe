/*
 * pfswrap reload PID|PROGRAM...|--all: asks protected processes to read their policy and keys again, and prints
 * what each of them answers. The exit status is 1 if one of them refuses, or cannot answer.
 */
#include "commands.h"
#include "control_page.h"
#include "message.h"
#include "protected.h"
#include "reload_command.h"
#include "safe_text.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MS = 10000, SLICE_MS = 50 };

static const char usage[] = "expected pfswrap reload PID|PROGRAM... or pfswrap reload --all";

/* One process that is asked. */
struct asked {
    pid_t pid;
    char name[COUNTERS_NAME_MAX];
    struct control_page page;
    uint32_t request; /* the number of the request */
};

struct list {
    struct asked *entries;
    size_t count, room;
    bool is_all;              /* every process that can be asked; the others do not matter */
    reload_choice *is_wanted; /* NULL: every one */
    void *argument;
    bool has_failed;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool has(const struct list *list, pid_t pid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].pid == pid)
            return true;
    return false;
}

/* Adds a process to the list, unless it is there already. For protected_each(). */
static void add(void *argument, const struct protected_process *protected)
{
    struct list *list = argument;
    struct asked asked = {.pid = protected->process.pid};
    if (list->has_failed || has(list, asked.pid) ||
        (list->is_wanted != NULL && !list->is_wanted(list->argument, protected)))
        return;
    control_page_find(&asked.page, &protected->process);
    if (list->is_all && asked.page.state != PAGE_FOUND)
        return;
    if (list->count == list->room) {
        const size_t room = list->room > 0 ? 2 * list->room : 64;
        struct asked *more = realloc(list->entries, room * sizeof *more);
        if (more == NULL) {
            message("not enough memory");
            list->has_failed = true;
            return;
        }
        list->entries = more;
        list->room = room;
    }
    const char *name = protected_name(protected);
    memcpy(asked.name, name, strnlen(name, sizeof asked.name - 1));
    list->entries[list->count++] = asked;
}

/* Adds what one argument means. Returns 0, or -1 after a message. */
static int add_argument(struct list *list, const char *argument)
{
    struct protected_choice choice = {0};
    list->is_all = strcmp(argument, "--all") == 0;
    if (!list->is_all && protected_choose(&choice, argument) != 0)
        return -1;
    const int found = protected_each(&choice, add, list);
    if (found == 0 && !list->is_all)
        message("no process %.80s is under pfswrap, expected a process ID or the name of a program under pfswrap",
                argument);
    return found > 0 || (found == 0 && list->is_all) ? 0 : -1;
}

/* Why the process cannot be asked; NULL: it can. */
static const char *why_not(const struct asked *asked)
{
    switch (asked->page.state) {
    case PAGE_NONE:
        return "it cannot be asked, expected a policy with reload = request or auto when it started";
    case PAGE_DENIED:
        return "this user may not look into it, expected root, or its user";
    case PAGE_GONE:
        return "it has ended";
    case PAGE_INVALID:
        return "it runs another build of pfswrap than this command knows, expected that build's command or a "
               "restart";
    case PAGE_FOUND:
        break;
    }
    return NULL;
}

static void print_answer(const struct asked *asked)
{
    static const char *const words[] = {"did not answer", "unchanged", "reloaded", "refused"};
    const struct control *control = asked->page.control;
    char text[CONTROL_TEXT_BYTES];
    const uint32_t result = atomic_load(&control->result);
    memcpy(text, control->text, sizeof text);
    (void)safe_text(text, sizeof text);
    if (result == CONTROL_REFUSED)
        message("%d %s: %s", (int)asked->pid, asked->name, text);
    else
        out("%d %s: %s, generation %u\n", (int)asked->pid, asked->name, words[result < 4 ? result : 0],
            atomic_load(&control->generation));
    if (atomic_load(&control->ended) > 0)
        out("%d %s: %u connections ended, since the policy no longer admits them\n", (int)asked->pid, asked->name,
            atomic_load(&control->ended));
}

/* Prints what the process says, or why it says nothing. Returns its part of the exit status. */
static int report(const struct asked *asked)
{
    const char *reason = why_not(asked);
    if (reason != NULL) {
        message("%d %s: %s", (int)asked->pid, asked->name, reason);
        return 1;
    }
    const struct control *control = asked->page.control;
    const uint32_t state = atomic_load(&control->state);
    if (!asked->page.is_owner || state == CONTROL_IDLE) {
        out("%d %s: has no connection yet, and reads its policy again with its first one\n", (int)asked->pid,
            asked->name);
        return 0;
    }
    if (state == CONTROL_SANDBOXED || state == CONTROL_NO_THREAD) {
        message("%d %s: %s; its old state stays in force until it is restarted", (int)asked->pid, asked->name,
                state == CONTROL_SANDBOXED ? "a system call filter of the program forbids to read the policy again"
                                           : "it could not make the thread that reads the policy again");
        return 1;
    }
    if ((int32_t)(atomic_load(&control->answered) - asked->request) < 0) {
        message("%d %s: did not answer within %d s", (int)asked->pid, asked->name, ANSWER_MS / 1000);
        return 1;
    }
    print_answer(asked);
    return atomic_load(&control->result) == CONTROL_REFUSED ? 1 : 0;
}

/* Whether an earlier process of the list has the same page. */
static bool is_repeated(const struct list *list, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (list->entries[i].page.state == PAGE_FOUND &&
            list->entries[i].page.inode == list->entries[index].page.inode)
            return true;
    return false;
}

static bool is_alive(const struct asked *asked)
{
    return kill(asked->pid, 0) == 0 || errno != ESRCH;
}

/* Waits for the answer of a process that has a thread to give it. */
static void await(const struct asked *asked, uint64_t until_ms)
{
    struct control *control = asked->page.control;
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
    for (uint32_t seen;
         asked->page.is_owner && atomic_load(&control->state) == CONTROL_WATCHING && is_alive(asked) &&
         (int32_t)((seen = atomic_load(&control->answered)) - asked->request) < 0 && now_ms() < until_ms;)
        (void)syscall(SYS_futex, &control->answered, FUTEX_WAIT, seen, &slice, NULL, 0);
}

static int ask(const struct list *list)
{
    int status = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct control *control = list->entries[i].page.control;
        if (list->entries[i].page.state != PAGE_FOUND || is_repeated(list, i))
            continue;
        list->entries[i].request = atomic_fetch_add(&control->request, 1) + 1;
        (void)syscall(SYS_futex, &control->request, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    const uint64_t until_ms = now_ms() + ANSWER_MS;
    for (size_t i = 0; i < list->count; i++) {
        if (list->entries[i].page.state == PAGE_FOUND && !is_repeated(list, i))
            await(&list->entries[i], until_ms);
        status |= report(&list->entries[i]);
    }
    return status;
}

int reload_wanted(reload_choice *is_wanted, void *argument)
{
    const struct protected_choice everyone = {0};
    struct list list = {.is_wanted = is_wanted, .argument = argument};
    const int found = protected_each(&everyone, add, &list);
    const int status = found < 0 || list.has_failed ? 1 : ask(&list);
    free(list.entries);
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
        if (argv[i][0] == '-' && strcmp(argv[i], "--all") != 0) {
            message("unknown option %.80s of reload, %s", argv[i], usage);
            return 2;
        }
        if (add_argument(&list, argv[i]) != 0)
            status = 1;
    }
    status |= list.has_failed ? 1 : ask(&list);
    free(list.entries);
    const int printed = out_finish();
    return status != 0 ? status : printed;
}
